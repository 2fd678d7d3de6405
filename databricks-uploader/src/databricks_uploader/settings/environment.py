"""Settings of environment variables, and of a file of such variables."""

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from databricks_uploader.settings.given import Fault, Given, Place, Source
from databricks_uploader.settings.kinds import MisfitError, Tree
from databricks_uploader.settings.model import VARIABLES

_OURS = ("DATABRICKS_", "ENABLE_", "SANITIZE_", "FILTER_", "AGGREGATE_", "SQLITE_")
"""How variables begin that nobody else is likely to set by a name so near to one of ours."""
_NEAR = 0.9


def read(environment: Mapping[str, str], faults: list[Fault]) -> list[Given]:
    """Return what variables give; empty ones count as unset."""
    found = []
    for name, text in sorted(environment.items()):
        place = Place(Source.ENVIRONMENT, 0, f"environment {name}")
        if name in VARIABLES and text:
            found.append(Given(VARIABLES[name], name.lower(), text, place))
        elif text:
            faults.extend(_misspelt(name, place))
    return found


def _misspelt(name: str, place: Place) -> Iterable[Fault]:
    if name in VARIABLES or not name.startswith(_OURS):
        return
    for near in get_close_matches(name, VARIABLES, n=1, cutoff=_NEAR):
        yield Fault(place, f"no setting has this variable, did you mean {near}?")


_LINE = re.compile(
    r"""[^\S\n]*(?:export[^\S\n]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)=
        (?: '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | (?P<plain>(?:[^\s'"][^\n]*?)?) )
        (?:[^\S\n]+\#[^\n]*)?[^\S\n]*(?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_NOTHING = re.compile(r"[^\S\n]*(?:\#[^\n]*)?(?:\n|\Z)")
_ESCAPED = re.compile(r"\\([\\\"$`])")


def read_file(path: Path, faults: list[Fault]) -> tuple[dict[str, str], list[Given]]:
    """Return the variables of a file as a shell would set them, and what they give.

    Lines are NAME=value, perhaps after `export`; quotes are taken off, # begins a comment, and a quoted value may
    go over several lines. A variable in a value is not expanded: that is a fault of the value.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        faults.append(Fault(Place(Source.ENV_FILE, 0, "--env-file"), f"no file {path}"))
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file in UTF-8"
        faults.append(Fault(Place(Source.ENV_FILE, 0, "--env-file"), f"can't read {path}: {reason}"))
        return {}, []
    variables, found, position = {}, {}, 0
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        place = Place(Source.ENV_FILE, line, f"{path.name}:{line}")
        match = _LINE.match(text, position)
        if match:
            name, value = match["name"], _value(match)
            variables[name] = value
            found[name] = _given(name, value, place, path, _unexpanded(match, place))
            faults.extend(_misspelt(name, place) if value else ())
        else:
            match = _NOTHING.match(text, position)
            if not match:
                faults.append(Fault(place, "is not a NAME=value line"))
        position = match.end() if match else _end_of_line(text, position)
    return variables, [given for given in found.values() if given is not None and given.value]


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end + 1


def _value(match: re.Match[str]) -> str:
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return _ESCAPED.sub(r"\1", match["double"])
    return match["plain"]


def _unexpanded(match: re.Match[str], place: Place) -> tuple[Fault, ...]:
    if match["single"] is None and re.search(r"(?<!\\)\$[{A-Za-z_]", match["double"] or match["plain"] or ""):
        return (Fault(place, f"${'{…}'} is not expanded in an --env-file; write the value, or '…' around it"),)
    return ()


def _given(name: str, value: str, place: Place, path: Path, faults: tuple[Fault, ...]) -> Given | None:
    if name not in VARIABLES:
        return None
    return Given(VARIABLES[name], name.lower(), value, place, file=path, faults=faults)


def from_json(text: str) -> Tree:
    """Return a structured value of a variable or flag. Raises MisfitError where it is no JSON."""
    try:
        found: Tree = json.loads(text, object_pairs_hook=_without_doubles)
    except json.JSONDecodeError as error:
        raise MisfitError(f"is not JSON: {error.msg} at character {error.pos + 1}") from error
    return found


def _without_doubles(pairs: list[tuple[str, Tree]]) -> Mapping[str, Tree]:
    for number, (name, _) in enumerate(pairs):
        if name in (earlier for earlier, _ in pairs[:number]):
            raise MisfitError(f"has {name!r} twice")
    return dict(pairs)
