"""SIGKILL at each point of the protocol, on a real SQLite file and a real Delta table."""

import signal
from pathlib import Path

import pytest
from tests.support import databases, dying, program, tables
from tests.support.dying import POINTS

ROWS = 1_200


class Node:
    """A source, a state directory and a table."""

    def __init__(self, folder: Path) -> None:
        self.database, self.table = folder / "sensor.db", folder / "lake" / "raw_readings"
        self.arguments = (
            "--sqlite", str(self.database), "--delta-path", str(folder / "lake"),
            "--state-dir", str(folder / "state"), "--node-id", "node", "--log-level", "warning",
        )  # fmt: skip
        databases.add_readings(self.database, ROWS)

    def upload(self, point: str = "none", when: str = "", mutations: str = "") -> int:
        return dying.upload(self.arguments, point, when, mutations)

    def ids(self) -> list[int]:
        return [row[0] for row in tables.rows(self.table, "id")]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", POINTS)
def test_each_row_arrives_once_whenever_we_die(tmp_path: Path, point: str, when: str) -> None:
    node = Node(tmp_path)
    assert node.upload(point, when) == -signal.SIGKILL
    assert node.upload() == 0
    assert node.ids() == list(range(1, ROWS + 1))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", POINTS)
def test_each_row_arrives_once_when_we_die_twice_and_rows_come_meanwhile(tmp_path: Path, point: str, when: str) -> None:
    node = Node(tmp_path)
    assert node.upload("loaded", "after") == -signal.SIGKILL
    databases.add_readings(node.database, ROWS)
    assert node.upload(point, when) == -signal.SIGKILL
    assert program.run(*node.arguments, "--once").exit_code == 0
    assert node.ids() == list(range(1, 2 * ROWS + 1))


@pytest.mark.parametrize(
    ("mutations", "times"), [("", 1), ("look-up", 1), ("name", 1), ("look-up,name", 2)], ids=lambda v: str(v) or "none"
)
def test_either_the_look_up_or_the_stable_name_keeps_rows_from_doubling(
    tmp_path: Path, mutations: str, times: int
) -> None:
    node = Node(tmp_path)
    assert node.upload("loaded", "after", mutations) == -signal.SIGKILL
    assert node.upload(mutations=mutations) == 0
    assert node.ids() == sorted(list(range(1, ROWS + 1)) * times)


def test_what_a_dead_run_left_in_the_spool_is_gone_after_the_next(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.upload("file written", "after")
    assert list((tmp_path / "state" / "spool").iterdir())
    assert node.upload() == 0
    assert not list((tmp_path / "state" / "spool").iterdir())
