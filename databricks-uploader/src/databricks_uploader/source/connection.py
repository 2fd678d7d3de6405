"""Read-only connections to the source, by the one SQLite library that may open it in this process.

POSIX drops all locks that a process has on a file when any of its descriptors of that file is closed, so a
second SQLite library (Python's `sqlite3` is one) would take the first one's locks away
(https://sqlite.org/howtocorrupt.html, 2.2).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import adbc_driver_manager
import adbc_driver_sqlite
from adbc_driver_manager import AdbcConnection, AdbcDatabase, AdbcStatement
from arro3.core import RecordBatch, RecordBatchReader

from databricks_uploader.errors import TransientError
from databricks_uploader.events import Busy, Tell
from databricks_uploader.source.descriptors import connected, descriptor
from databricks_uploader.source.diagnosis import BusyError, check_file, damaged, translated
from databricks_uploader.source.files import Look, at_rest

BUSY_TIMEOUT_MS = 1_000
"""How long SQLite waits for a lock before the wait is told and begins anew."""
BUSY_TRIES = 5
_MOVED_TRIES = 5
_WAY, _MOST_WAY_S = 4, 0.1
_DRIVER = adbc_driver_sqlite._driver_path()  # noqa: SLF001  (the only way to the low-level interface's driver)

T = TypeVar("T")


class MovedError(TransientError):
    """A database at rest was opened by a writer while it was read, so that what was read is not used."""


class Connection:
    """A read-only connection to the database at `path`; each query outside a transaction is one of its own.

    A database at rest (in WAL mode, nobody has it open) is read with `immutable=1`: no locks, no `-wal` or `-shm`
    made, and no right to make them needed. Nothing keeps a writer out then, so each transaction ends by a look
    that the file is still what it was before the connection was made, and a result is only used after it.
    """

    def __init__(self, path: Path, tell: Tell) -> None:
        self.path = path
        self._tell = tell
        self._in_transaction = False
        self._opened = ExitStack()
        self._connection: AdbcConnection
        self._unmoved: Callable[[], bool]
        self._log = False
        self.utf8 = True
        self._written: int | None = None

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._opened.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let all queries meanwhile see the same rows. Raises MovedError at its end if what they said can't be used."""
        if not self._unmoved():
            self._unmoved = lambda: False  # until it is open again
            self._opened.close()
            self._open()
        with translated(self.path):
            self._connection.set_autocommit(False)
        self._in_transaction = True
        try:
            yield
        except BaseException:
            with suppress(adbc_driver_manager.Error):  # an error may have ended the transaction already
                self._end()
            self._check_unmoved()  # of half-written pages come errors, too
            raise
        with translated(self.path):
            self._end()
        self._check_unmoved()

    def consistent(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, called in a transaction; called again after MovedError."""
        if self._in_transaction:
            return read()
        for _ in range(_MOVED_TRIES - 1):
            try:
                with self.transaction():
                    return read()
            except MovedError:
                continue  # the next one opens the database anew, now with locks
        with self.transaction():
            return read()

    def read(self, sql: str, *, at_most: int) -> RecordBatch:
        """Return all rows, of which there must be one and at most `at_most`, as one batch.

        The driver types a column by the values of its first batch, so here it sees all of them, and every
        error of the statement comes while it is executed.
        """
        batch = self.consistent(lambda: self._first_batch(sql, at_most))
        if batch is None:
            raise RuntimeError(f"no row came of {sql}")
        if batch.num_rows > at_most:
            raise damaged(self.path)  # its trees contradict each other
        return batch

    def rows(self, sql: str, *, at_most: int = 10_000) -> list[tuple[Any, ...]]:
        """Return all rows as Python values: for questions about a table, never for its rows."""
        batch = self.consistent(lambda: self._first_batch(sql, at_most))
        if batch is None:
            return []
        if batch.num_rows > at_most:
            raise RuntimeError(f"more than {at_most} rows came of {sql}")
        return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))

    def give_way(self, held_s: float) -> None:
        """Wait after a lock of `held_s` seconds, where writers with a rollback journal are at work meanwhile.

        Each of their commits waits for the end of our page, and all of them wait for that one. Reading a backlog
        without a pause, four of them met SQLITE_BUSY three times as often as without us.
        """
        if self._log:
            return
        with suppress(OSError):  # the file may be gone from its place while we read it to its end
            before, self._written = self._written, self.path.stat().st_mtime_ns
            if before not in (None, self._written):
                time.sleep(min(_WAY * held_s, _MOST_WAY_S))

    def _open(self) -> None:
        real = check_file(self.path)
        rest = self._look_at_rest(real)
        self._opened.enter_context(connected())
        uri = f"file:{quote(str(real))}?mode=ro{'&immutable=1' if rest else ''}"
        with translated(self.path):
            database = self._opened.enter_context(AdbcDatabase(driver=_DRIVER, uri=uri))
            self._connection = self._opened.enter_context(AdbcConnection(database))
        self._execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}", 1)
        self._execute("PRAGMA cell_size_check = ON", 1)  # else some damaged pages come as rows
        self._log = self._pragma("journal_mode") == "wal"
        self.utf8 = self._pragma("encoding") == "UTF-8"

    def _pragma(self, name: str) -> str | None:
        found = self._first_batch(f"PRAGMA {name}", 1)
        return None if found is None else str(found.column(0)[0].as_py())

    def _look_at_rest(self, real: Path) -> bool:
        """Whether the database is at rest; if so, `_unmoved` tells from now on whether it still is as it was."""
        with ExitStack() as looking:
            opened = looking.enter_context(descriptor(real))
            rest = at_rest(real, opened)
            self._unmoved = (lambda: True) if rest is None else (lambda: Look.at(real, opened) == rest)
            if rest is not None:
                # Closed after the connection is: one descriptor for all looks, and none closed meanwhile.
                self._opened.push(looking.pop_all())
        return rest is not None

    def _end(self) -> None:
        self._in_transaction = False
        self._connection.set_autocommit(True)

    def _check_unmoved(self) -> None:
        if not self._unmoved():
            raise MovedError(f"the writer of {self.path} came back while it was read", hint="it is tried again")

    def _first_batch(self, sql: str, size: int) -> RecordBatch | None:
        for tried in range(1, BUSY_TRIES):
            try:
                return self._execute(sql, size)
            except BusyError:
                self._tell(Busy(str(self.path), tried * BUSY_TIMEOUT_MS / 1000))
        return self._execute(sql, size)

    def _execute(self, sql: str, size: int) -> RecordBatch | None:
        with translated(self.path), AdbcStatement(self._connection) as statement:
            # One row more, so that SQLite comes to the end of the statement, and to every error, in the first batch.
            statement.set_options(**{"adbc.sqlite.query.batch_rows": str(size + 1)})
            statement.set_sql_query(sql)
            handle, _ = statement.execute_query()
            return next(RecordBatchReader.from_arrow(handle), None)


def connect(path: Path, tell: Tell) -> Connection:
    """Open the database read-only, for a `with` statement. Raises ConfigError where there is none."""
    return Connection(path, tell)


def identifier(name: str) -> str:
    """Quote a column name, qualified: SQLite takes a bare quoted name that is no column for a string."""
    return "t." + quoted(name)


def quoted(name: str) -> str:
    """Quote a name for SQLite."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Quote a string value for SQLite."""
    return "'" + value.replace("'", "''") + "'"
