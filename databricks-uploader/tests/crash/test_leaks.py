"""Marked values in every column of a secure pipeline: after whatever happens, they are where docs/security.md says."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import databases, program, tables
from tests.support.dying import POINTS, WITHIN_STEPS
from tests.support.sanitized import KEY
from tests.support.secrets import PRIVATE, RULES, insert, leaks

ROWS = 60
IN_STATE = {("state.db", "id")}
"""Rowids, by which rows are read on and found again."""
WHILE_STEPS_WORK = {("work", name) for name in ("id", "ts", "owner", "phone", "card", "amount", "level", "data")}
"""The rows of one span, as they were read, where the process died within the steps."""

SECOND_PAGE = (
    "INSERT INTO private WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1300) "
    "SELECT 7800000000000000 + i, '2030-01-01T00:00:00Z', 'x', 'x', 'x', 0, 0, x'' FROM n"
)


class Node:
    """A source full of secrets, and what uploads it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.database = folder, folder / "source.db"
        self.arguments = (
            "--sqlite", str(self.database), "--delta-path", str(folder / "lake"), "--state-dir", str(folder / "state"),
            "--node-id", "node", "--log-level", "debug", "--sanitize-config", RULES,
        )  # fmt: skip
        self.environment = {"SANITIZE_HASH_KEY": KEY}
        self.logs: list[str] = []
        databases.execute(self.database, PRIVATE, *(insert(n) for n in range(ROWS - 20)))

    def upload(self) -> int:
        done = program.run(*self.arguments, "--enable-sanitize", "--once", environment=self.environment)
        self.logs.append(done.errors + done.output)
        return done.exit_code

    def die(self, point: str, when: str) -> None:
        command = [sys.executable, "-m", "tests.support.dying", point, when, "", "--", *self.arguments]
        done = subprocess.run([*command, "--enable-sanitize", "true"], capture_output=True, text=True, check=False,
                              timeout=60, env={**os.environ, **self.environment})  # fmt: skip
        self.logs.append(done.stderr)
        assert done.returncode == -signal.SIGKILL, done.stderr

    def leaks(self) -> set[tuple[str, str]]:
        return leaks(self.folder, ROWS, *self.logs)


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    node = Node(tmp_path)
    program.run(*node.arguments[:-2], "--once")
    assert {name for place, name in node.leaks() if place == "files"} == {name for _, name in WHILE_STEPS_WORK}


def test_drift_quarantine_replay_and_lost_state_leave_secrets_in_state_only_and_only_rowids(tmp_path: Path) -> None:
    node = Node(tmp_path)
    assert node.upload() == 0
    databases.execute(node.database, insert(ROWS - 20, amount="'SECRET-odd'"), insert(ROWS - 19, amount="x'ff'"))
    assert node.upload() == 0
    databases.execute(node.database, "ALTER TABLE private ADD COLUMN later TEXT",
                      *(insert(n, later=True) for n in range(ROWS - 18, ROWS - 10)))  # fmt: skip
    assert node.upload() == 0
    replayed = program.run("quarantine", "replay", "--all", *node.arguments, "--enable-sanitize",
                           environment=node.environment)  # fmt: skip
    node.logs.append(replayed.errors + replayed.output)
    assert node.leaks() == IN_STATE
    databases.execute(node.database, "DELETE FROM private WHERE id > 7700000000000010")
    databases.execute(node.database, *(insert(n, later=True) for n in range(ROWS - 9, ROWS)))
    node.upload()
    (tmp_path / "state" / "state.db").unlink()
    assert node.upload() == 3
    assert "a rule touches the source's key" in node.logs[-1]
    assert node.leaks() <= IN_STATE


def _dies_anywhere(folder: Path, point: str, when: str) -> None:
    node = Node(folder)
    if (point, when) == ("page read", "after"):
        databases.execute(node.database, SECOND_PAGE)
    node.die(point, when)
    at_work = point == WITHIN_STEPS or (point, when) == ("page read", "after")
    may_remain = IN_STATE | (WHILE_STEPS_WORK if at_work else set())
    assert node.leaks() - {("state.db-journal", "id")} <= may_remain
    databases.execute(node.database, *(insert(n) for n in range(ROWS - 20, ROWS)))
    assert node.upload() == 0
    assert node.leaks() == IN_STATE
    assert not [*(folder / "state" / "work").iterdir()]
    hashes = [key for (key,) in tables.rows(folder / "lake" / "secure_private", "id")]
    ((rows,),) = databases.query(node.database, "SELECT count(*) FROM private")
    assert (len(hashes), len(set(hashes))) == (rows, rows)


@pytest.mark.parametrize(("point", "when"), [(WITHIN_STEPS, "before"), ("claimed", "after")])
def test_a_death_leaves_no_secret_but_what_steps_were_at_work_on_until_the_next_start(
    tmp_path: Path, point: str, when: str
) -> None:
    _dies_anywhere(tmp_path, point, when)


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", [*POINTS, WITHIN_STEPS])
def test_no_death_leaves_secrets(tmp_path: Path, point: str, when: str) -> None:
    _dies_anywhere(tmp_path, point, when)
