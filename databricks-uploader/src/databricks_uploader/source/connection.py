"""Read-only connections to the source, by the one SQLite library that may open it in this process.

POSIX drops all locks that a process has on a file when any of its descriptors of that file is closed, so a
second SQLite library (Python's `sqlite3` is one) would take the first one's locks away
(https://sqlite.org/howtocorrupt.html, 2.2).
"""

import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import adbc_driver_manager
import adbc_driver_sqlite
from adbc_driver_manager import AdbcConnection, AdbcDatabase, AdbcStatement
from arro3.core import RecordBatch, RecordBatchReader

from databricks_uploader.errors import ConfigError, PermanentError, TransientError, UploaderError

BUSY_TIMEOUT_MS = 5_000
_DRIVER = adbc_driver_sqlite._driver_path()  # noqa: SLF001  (the only way to the low-level interface's driver)


class Connection:
    """An open read-only connection; each query outside a transaction is one of its own, ended before it returns."""

    def __init__(self, connection: AdbcConnection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let all queries meanwhile see the same rows."""
        with _translated(self._path):
            self._connection.set_autocommit(False)
        try:
            yield
        finally:
            self._connection.set_autocommit(True)

    def read(self, sql: str, *, at_most: int) -> RecordBatch:
        """Return all rows, of which there must be one and at most `at_most`, as one batch.

        The driver types a column by the values of its first batch, so here it sees all of them, and every
        error of the statement comes while it is executed.
        """
        batch = self._first_batch(sql, at_most)
        if batch is None:
            raise RuntimeError(f"no row came of {sql}")
        return batch

    def rows(self, sql: str, *, at_most: int = 10_000) -> list[tuple[Any, ...]]:
        """Return all rows as Python values: for questions about a table, never for its rows."""
        batch = self._first_batch(sql, at_most)
        return [] if batch is None else list(zip(*(column.to_pylist() for column in batch.columns), strict=True))

    def _first_batch(self, sql: str, size: int) -> RecordBatch | None:
        with _translated(self._path), AdbcStatement(self._connection) as statement:
            statement.set_options(**{"adbc.sqlite.query.batch_rows": str(size)})
            statement.set_sql_query(sql)
            handle, _ = statement.execute_query()
            batches = RecordBatchReader.from_arrow(handle)
            batch = next(batches, None)
            if batch is not None and batch.num_rows == size and next(batches, None) is not None:
                raise RuntimeError(f"more than {size} rows came of {sql}")
            return batch


@contextmanager
def connect(path: Path) -> Iterator[Connection]:
    """Open the database read-only. Raises ConfigError where there is none."""
    _check_file(path)
    with ExitStack() as stack:
        with _translated(path):
            uri = f"file:{quote(str(path))}?mode=ro"
            database = stack.enter_context(AdbcDatabase(driver=_DRIVER, uri=uri))
            connection = stack.enter_context(AdbcConnection(database))
        opened = Connection(connection, path)
        opened.read(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}", at_most=1)
        yield opened


def identifier(name: str) -> str:
    """Quote a column name, qualified: SQLite takes a bare quoted name that is no column for a string."""
    return "t." + quoted(name)


def quoted(name: str) -> str:
    """Quote a name for SQLite."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Quote a string value for SQLite."""
    return "'" + value.replace("'", "''") + "'"


def _check_file(path: Path) -> None:
    """Say what SQLite would not: it waits for ever at a FIFO and calls a missing file "out of memory"."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        siblings = _databases_beside(path)
        hint = f"there is {', '.join(siblings)}" if siblings else "check --sqlite (sqlite in YAML)"
        raise ConfigError(f"no file {path}", hint=hint) from error
    except OSError as error:
        raise ConfigError(
            f"can't look at {path}: {error.strerror}", hint="check the permissions of its folder"
        ) from error
    if stat.S_ISDIR(mode):
        inside = _databases_beside(path / "x")
        hint = f"name the file in it: {', '.join(inside)}" if inside else "name the database file itself"
        raise ConfigError(f"{path} is a directory", hint=hint)
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path} is not a file", hint="name the database file itself")


def _databases_beside(path: Path) -> Sequence[str]:
    try:
        files = sorted(f for f in path.parent.iterdir() if f.suffix in {".db", ".sqlite", ".sqlite3"})
    except OSError:
        return []
    return [str(f) for f in files[:5]]


_BESIDE = (
    "let this user write in its folder (SQLite keeps a log beside a database in WAL mode), or keep its writer running"
)
_MEANINGS: Sequence[tuple[str, type[UploaderError], str, str]] = (
    ("is locked", TransientError, "{path} is locked by another program", "it is tried again"),
    ("not a database", ConfigError, "{path} is not a SQLite database", "check --sqlite; is the file encrypted?"),
    ("failed to open", ConfigError, "can't open {path}", "let this user read the file, and its folder too"),
    ("unable to open database file", ConfigError, "can't open {path}", _BESIDE),
    ("attempt to write a readonly database", ConfigError, "can't open {path}", _BESIDE),
    ("malformed", PermanentError, "{path} is damaged", "run PRAGMA integrity_check on a copy of it"),
    ("disk I/O error", TransientError, "{path} can't be read now", "check the disk; it is tried again"),
    ("no such table", ConfigError, "a table of {path} is gone", "check --sqlite-table"),
    ("no such column", TransientError, "the table in {path} changes while it is read", "it is tried again"),
)
"""Words of SQLite, the only thing that tells its errors apart here, and what they mean."""


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn errors of the driver into ours."""
    try:
        yield
    except adbc_driver_manager.Error as error:
        words = str(error)
        for part, kind, what, hint in _MEANINGS:
            if part in words:
                raise kind(what.format(path=path), hint=hint) from error
        raise
