"""Writers of a database, each a process: at full speed, and such that leave it in a state; and readers beside them."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from databricks_uploader.model.columns import columns_of, matched, natural_schema
from databricks_uploader.model.work import Work
from databricks_uploader.ports import Lineage
from databricks_uploader.source import pages
from databricks_uploader.source.connection import MovedError, connect
from databricks_uploader.source.rows import Rows
from databricks_uploader.source.sqlite import SqliteSource
from databricks_uploader.spool.folder import FolderSpool

STATES = ("stopped", "killed", "killed, index gone", "running", "rollback journal", "killed, hot journal")
"""What a writer may have left when we come, or be doing."""
_TABLE = "CREATE TABLE readings (id INTEGER PRIMARY KEY AUTOINCREMENT, sensor TEXT, value REAL)"
_INSERT = "INSERT INTO readings (sensor, value) VALUES (?, ?)"
_ROWS = [("a", 0.5), ("b", 1.5)]


@contextmanager
def in_state(database: Path, state: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Make a database of two readings, in WAL mode but for journals, in one of `STATES` meanwhile; yield its writer."""
    with _process("leave", database, state) as process:
        assert process.stdout is not None
        process.stdout.readline()
        if state != "running":
            process.wait(timeout=30)
        if state == "killed, index gone":
            database.with_name(database.name + "-shm").unlink()
        yield process


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Let a running writer close its database and end."""
    assert process.stdin is not None
    process.stdin.close()
    process.wait(timeout=30)


@dataclass(frozen=True)
class Written:
    """What writers at full speed met."""

    commits: int
    busy: int
    """Statements that failed by SQLITE_BUSY, with a busy timeout of 100 ms."""
    largest_log: int
    """Bytes of the `-wal` at its largest."""
    seconds: float


def write(database: Path, writers: int, commits: int, reader: str | None = None) -> Written:
    """Let processes commit one row at a time each, all at once, beside a reader; one that is `busy` tries again.

    The reader is a process as well and writes the whole table to a file over and over, read by `pages`, or as one
    transaction, a `span`. The database is there before (`make`).
    """
    with ExitStack() as stack:
        if reader is not None:
            reading = stack.enter_context(_process("read", database, reader))
            assert reading.stdout is not None
            reading.stdout.readline()
        running = [stack.enter_context(_process("write", database, str(commits))) for _ in range(writers)]
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        for process in running:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
        met = [json.loads(process.stdout.readline()) for process in running if process.stdout is not None]
        assert reader is None or reading.poll() is None, "the reader has died"
    return Written(
        sum(m["commits"] for m in met),
        sum(m["busy"] for m in met),
        max(m["largest_log"] for m in met),
        max(m["seconds"] for m in met),
    )


class Obedient:
    """A writer that commits one row when it is told to."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def commit(self) -> None:
        """Return when a row was committed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == b"committed\n"


@contextmanager
def committing(database: Path) -> Iterator[Obedient]:
    """Yield a writer of a database that `make` made."""
    with _process("obey", database) as process:
        yield Obedient(process)


def make(database: Path, mode: str, rows: int = 0) -> None:
    """Make a database of readings whose writer has stopped."""
    with _process("make", database, mode, str(rows)) as process:
        assert process.wait(timeout=30) == 0


@contextmanager
def _process(*arguments: str | Path) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", __name__, *(str(a) for a in arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=60)


def _opened(database: str, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.1)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute(_TABLE)
    connection.executemany(_INSERT, _ROWS)
    return connection


def _leave(database: str, state: str) -> None:
    mode = "DELETE" if "journal" in state else "WAL"
    connection = _opened(database, mode)
    if state == "killed, hot journal":
        connection.execute("PRAGMA cache_size = 1")  # so that the transaction spills into the file
        connection.execute("BEGIN")
        connection.execute("UPDATE readings SET sensor = 'never committed'")
        connection.executemany(_INSERT, (("x" * 1000, None) for _ in range(100)))
    if state in {"stopped", "rollback journal"}:
        connection.close()
    print(state, flush=True)  # noqa: T201  (the signal to the waiting test)
    if "killed" in state:
        os.kill(os.getpid(), signal.SIGKILL)
    if state == "running":
        sys.stdin.read()
        connection.close()


def _write(database: str, commits: int) -> None:
    import time  # noqa: PLC0415  (of this process alone)

    log = Path(database + "-wal")
    busy = largest = 0
    with closing(sqlite3.connect(database, isolation_level=None, timeout=0.1)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        print("ready", flush=True)  # noqa: T201
        sys.stdin.readline()
        start = time.perf_counter()
        for number in range(commits):
            while True:
                try:
                    connection.execute(_INSERT, (f"sensor {number % 7}", number / 8))
                    break
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                        raise
                    busy += 1
            if log.exists():
                largest = max(largest, log.stat().st_size)
        seconds = time.perf_counter() - start
        print(  # noqa: T201
            json.dumps({"commits": commits, "busy": busy, "largest_log": largest, "seconds": seconds}), flush=True
        )
        sys.stdin.read()


def _obey(database: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        while sys.stdin.readline():
            connection.execute(_INSERT, ("told", 0.0))
            print("committed", flush=True)  # noqa: T201


def _read(database: str, how: str) -> None:
    import select  # noqa: PLC0415

    source = SqliteSource(Path(database), lambda _: None)
    table = source.table()
    columns = matched(table, None, natural_schema(table, None)).pairs
    lineage = Lineage("n", 1, 1, 1, datetime.now(UTC))
    print("reading", flush=True)  # noqa: T201
    with TemporaryDirectory() as folder:
        spool = FolderSpool(Path(folder))
        while not select.select([sys.stdin], [], [], 0)[0]:
            with (
                suppress(MovedError),
                connect(Path(database), lambda _: None) as connection,
                connection.transaction() if how == "span" else nullcontext(),
            ):
                rows = Rows(connection, table, columns, None, "UTC", {}, ())
                reading = pages.Reader(rows, pages.PageSize(), pages.Care()).reading(None, (), ())
                spool.write((page.columns for page in reading.pages), Work((), columns_of(columns)), lineage)


def _main(verb: str, database: str, arguments: Sequence[str]) -> None:
    if verb == "make":
        with closing(_opened(database, arguments[0])) as connection:
            connection.execute("BEGIN")
            connection.executemany(_INSERT, ((f"sensor {n % 7}", n / 8) for n in range(int(arguments[1]))))
            connection.execute("COMMIT")
    elif verb == "leave":
        _leave(database, arguments[0])
    elif verb == "write":
        _write(database, int(arguments[0]))
    elif verb == "obey":
        _obey(database)
    else:
        _read(database, arguments[0])


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], sys.argv[3:])
