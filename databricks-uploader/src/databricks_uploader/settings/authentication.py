"""Who we are to a workspace, in the order of Databricks' unified authentication: first a token, then OAuth.

https://docs.databricks.com/dev-tools/auth/unified-auth.html
"""

import configparser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from databricks_uploader.settings.credentials import Client, GivenSecret, TokenFile, Way
from databricks_uploader.settings.given import MISSING, Fault, Given, Place, Source
from databricks_uploader.settings.kinds import MisfitError
from databricks_uploader.settings.model import NAMES
from databricks_uploader.settings.rules import nearest

_OF_PROFILE = {
    "host": "databricks_host",
    "token": "databricks_token",
    "client_id": "databricks_client_id",
    "client_secret": "databricks_client_secret",
    "auth_type": "databricks_auth_type",
}


def profile(named: Given, file: Path, faults: list[Fault]) -> list[Given]:
    """Return what a profile of a Databricks configuration file gives; it is read only when a setting names it."""
    # Python's parser would give what [DEFAULT] has to every profile; Databricks' own tools don't.
    parser = configparser.ConfigParser(default_section="", interpolation=None)
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(Fault(named.place, f"{named.name} needs the file {file}: {error.strerror}"))
        return []
    except (configparser.Error, UnicodeDecodeError):  # their texts quote lines of the file
        faults.append(Fault(named.place, f"{named.name} needs {file} to be a Databricks configuration file"))
        return []
    name = str(named.value)
    if not parser.has_section(name):
        near = nearest(name, parser.sections()) or f"; there are {', '.join(parser.sections())}"
        faults.append(Fault(named.place, f"{named.name}: no profile {name!r} in {file}{near}"))
        return []
    place = Place(Source.PROFILE, 0, f"{file.name} [{name}]")
    return [
        Given(NAMES[_OF_PROFILE[word]], _OF_PROFILE[word], text, place, file=file)
        for word, text in parser.items(name)
        if word in _OF_PROFILE and text
    ]


def chosen(values: Mapping[str, Any], given: Mapping[str, Given]) -> str | None:
    """Return the way to authenticate and what decides it; None where nothing that was given is enough."""
    for way, decisive in _ways(values, given):
        return f"{way}, by {decisive.key.name} ({decisive.place.label})"
    return None


def way(values: Mapping[str, Any], given: Mapping[str, Given]) -> Way | None:
    """Return who we are to the workspace; None where nothing that was given is enough."""
    for _, decisive in _ways(values, given):
        value = values[decisive.key.name]
        if decisive.key.name == "databricks_token":
            return GivenSecret(value)
        if decisive.key.name == "databricks_token_file":
            return TokenFile(value)
        return Client(value, values["databricks_client_secret"])
    return None


def _ways(values: Mapping[str, Any], given: Mapping[str, Given]) -> Iterator[tuple[str, Given]]:
    ways = {"pat": _token(given), "oauth-m2m": _client(given)}
    forced = values["databricks_auth_type"]
    for name, decisive in ways.items():
        if decisive is not None and forced in (None, name):
            yield name, decisive


def _token(given: Mapping[str, Given]) -> Given | None:
    found = [given[name] for name in ("databricks_token", "databricks_token_file") if name in given]
    return max(found, key=lambda one: one.place.source, default=None)


def _client(given: Mapping[str, Given]) -> Given | None:
    return given.get("databricks_client_id") if "databricks_client_secret" in given else None


def faults(values: Mapping[str, Any], given: Mapping[str, Given]) -> Iterator[Fault]:
    """Yield what keeps a workspace from knowing us."""
    pair = ("databricks_client_id", "databricks_client_secret")
    alone = [(one, other) for one, other in (pair, pair[::-1]) if one in given and other not in given]
    for one, other in alone:
        yield Fault(given[one].place, f"{one} needs {other}")
    if "databricks_token_file" in given and values["databricks_token_file"] is not None:
        try:
            TokenFile(values["databricks_token_file"]).token()
        except MisfitError as misfit:
            yield Fault(given["databricks_token_file"].place, f"databricks_token_file {misfit}")
    if chosen(values, given) is None and not alone:
        yield Fault(
            MISSING,
            "no way to authenticate: set DATABRICKS_TOKEN, databricks_token_file, DATABRICKS_CLIENT_ID with "
            "DATABRICKS_CLIENT_SECRET, or DATABRICKS_CONFIG_PROFILE",
        )
