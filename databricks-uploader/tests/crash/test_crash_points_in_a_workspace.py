"""SIGKILL at each point of the protocol, on a real SQLite file and a table of the local warehouse."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import databases
from tests.support.warehouse import Warehouse
from tests.support.workspace import Edge

ROWS = 1_200


@dataclass(frozen=True)
class Way:
    """A way of loading, and the table that is loaded into."""

    volume: bool
    lineage: bool

    def __str__(self) -> str:
        return f"{'volume' if self.volume else 'MERGE'}{'' if self.lineage else ' without lineage'}"


WAYS = [Way(volume=True, lineage=True), Way(volume=False, lineage=True), Way(volume=False, lineage=False)]


class Node:
    """A source, a state directory, and a table of the warehouse."""

    def __init__(self, folder: Path, edge: Edge, way: Way) -> None:
        self.database, self.edge = folder / "sensor.db", edge
        self.arguments = (
            "--sqlite", str(self.database), "--state-dir", str(folder / "state"), "--node-id", "node",
            "--log-level", "warning", *edge.flags(volume=way.volume),
        )  # fmt: skip
        edge.create_table(lineage=way.lineage)
        databases.add_readings(self.database, ROWS)

    def upload(self, point: str = "none", when: str = "") -> int:
        command = [sys.executable, "-m", "tests.support.dying", point, when, "", "--", *self.arguments]
        given = os.environ | self.edge.variables()
        return subprocess.run(command, check=False, timeout=60, env=given).returncode

    def ids(self) -> list[int]:
        return sorted(self.edge.table().column("id").to_pylist())


def dies_and_recovers(folder: Path, warehouse: Warehouse, way: Way, point: str, when: str) -> None:
    node = Node(folder, Edge(warehouse), way)
    assert node.upload(point, when) == -signal.SIGKILL
    databases.add_readings(node.database, ROWS)
    assert node.upload() == 0
    assert node.ids() == list(range(1, 2 * ROWS + 1))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_each_row_arrives_once_when_we_die_right_after_loading(tmp_path: Path, warehouse: Warehouse, way: Way) -> None:
    dies_and_recovers(tmp_path, warehouse, way, "loaded", "after")


@pytest.mark.long
@pytest.mark.parametrize(
    ("point", "when"), [("claimed", "after"), ("staged", "after"), ("loaded", "before"), ("proved", "after")]
)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_each_row_arrives_once_whenever_we_die(
    tmp_path: Path, warehouse: Warehouse, way: Way, point: str, when: str
) -> None:
    dies_and_recovers(tmp_path, warehouse, way, point, when)
