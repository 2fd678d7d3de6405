"""How people write the names of a Databricks workspace, and what is meant."""

import re

from databricks_uploader.model.workspace import Compute, Host, HttpPath, Schema, Volume
from databricks_uploader.settings.kinds import TEXT, Kind, MisfitError, choice

_HTTPS = 443
_HOST = re.compile(r"(?P<name>[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:(?P<port>\d{1,5}))?/?")


def _host(text: str) -> Host:
    """Return the host of what is often pasted from a browser: with or without https://, port and trailing slash."""
    plain = text.strip().lower()
    if plain.startswith("http://"):
        raise MisfitError("is reached by https only: leave http:// out")
    found = _HOST.fullmatch(plain.removeprefix("https://"))
    if not found:
        raise ValueError
    port = int(found["port"] or _HTTPS)
    return Host(found["name"], None if port == _HTTPS else port)


_COMPUTES = {
    re.compile(r"/sql/1\.0/(warehouses|endpoints)/[A-Za-z0-9]+"): Compute.WAREHOUSE,
    re.compile(r"/sql/protocolv1/o/\d+/[A-Za-z0-9-]+"): Compute.CLUSTER,
}


def _http_path(text: str) -> HttpPath:
    path = "/" + text.strip().strip("/")
    for pattern, compute in _COMPUTES.items():
        if pattern.fullmatch(path):
            return HttpPath(path, compute)
    raise ValueError


_PART = re.compile(r"`(?P<quoted>(?:[^`]|``)+)`|(?P<plain>[^`.]+)")
_DOTTED = re.compile(r"(`([^`]|``)+`|[^`.]+)(\.(`([^`]|``)+`|[^`.]+))*")
_FORBIDDEN = re.compile(r"[/\s\x00-\x1f\x7f]")  # https://docs.databricks.com/sql/language-manual/sql-ref-names.html


def parts(text: str) -> list[str]:
    """Return the parts of a dotted name; a back-quoted part may hold dots, and a doubled back-quote one of its own."""
    if not _DOTTED.fullmatch(text):
        raise ValueError
    found = [(match["quoted"] or match["plain"]).replace("``", "`") for match in _PART.finditer(text)]
    if any(_FORBIDDEN.search(part) for part in found):
        raise ValueError
    return found


def _schema(text: str) -> Schema:
    match parts(text.strip()):
        case [schema]:
            return Schema(None, schema)
        case [catalog, schema]:
            return Schema(catalog, schema)
    raise MisfitError(f"takes schema or catalog.schema, not {text!r}; the table's name goes into databricks_table")


def _table(text: str) -> str:
    match parts(text.strip()):
        case [table]:
            return table
    raise MisfitError(
        f"takes a table's name alone, not {text!r}; its schema goes into databricks_database, and a name with a dot "
        "between back-quotes"
    )


def _volume(text: str) -> Volume:
    path = text.strip().rstrip("/")
    if path.startswith("/Volumes/"):
        catalog, schema, name, *folders = path.removeprefix("/Volumes/").split("/")
        if not all((catalog, schema, name, *folders)):
            raise ValueError
        return Volume(catalog, schema, name, "/".join(folders))
    catalog, schema, name = parts(path)
    return Volume(catalog, schema, name)


HOST = Kind("HOST", "a host name such as adb-1234567890123456.7.azuredatabricks.net", _host, TEXT)
HTTP_PATH = Kind(
    "PATH",
    "the path of a SQL warehouse (/sql/1.0/warehouses/ID) or of a cluster (/sql/protocolv1/o/ORG/CLUSTER)",
    _http_path,
    TEXT,
)
SCHEMA = Kind("NAME", "schema or catalog.schema", _schema, TEXT)
TABLE = Kind("NAME", "a table's name", _table, TEXT)
VOLUME = Kind("NAME", "catalog.schema.volume or /Volumes/catalog/schema/volume", _volume, TEXT)
AUTH_TYPE = choice("WAY", "pat", "oauth-m2m")
