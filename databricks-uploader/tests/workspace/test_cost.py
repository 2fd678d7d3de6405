"""What the warehouse's meter says of an hour of steady rows: the formula of docs/cost.md."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.edge import IDENTITY, EdgeNode
from tests.support.fakes import FakeClock
from tests.support.warehouse import Options, Warehouse
from tests.support.workspace import Edge
from tests.support.writer import Writer

from databricks_uploader.model.pipeline import Limits

INTERVAL_S, HOUR_S, AUTO_STOP_S = 300, 3_600, 600


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def metered(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """A warehouse whose time is that of the uploader."""
    start = clock.now()

    def seconds() -> float:
        return (clock.now() - start).total_seconds()

    with Warehouse(tmp_path / "warehouse", Options(auto_stop_s=AUTO_STOP_S, clock=seconds)) as warehouse:
        monkeypatch.setenv("SSL_CERT_FILE", str(warehouse.certificate))
        yield warehouse


@pytest.mark.parametrize(
    ("limits", "woken", "awake_s"),
    [
        (Limits(), 1, HOUR_S - INTERVAL_S + AUTO_STOP_S),  # never asleep from the first load to the last
        (Limits(max_delay=timedelta(minutes=30)), 1 + 1, 2 * AUTO_STOP_S),
        (Limits(max_delay=timedelta(hours=5), min_rows=8), 1 + 3, 4 * AUTO_STOP_S),
    ],
    ids=["at every interval", "max_delay", "min_rows"],
)
def test_an_hour_of_steady_rows_costs_what_the_formula_says(
    tmp_path: Path, metered: Warehouse, clock: FakeClock, limits: Limits, woken: int, awake_s: float
) -> None:
    edge = Edge(metered, clock=clock)
    edge.create_table(lineage=True, columns="id BIGINT, ts TIMESTAMP, v BIGINT", name="raw_t")
    with Writer() as writer:
        node = EdgeNode(tmp_path, writer, limits=limits, clock=clock, connect=lambda: edge.by_volume(IDENTITY))
        node.write("CREATE TABLE t (id INTEGER PRIMARY KEY, ts TEXT, v INTEGER)")
        for cycle in range(HOUR_S // INTERVAL_S):
            node.write(*[f"INSERT INTO t (ts, v) VALUES ('2026-01-01T00:00:00Z', {cycle})"] * 2)
            node.upload()
            clock.waited_s.append(INTERVAL_S)
    spent = sum(seconds or 0 for seconds in clock.waited_s) - HOUR_S
    assert metered.meter.woken == woken
    assert metered.meter.awake_s == pytest.approx(awake_s, abs=spent + 1)
