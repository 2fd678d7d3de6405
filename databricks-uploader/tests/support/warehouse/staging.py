"""PUT, GET, REMOVE and LIST: statements that hand the connector an address to send a file to or fetch it from.

https://docs.databricks.com/sql/language-manual/sql-ref-syntax-aux-connector-put-into and its siblings -get, -remove,
-list; the row that carries the address: databricks-sql-connector 4.9.0, client.py, `_handle_staging_operation`.
"""

import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from tests.support.warehouse import errors, privileges, sqltext
from tests.support.warehouse.catalog import Catalog, VolumeFile
from tests.support.warehouse.naming import Session
from tests.support.warehouse.privileges import Privileges
from tests.support.warehouse.statements import Result

TICKET_LIFE_S = 900
_STATEMENT = re.compile(
    r"\s*(PUT|GET|REMOVE|LIST)\s+('_*')\s*(?:(?:INTO|TO)\s+('_*'))?\s*(OVERWRITE)?\s*;?\s*", re.IGNORECASE
)
_METHODS = {"PUT": "PUT", "GET": "GET", "REMOVE": "DELETE"}


@dataclass(frozen=True)
class Staging:
    """One such statement: its verb, the file on the client's side ("" without one), the path in the volume."""

    verb: str
    local: str
    path: str
    overwrite: bool


@dataclass(frozen=True)
class Ticket:
    """What a presigned address allows: one method on one file, for a time."""

    method: str
    file: Path
    until: float


def parse(sql: str) -> Staging | None:
    """Read a staging statement; None if it is another one."""
    found = _STATEMENT.fullmatch(sqltext.code(sql))
    if found is None:
        return None
    verb = found[1].upper()
    first = sqltext.literal(sql[found.start(2) : found.end(2)])
    second = sqltext.literal(sql[found.start(3) : found.end(3)]) if found[3] else ""
    local, path = (first, second) if verb == "PUT" else (second, first)
    return Staging(verb, local, path, overwrite=bool(found[4]))


class Stage:
    """Carries out staging statements and keeps the tickets they gave out."""

    def __init__(self, catalog: Catalog, held: Privileges, clock: Callable[[], float]) -> None:
        self._catalog, self._privileges, self._clock = catalog, held, clock
        self._lock = threading.Lock()
        self._tickets: dict[str, Ticket] = {}

    def run(self, asked: Staging, session: Session, base_url: str) -> Result:
        """Return the listing, or the row with the address."""
        file = self._file(asked, session)
        if asked.verb == "LIST":
            return Result(_listing(asked.path, file.here))
        if asked.verb != "REMOVE" and not asked.local:
            raise errors.STAGING_EMPTY_LOCAL.error(verb=asked.verb)
        if asked.verb == "PUT" and file.here.exists() and not asked.overwrite:
            raise errors.STAGING_EXISTS.error(path=asked.path)
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._tickets[name] = Ticket(_METHODS[asked.verb], file.here, self._clock() + TICKET_LIFE_S)
        row = {
            "operation": asked.verb,
            "localFile": asked.local or None,
            "presignedUrl": f"{base_url}/presigned/{name}",
            "headers": "{}",
        }
        return Result(pa.table({key: pa.array([value], pa.string()) for key, value in row.items()}))

    def redeem(self, name: str, method: str) -> Path:
        """Return the file that a ticket allows. Raises WarehouseError for an unknown or old one."""
        with self._lock:
            ticket = self._tickets.get(name)
        if ticket is None or ticket.method != method or ticket.until <= self._clock():
            raise errors.PRESIGNED_REFUSED.error()
        return ticket.file

    def _file(self, asked: Staging, session: Session) -> VolumeFile:
        file = self._catalog.volume_file(asked.path)
        if file is None or not self._catalog.has_volume(file.volume):
            raise errors.UC_VOLUME_NOT_FOUND.error(name=sqltext.quoted(tuple(asked.path.split("/")[2:5])))
        for right in ("READ VOLUME", "WRITE VOLUME") if asked.verb in {"PUT", "REMOVE"} else ("READ VOLUME",):
            self._privileges.require(session.principal, right, privileges.volume(file.volume))
        return file


def _listing(path: str, folder: Path) -> pa.Table:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    stats = [file.stat() for file in files]
    return pa.table(
        {
            "path": pa.array([f"dbfs:{path.rstrip('/')}/{file.name}" for file in files], pa.string()),
            "name": pa.array([file.name for file in files], pa.string()),
            "size": pa.array([stat.st_size for stat in stats], pa.int64()),
            "modification_time": pa.array([int(stat.st_mtime * 1000) for stat in stats], pa.int64()),
        }
    )
