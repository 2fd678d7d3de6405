"""Aggregates in a workspace, by volume and by MERGE: closed windows are what one query gives."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support import databases, month, program
from tests.support.edge import IDENTITY, EdgeNode, PowerCut, PowerIsCutError
from tests.support.fakes import START
from tests.support.month import STEP, Group
from tests.support.warehouse import Warehouse
from tests.support.workspace import LINEAGE, Edge
from tests.support.writer import Writer
from tests.unit.test_windows_any_history import (
    BY_ROWID,
    KEY_OF_TIMES,
    Way,
    all_groups,
    check_counts,
    closed_groups,
    insert,
)

from databricks_uploader.destinations.databricks.windows import WindowsByMerge, WindowsByVolume
from databricks_uploader.ports import Destination

CONFIG = """
enable_aggregate: true
aggregate_config:
  group_by: [sensor, hour]
  aggregations: {temperature: avg, readings: count}
"""


@pytest.fixture
def edge(warehouse: Warehouse) -> Edge:
    return Edge(warehouse)


@pytest.fixture(params=["volume", "merge"])
def connect(edge: Edge, request: pytest.FixtureRequest) -> Callable[[], Destination]:
    def by_volume() -> Destination:
        return WindowsByVolume(
            edge.session, edge.workspace, IDENTITY, edge.folder(IDENTITY),
            keys=STEP.keys, retention_s=3_600, create_tables=True,
        )  # fmt: skip

    def by_merge() -> Destination:
        return WindowsByMerge(edge.session, edge.workspace, IDENTITY, keys=STEP.keys, create_tables=True)

    return by_volume if request.param == "volume" else by_merge


@pytest.fixture
def node(tmp_path: Path, connect: Callable[[], Destination], way: Way) -> Iterator[EdgeNode]:
    with Writer() as writer:
        made = EdgeNode(
            tmp_path, writer, aggregate=STEP, connect=connect, order=way.order, late_arrival=way.late_arrival
        )
        made.write(*way.made)
        yield made


def seen(edge: Edge) -> list[Group]:
    return sorted(
        (row["site"], f"{row['hour']:%Y-%m-%d %H}", row["row_count"], int(row["sum_v"]), row["avg_v"], row["max_v"])
        for row in edge.table(IDENTITY.target_table).to_pylist()
    )


@pytest.mark.parametrize("way", [BY_ROWID])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 6))])
def test_a_month_of_ends_at_any_call_late_rows_and_sources_made_anew_is_one_query(
    node: EdgeNode, edge: Edge, seed: int
) -> None:
    month.play(node, seed, 5, lambda: seen(edge))


LONG = pytest.mark.long
HISTORIES = [
    *(pytest.param(KEY_OF_TIMES, seed, marks=LONG) for seed in range(6)),
]


@pytest.mark.parametrize(("way", "seed"), HISTORIES)
def test_spans_with_ends_at_any_call_and_late_rows_are_one_query(node: EdgeNode, edge: Edge, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  (no secret)
    time = START - timedelta(days=30)
    for _ in range(5):
        times = []
        for _ in range(chance.randint(1, 25)):
            time = min(time + timedelta(seconds=chance.randint(0, 9_000)), START)
            times.append(time - timedelta(seconds=chance.choice([0, 0, 600, 86_400 * chance.randint(0, 20)])))
        insert(node, *times, value=chance.randint(-50, 50))
        with suppress(PowerIsCutError):
            node.upload(cut=PowerCut(chance.randint(1, 10), before=chance.random() < 0.5))
        if chance.random() < 0.6:
            node.upload()
            assert seen(edge) == closed_groups(node)
    node.clock.waited_s.append(86_400)
    node.upload()
    assert seen(edge) == all_groups(node)
    check_counts(node)


@pytest.mark.parametrize(
    "lineage",
    [
        pytest.param("", id="as the original's"),
        pytest.param(f", {LINEAGE}", id="with lineage columns", marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("volume", [True, False])
def test_the_program_aggregates_into_a_workspace(tmp_path: Path, edge: Edge, volume: bool, lineage: str) -> None:  # noqa: FBT001
    (tmp_path / "config.yaml").write_text(CONFIG)
    edge.create_table(
        lineage=False, name="aggregated_readings",
        columns=f"sensor STRING, hour TIMESTAMP, avg_temperature DOUBLE, reading_count INT{lineage}",
    )  # fmt: skip
    for rows in (30, 60):
        databases.add_readings(tmp_path / "sensor.db", 30)
        done = program.run(
            "--config", "config.yaml", "--sqlite", "sensor.db", "--state-dir", "state", "--node-id", "node", "--once",
            *edge.flags(volume=volume), cwd=tmp_path, environment=edge.variables(),
        )  # fmt: skip
        assert done.exit_code == 0, done.errors
        assert sum(row["reading_count"] for row in edge.table("aggregated_readings").to_pylist()) == rows


@pytest.mark.long
def test_windows_of_a_table_that_is_there_are_previewed_and_none_is_loaded(tmp_path: Path, edge: Edge) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    edge.create_table(
        lineage=False, name="aggregated_readings",
        columns="sensor STRING, hour TIMESTAMP, avg_temperature DOUBLE, reading_count INT",
    )  # fmt: skip
    databases.add_readings(tmp_path / "sensor.db", 30)
    done = program.run(
        "preview", "--json", "--config", "config.yaml", "--sqlite", "sensor.db", *edge.flags(volume=True),
        cwd=tmp_path, environment=edge.variables(),
    )  # fmt: skip
    assert done.exit_code == 0, done.errors
    (shown,) = json.loads(done.output)
    assert (shown["there"], shown["looked_at"]) == (True, 30)
    assert sum(one["row"]["reading_count"] for one in shown["aggregated"]["first"]) > 0
    assert edge.table("aggregated_readings").to_pylist() == []
