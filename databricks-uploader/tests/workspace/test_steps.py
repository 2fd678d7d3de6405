"""Steps on the way into a workspace, by both ways of loading; what can't be held there is refused beforehand."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import databases, program
from tests.support.program import Result
from tests.support.real import RealWorkspace
from tests.support.warehouse import Warehouse
from tests.support.workspace import READINGS, Edge

ROWS = 100
SANITIZE = '{"id": {"mask": {"keep_last": 1}}, "sensor": "[a-z]+ ", "remove_nulls": ["temperature"]}'
MASKED = READINGS.replace("id BIGINT", "id STRING")


@pytest.fixture
def edge(workspace: Warehouse | RealWorkspace) -> Iterator[Edge]:
    edge = Edge(workspace, catalog=os.environ.get("DATABRICKS_CATALOG", "main"))
    yield edge
    edge.drop()


def upload(folder: Path, edge: Edge, *, volume: bool) -> Result:
    databases.add_readings(folder / "sensor.db", ROWS)
    return program.run(
        "--sqlite", folder / "sensor.db", "--state-dir", folder / "state", "--node-id", "node", "--once",
        "--enable-sanitize", "--sanitize-config", SANITIZE, *edge.flags(volume=volume), environment=edge.variables(),
    )  # fmt: skip


@pytest.mark.parametrize("volume", [True, False], ids=["volume", "MERGE"])
def test_sanitized_rows_are_there_once_each_numbered_in_its_claim(tmp_path: Path, edge: Edge, volume: bool) -> None:  # noqa: FBT001
    edge.create_table(lineage=True, columns=MASKED, name="secure_readings")
    for _ in range(2):
        assert upload(tmp_path, edge, volume=volume).exit_code == 0
    found = edge.table("secure_readings").to_pylist()
    kept = [n for n in range(2 * ROWS) if n % 11]
    assert sorted(row["sensor"] for row in found) == sorted(str(n % 7) for n in kept)
    assert len({(row["_batch_id"], row["_row"]) for row in found}) == len(kept)
    assert max(row["_row"] for row in found) < ROWS


def test_by_merge_into_a_table_without_lineage_columns_a_ruled_key_is_refused(tmp_path: Path, edge: Edge) -> None:
    edge.create_table(lineage=False, columns=MASKED, name="secure_readings")
    done = upload(tmp_path, edge, volume=False)
    assert done.exit_code == 1
    assert "no key that is loaded as it is" in done.errors
    assert "set databricks_volume" in done.errors
    assert edge.table("secure_readings").num_rows == 0
