"""SQLite databases for tests, each made by a process of its own, as their writers are in life."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

SENSOR_TABLE = """
CREATE TABLE IF NOT EXISTS readings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT NOT NULL, sensor TEXT, temperature REAL, status INTEGER
)"""
_INSERT = "INSERT INTO readings (timestamp, sensor, temperature, status) VALUES (?, ?, ?, ?)"


def execute(database: Path, *statements: str) -> None:
    """Run statements on the database, in a process of its own."""
    subprocess.run([sys.executable, "-m", __name__, "execute", str(database), json.dumps(statements)], check=True)


def query(database: Path, statement: str) -> list[list[object]]:
    """Return the rows of one statement, run in a process of its own."""
    command = [sys.executable, "-m", __name__, "query", str(database), json.dumps([statement])]
    found: list[list[object]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def add_readings(database: Path, rows: int) -> None:
    """Insert readings into a table of sensor readings, made where there is none."""
    subprocess.run([sys.executable, "-m", __name__, "add", str(database), json.dumps([rows])], check=True)


@contextmanager
def live_writer(database: Path) -> Iterator[None]:
    """Insert a reading every few milliseconds into a WAL-mode database meanwhile; it exists when this starts."""
    command = [sys.executable, "-m", __name__, "write", str(database), "[]"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(timeout=30)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the exclusive lock meanwhile."""
    command = [sys.executable, "-m", __name__, "lock", str(database), "[]"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def readings(database: Path) -> list[tuple[object, ...]]:
    """Return (id, time in µs since 1970, sensor, temperature, status), as the source holds them."""
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT id, timestamp, sensor, temperature, status FROM readings")
        return [(key, _microseconds(time), *rest) for key, time, *rest in found]


def _microseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1_000_000)


def _reading(number: int) -> tuple[str, str, float | None, int]:
    second, millisecond = divmod(number * 137, 1000)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    day, hour = divmod(hour, 24)
    time = f"2026-01-{1 + day % 28:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}+00:00"
    return time, f"sensor {number % 7}", None if number % 11 == 0 else number / 8, number % 3


def _main(verb: str, database: str, arguments: Sequence[object]) -> None:
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        if verb == "execute":
            for statement in arguments:
                connection.execute(str(statement))
        elif verb == "query":
            print(json.dumps(connection.execute(str(arguments[0])).fetchall()))  # noqa: T201  (the answer)
        elif verb == "lock":
            connection.execute("BEGIN EXCLUSIVE")
            print("locked", flush=True)  # noqa: T201  (the signal to the waiting test)
            sys.stdin.read()
        else:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(SENSOR_TABLE)
            (first,) = connection.execute("SELECT coalesce(max(id), 0) FROM readings").fetchone()
            if verb == "add":
                rows = int(str(arguments[0]))
                connection.execute("BEGIN")
                connection.executemany(_INSERT, (_reading(n) for n in range(first, first + rows)))
                connection.execute("COMMIT")
            else:
                _write(connection, first)


def _write(connection: sqlite3.Connection, first: int) -> None:
    import select  # noqa: PLC0415  (of this process alone)

    number = first
    while True:
        connection.execute(_INSERT, _reading(number))
        if number == first:
            print("writing", flush=True)  # noqa: T201  (the signal to the waiting test)
        number += 1
        if select.select([sys.stdin], [], [], 0.003)[0]:
            return


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
