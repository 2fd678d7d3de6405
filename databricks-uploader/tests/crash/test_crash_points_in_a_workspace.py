"""SIGKILL at each point of the protocol, on a real SQLite file and a table of the local warehouse."""

import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import databases, dying
from tests.support.dying import POINTS
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
        return dying.upload(self.arguments, point, when, environment=self.edge.variables())

    def ids(self) -> list[int]:
        return sorted(self.edge.table().column("id").to_pylist())


def dies_and_recovers(folder: Path, warehouse: Warehouse, way: Way, point: str, when: str) -> None:
    node = Node(folder, Edge(warehouse), way)
    assert node.upload(point, when) == -signal.SIGKILL
    databases.add_readings(node.database, ROWS)
    assert node.upload() == 0
    assert node.ids() == list(range(1, 2 * ROWS + 1))


MOST_TELLING = [("staged", "after"), ("loaded", "after")]
TABLE = [(point, when) for point in POINTS for when in ("before", "after")]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(
    ("point", "when"),
    [pytest.param(*row, marks=() if row in MOST_TELLING else pytest.mark.long) for row in TABLE],
)
def test_each_row_arrives_once_whenever_we_die(
    tmp_path: Path, warehouse: Warehouse, point: str, when: str, way: Way
) -> None:
    node = Node(tmp_path, Edge(warehouse), way)
    assert node.upload(point, when) == -signal.SIGKILL
    databases.add_readings(node.database, ROWS)
    assert node.upload() == 0
    assert node.ids() == list(range(1, 2 * ROWS + 1))
