"""Tables without rowids, views, and `cursor: timestamp`: read in the order of the rows' times."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.cycles import whole_cycle
from tests.support.fakes import FakeClock, MemoryDestination, MemoryTable
from tests.support.writer import Writer

from databricks_uploader.errors import ConfigError, PermanentError, StateError
from databricks_uploader.model.claim import Identity
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.model.quarantine import QuarantinedRow
from databricks_uploader.ports import Ports
from databricks_uploader.source.pages import PageSize
from databricks_uploader.source.sqlite import SqliteSource
from databricks_uploader.spool.folder import FolderSpool
from databricks_uploader.state.store import Store

KEYED = "CREATE TABLE t (ts TEXT, sensor TEXT, v INTEGER, PRIMARY KEY (ts, sensor)) WITHOUT ROWID"
START = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass
class Node:
    """An uploader of table t, begun anew at each upload."""

    folder: Path
    table: str = "t"
    order: Literal["auto", "rowid", "time"] = "auto"
    start: datetime | Literal["beginning", "now"] = "beginning"
    target: MemoryTable = field(default_factory=MemoryTable)
    span_rows: int = 7
    zone: str = "UTC"
    late_arrival: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        (self.folder / "state" / "spool").mkdir(parents=True)

    @property
    def database(self) -> Path:
        return self.folder / "source.db"

    @contextmanager
    def opened(self) -> Iterator[tuple[Pipeline, Ports]]:
        with Store.open(self.folder / "state") as store:
            identity = Identity("node", self.table, f"raw_{self.table}")
            size = PageSize(first_rows=2, rows=3)
            source = SqliteSource(self.database, lambda _: None, self.table, zone=self.zone, page_size=size)
            spool = FolderSpool(self.folder / "state" / "spool")
            limits = Limits(span_rows=self.span_rows)
            pipeline = Pipeline(identity, limits, self.order, late_arrival=self.late_arrival, start=self.start)
            yield pipeline, Ports(source, MemoryDestination(self.target, identity), spool, store, FakeClock())

    def upload(self) -> list[Any]:
        """Upload what there is, and return the values of all rows in the target table."""
        with self.opened() as (pipeline, ports):
            whole_cycle(pipeline, ports, lambda _: None)
        return sorted(row["v"] for row in self.target.rows())

    def quarantined(self) -> list[QuarantinedRow]:
        with Store.open(self.folder / "state") as store:
            return [kept.row for kept in store.kept(None, None)]


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


def row(minute: float, value: int, sensor: str = "a", suffix: str = "Z") -> str:
    time = (START + timedelta(minutes=minute)).replace(tzinfo=None).isoformat()
    return f"INSERT INTO t VALUES ('{time}{suffix}', '{sensor}', {value})"


@pytest.fixture
def node(tmp_path: Path, writer: Writer) -> Node:
    made = Node(tmp_path)
    writer.write(made.database, KEYED, *(row(i, i) for i in range(20)))
    return made


def test_a_table_without_rowids_is_read_in_spans_and_once(node: Node, writer: Writer) -> None:
    assert node.upload() == list(range(20))
    writer.write(node.database, row(30, 30), row(31, 31))
    assert node.upload() == [*range(20), 30, 31]
    assert node.upload() == [*range(20), 30, 31]


def test_rows_of_a_claim_are_numbered(node: Node) -> None:
    node.upload()
    numbers: dict[int, list[int]] = {}
    for found in node.target.rows():
        numbers.setdefault(found["_batch_id"], []).append(found["_row"])
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in numbers.values())


def test_a_late_row_is_loaded_within_late_arrival_and_not_after(node: Node, writer: Writer) -> None:
    node.upload()
    writer.write(node.database, row(9.5, 95), row(18.5, 185), row(19, 190, sensor="b"))
    assert node.upload() == [*range(20), 95, 185, 190]
    writer.write(node.database, row(5, 50, sensor="b"))
    assert 50 not in node.upload()


def test_a_row_far_in_the_future_is_loaded_and_hides_nothing(node: Node, writer: Writer) -> None:
    writer.write(node.database, row(10**6, 99))
    assert node.upload() == [*range(20), 99]
    writer.write(node.database, row(40, 40))
    assert node.upload() == [*range(20), 40, 99]
    writer.write(node.database, row(60, 60), row(10**6 + 1, 100))
    assert node.upload() == [*range(20), 40, 60, 99, 100]


def test_a_table_with_rows_of_the_future_alone_is_read_once(tmp_path: Path, writer: Writer) -> None:
    node = Node(tmp_path, span_rows=2)
    writer.write(node.database, KEYED, *(row(10**6 + i, i) for i in range(5)))
    assert node.upload() == [0, 1, 2, 3, 4]
    writer.write(node.database, row(1, 5))
    assert node.upload() == [0, 1, 2, 3, 4, 5]


def test_fractions_of_seconds_sort_right_with_any_zone(tmp_path: Path, writer: Writer) -> None:
    node = Node(tmp_path, span_rows=1)
    times = ["08:00:00.5Z", "08:00:00Z", "08:00:00.25Z", "08:00:01Z", "08:00:00.75Z"]
    writer.write(
        node.database, KEYED, *(f"INSERT INTO t VALUES ('2026-11-20T{t}', 'a', {i})" for i, t in enumerate(times))
    )
    assert node.upload() == [0, 1, 2, 3, 4]


def test_local_times_that_fall_back_are_read_once(tmp_path: Path, writer: Writer) -> None:
    node = Node(tmp_path, span_rows=2)
    writer.write(node.database, KEYED, "INSERT INTO t VALUES ('2026-10-25T02:30:00+02:00', 'a', 1)",
                 "INSERT INTO t VALUES ('2026-10-25T02:59:00+02:00', 'a', 2)")  # fmt: skip
    node.upload()
    writer.write(node.database, "INSERT INTO t VALUES ('2026-10-25T02:05:00+01:00', 'a', 3)",
                 "INSERT INTO t VALUES ('2026-10-25T03:00:00+01:00', 'a', 4)")  # fmt: skip
    assert node.upload() == [1, 2, 3, 4]


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Oslo", "Pacific/Kiritimati"])
def test_local_times_are_read_once_in_whichever_zone(tmp_path: Path, writer: Writer, zone: str) -> None:
    node = Node(tmp_path, span_rows=2, zone=zone)
    writer.write(node.database, KEYED, *(row(i, i, suffix="") for i in range(5)))
    assert node.upload() == [0, 1, 2, 3, 4]
    writer.write(node.database, row(6, 6, suffix=""), row(4.5, 45, suffix=""))
    assert node.upload() == [0, 1, 2, 3, 4, 6, 45]


def test_local_times_of_the_hour_that_comes_twice_are_read(tmp_path: Path, writer: Writer) -> None:
    node = Node(tmp_path, zone="America/New_York")
    fall = 60 * 24 * -19 + 60  # 2026-11-01T01:00, which is twice; the second one is taken for the first
    writer.write(node.database, KEYED, row(fall + 59, 1, suffix=""))
    node.upload()
    writer.write(node.database, row(fall + 55, 2, suffix=""), row(fall + 61, 3, suffix=""))
    assert node.upload() == [1, 2, 3]


def test_a_longer_look_back_loads_no_row_twice(node: Node, writer: Writer) -> None:
    node.upload()
    node.late_arrival = timedelta(hours=1)
    writer.write(node.database, row(40, 40), row(39.5, 395))
    assert node.upload() == [*range(20), 40, 395]


@pytest.mark.parametrize("last", ["9999-12-31T00:00:00", "9999-12-31", "9999-12-31_no_end"])
def test_a_time_that_stands_for_none_hides_no_row(tmp_path: Path, writer: Writer, last: str) -> None:
    node = Node(tmp_path, span_rows=2)

    def added(minute: float, value: int) -> str:
        return f"INSERT INTO t VALUES ('{START + timedelta(hours=12, minutes=minute):%Y-%m-%d %H:%M:%S}', 'a', {value})"

    writer.write(node.database, KEYED, *(added(i, i) for i in range(5)), f"INSERT INTO t VALUES ('{last}', 'a', 99)")
    told = [] if "end" in last else [99]
    assert node.upload() == [0, 1, 2, 3, 4, *told]
    writer.write(node.database, added(6, 6), added(4.5, 45))
    assert node.upload() == sorted([0, 1, 2, 3, 4, 6, 45, *told])


def test_times_written_in_another_way_than_most_are_loaded_once_and_hide_nothing(
    tmp_path: Path, writer: Writer
) -> None:
    node = Node(tmp_path, order="time", span_rows=1)
    first = int(START.timestamp())
    writer.write(
        node.database,
        "CREATE TABLE t (ts, v INTEGER)",
        *(f"INSERT INTO t VALUES ({first + 60 * i}, {i})" for i in range(5)),
        f"INSERT INTO t VALUES ('{START + timedelta(minutes=3):%Y-%m-%dT%H:%M:%SZ}', 100)",
    )
    assert node.upload() == [0, 1, 2, 3, 4, 100]
    for minute in (60, 120):
        writer.write(node.database, f"INSERT INTO t VALUES ({first + 60 * minute}, {minute})")
    assert node.upload() == [0, 1, 2, 3, 4, 60, 100, 120]
    assert node.upload() == [0, 1, 2, 3, 4, 60, 100, 120]


def test_a_view_is_read_when_it_is_named_and_rows_alike_are_counted(tmp_path: Path, writer: Writer) -> None:
    node = Node(tmp_path, table="seen")
    writer.write(
        node.database, "CREATE TABLE t (id INTEGER PRIMARY KEY, ts TEXT, sensor TEXT, v INTEGER)",
        "CREATE VIEW seen AS SELECT ts, sensor, v FROM t WHERE v < 50",
        "INSERT INTO t (ts, v) VALUES ('2026-11-20', 1), ('2026-11-20', 1), ('2026-11-21', 2), ('2026-11-21', 60)",
    )  # fmt: skip
    assert node.upload() == [1, 1, 2]
    writer.write(node.database, "INSERT INTO t (ts, v) VALUES ('2026-11-21', 2), ('2026-11-22', 3)")
    assert node.upload() == [1, 1, 2, 2, 3]


def test_a_table_with_rowids_can_be_read_by_time(tmp_path: Path, writer: Writer) -> None:
    node = Node(tmp_path, order="time")
    writer.write(node.database, "CREATE TABLE t (ts TEXT, sensor TEXT, v INTEGER)", *(row(i // 3, i) for i in range(9)))
    assert node.upload() == list(range(9))


@pytest.mark.parametrize("start", ["now", START + timedelta(minutes=12)])
def test_rows_before_the_start_are_never_loaded(
    tmp_path: Path, writer: Writer, start: datetime | Literal["now"]
) -> None:
    node = Node(tmp_path, start=start)
    writer.write(node.database, KEYED, *(row(i, i) for i in range(20)))
    assert node.upload() == ([] if start == "now" else list(range(12, 20)))
    day = 60 * 24
    writer.write(node.database, row(11.5, 115), row(day * 4 + 600, 1000))
    assert node.upload() == ([1000] if start == "now" else [*range(12, 20), 1000])


@pytest.mark.parametrize("odd", ["NULL", "5", "'soon'", "''"])
def test_a_row_whose_time_can_not_be_read_is_quarantined_once(tmp_path: Path, writer: Writer, odd: str) -> None:
    node = Node(tmp_path, order="time")
    writer.write(node.database, "CREATE TABLE t (ts TEXT, sensor TEXT, v INTEGER)", row(1, 1))
    node.upload()
    writer.write(
        node.database,
        row(2, 2),
        f"INSERT INTO t VALUES (CAST({odd} AS BLOB), 'a', 9)"
        if odd == "5"
        else f"INSERT INTO t VALUES ({odd}, 'a', 9)",
    )
    for _ in range(2):
        node.upload()
    assert [found["v"] for found in node.target.rows()] == [1, 2]
    assert [(row.key, list(row.reasons), row.values["v"]) for row in node.quarantined()] == [(None, ["ts"], 9)]


def test_too_many_rows_of_one_time_are_refused_with_the_way_out(tmp_path: Path, writer: Writer) -> None:
    node = Node(tmp_path, order="time")
    writer.write(
        node.database, "CREATE TABLE t (ts TEXT, v INTEGER)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 66000) "
        "INSERT INTO t SELECT '2026-11-20', i FROM n",
    )  # fmt: skip
    with pytest.raises(PermanentError, match="are of one time"):
        node.upload()


def test_a_table_without_rowids_and_times_is_refused(tmp_path: Path, writer: Writer) -> None:
    node = Node(tmp_path)
    writer.write(node.database, "CREATE TABLE t (k TEXT PRIMARY KEY) WITHOUT ROWID", "INSERT INTO t VALUES ('x')")
    with pytest.raises(ConfigError, match="no column holds them"):
        node.upload()


def test_the_order_is_not_changed_once_it_is_begun(node: Node) -> None:
    node.upload()
    node.order = "rowid"
    with pytest.raises(ConfigError, match="was begun by time"):
        node.upload()


def test_lost_state_is_not_guessed(node: Node) -> None:
    node.upload()
    with node.opened() as (_, ports):
        ports.state.forget()  # type: ignore[attr-defined]  # a person's command, not the protocol's
    with pytest.raises(StateError, match="state is lost"):
        node.upload()


@settings(deadline=None, max_examples=40)
@given(
    batches=st.lists(st.lists(st.integers(-9, 9), max_size=8), min_size=1, max_size=5),
    span_rows=st.integers(1, 9),
    zone=st.sampled_from(["", "Z", "+00:00", "+02:00", "-05:00"]),
)
def test_rows_within_late_arrival_are_loaded_once(batches: list[list[int]], span_rows: int, zone: str) -> None:
    with TemporaryDirectory() as folder, Writer() as writer:
        node = Node(Path(folder), order="time", span_rows=span_rows)
        writer.write(node.database, "CREATE TABLE t (ts TEXT, sensor TEXT, v INTEGER)")
        value, newest = 0, 0.0
        for batch in batches:
            inserts = []
            for offset in batch:
                value += 1
                inserts.append(row(newest + offset, value, suffix=zone))
            newest += max([0, *batch])
            writer.write(node.database, *inserts)
            assert node.upload() == list(range(1, value + 1))
