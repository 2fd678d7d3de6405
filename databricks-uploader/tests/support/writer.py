"""One process that writes to databases on request: a source's writer, apart from the process that reads."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self


class Writer:
    """Runs statements on databases, all statements of one call in one transaction."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def write(self, database: Path, *statements: str) -> None:
        """Commit the statements together."""
        self._ask("write", database, statements)

    def alone(self, database: Path, statement: str) -> None:
        """Run a statement that can't be part of a transaction."""
        self._ask("alone", database, [statement])

    def read(self, database: Path, statement: str) -> list[list[object]]:
        """Return rows."""
        return self._ask("read", database, [statement])

    def copy(self, database: Path, to: Path) -> None:
        """Copy a database that has no log, replacing another."""
        self._ask("copy", database, [str(to)])

    def delete(self, database: Path) -> None:
        """Delete a database and what SQLite keeps beside it."""
        self._ask("delete", database, [])

    def _ask(self, verb: str, database: Path, statements: list[str] | tuple[str, ...]) -> list[list[object]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([verb, str(database), statements]), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        if isinstance(answer, str):
            raise sqlite3.Error(answer)
        rows: list[list[object]] = answer
        return rows


def write_and_die(database: Path, *statements: str) -> None:
    """Commit each statement to the log of a database in WAL mode, in a process that ends without closing it."""
    subprocess.run([sys.executable, "-m", __name__, str(database), *statements], check=True)


def _write_and_die(database: str, statements: list[str]) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA wal_autocheckpoint = 0", *statements):
        connection.execute(statement).fetchall()
    os._exit(0)


def _answer(verb: str, database: str, statements: list[str]) -> list[tuple[object, ...]]:
    if verb == "copy":
        draft = Path(f"{statements[0]}.draft")
        shutil.copyfile(database, draft)
        draft.replace(statements[0])
        return []
    if verb == "delete":
        for beside in ("", "-journal", "-wal", "-shm"):
            Path(f"{database}{beside}").unlink(missing_ok=True)
        return []
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        if verb == "write":
            connection.execute("BEGIN IMMEDIATE")
        found: list[tuple[object, ...]] = []
        for statement in statements:
            found = connection.execute(statement).fetchall()
        if verb == "write":
            connection.execute("COMMIT")
        return found


if __name__ == "__main__":
    if sys.argv[1:]:
        _write_and_die(sys.argv[1], sys.argv[2:])
    for line in sys.stdin:
        try:
            result: object = _answer(*json.loads(line))
        except (sqlite3.Error, OSError) as error:
            result = str(error)
        print(json.dumps(result), flush=True)  # noqa: T201  (the answer)
