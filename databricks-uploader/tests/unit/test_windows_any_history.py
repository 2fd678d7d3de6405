"""Whatever happens between uploads, each closed window is what one query over the whole source table gives."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from tests.support import month, tables
from tests.support.edge import IDENTITY, EdgeNode, PowerCut, PowerIsCutError
from tests.support.fakes import START
from tests.support.month import STEP, Group
from tests.support.writer import Writer

from databricks_uploader.destinations.delta_windows import DeltaWindows
from databricks_uploader.events import Claimed
from databricks_uploader.state.store import Store

ROWS = "id INTEGER PRIMARY KEY, ts TEXT, site TEXT, v INTEGER"
KEYED = "id INTEGER, ts TEXT, site TEXT, v INTEGER, PRIMARY KEY (ts, id)"


@dataclass(frozen=True)
class Way:
    """A kind of source table, and how it is read."""

    made: tuple[str, ...]
    order: Literal["auto", "time"] = "auto"
    late_arrival: timedelta = timedelta(days=40)
    view: bool = False


BY_ROWID = Way((f"CREATE TABLE t ({ROWS})",))
KEY_OF_TIMES = Way((f"CREATE TABLE t ({KEYED}) WITHOUT ROWID",))
WAYS = {
    "by rowid": BY_ROWID,
    "by time": KEY_OF_TIMES,
    "by time, looking back two hours": replace(KEY_OF_TIMES, late_arrival=timedelta(hours=2)),
    "by time, with rowids": replace(BY_ROWID, order="time"),
    "a view of values": Way((BY_ROWID.made[0], "CREATE VIEW seen AS SELECT ts, site, v FROM t"), view=True),
}
BY_TIME = [name for name in WAYS if name != "by rowid"]
ALL = "SELECT site, substr(ts, 1, 13), count(*), sum(v), avg(v), max(v) FROM t GROUP BY 1, 2 ORDER BY 1, 2"
SEEN = "site, strftime(hour AT TIME ZONE 'UTC', '%Y-%m-%d %H'), row_count, CAST(sum_v AS BIGINT), avg_v, max_v"


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


@pytest.fixture(params=["by rowid", "by time"])
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


@pytest.fixture
def node(tmp_path: Path, writer: Writer, way: Way) -> EdgeNode:
    table = tmp_path / "table"
    made = EdgeNode(
        tmp_path, writer, aggregate=STEP, connect=lambda: DeltaWindows(table, IDENTITY, STEP.keys), order=way.order,
        late_arrival=way.late_arrival, source_table="seen" if way.view else None,
    )  # fmt: skip
    made.write(*way.made)
    return made


def insert(node: EdgeNode, *times: datetime, value: int = 1, key: int | None = None) -> None:
    chosen = "(SELECT coalesce(max(id), 0) + 1 FROM t)" if key is None else str(key)
    node.write(
        *(
            f"INSERT INTO t VALUES ({chosen}, '{time:%Y-%m-%d %H:%M:%S}', '{'ab'[time.second % 2]}', {value + number})"
            for number, time in enumerate(times)
        )
    )


def all_groups(node: EdgeNode) -> list[Group]:
    with closing(sqlite3.connect(node.path)) as connection:
        return connection.execute(ALL).fetchall()


def closed_groups(node: EdgeNode) -> list[Group]:
    """Return the groups of windows that are closed by the clock or the newest row."""
    with closing(sqlite3.connect(node.path)) as connection:
        (newest,) = connection.execute("SELECT max(ts) FROM t").fetchone()
    reached = max(node.clock.now(), datetime.fromisoformat(newest).replace(tzinfo=UTC))
    late = f"{reached - timedelta(hours=1, minutes=15):%Y-%m-%d %H:%M:%S}"
    return [group for group in all_groups(node) if f"{group[1]}:00:00" <= late]


def seen(node: EdgeNode) -> list[Group]:
    return tables.rows(node.folder / "table", SEEN, "1, 2")


def check_counts(node: EdgeNode) -> None:
    """See every row accounted for."""
    with Store.open(node.state) as store:
        (summary,) = store.summaries()
    with closing(sqlite3.connect(node.path)) as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM t").fetchall()
    assert rows == summary.rows_loaded + summary.waiting + summary.quarantined + summary.lost


@pytest.mark.parametrize("way", ["by rowid"], indirect=True)
@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 20))])
def test_a_month_of_ends_at_any_call_late_rows_and_sources_made_anew_is_one_query(node: EdgeNode, seed: int) -> None:
    month.play(node, seed, 14, lambda: seen(node))


LONG = pytest.mark.long
BOTH = ["by rowid", pytest.param("by time", marks=LONG)]
HISTORIES = [
    ("by time, looking back two hours", 0, 3),
    *(pytest.param(way, seed, 14, marks=LONG) for way in BY_TIME for seed in range(10)),
]


@pytest.mark.parametrize(("way", "seed", "rounds"), HISTORIES, indirect=["way"])
def test_a_month_in_the_order_of_times_with_ends_at_any_call_is_one_query(
    node: EdgeNode, seed: int, rounds: int
) -> None:
    latest = int(node.late_arrival.total_seconds()) // 2
    chance = random.Random(seed)  # noqa: S311  (no secret)
    time = START - timedelta(days=30)
    for _ in range(rounds):
        rows = chance.randint(1, 40)
        steps = [timedelta(seconds=chance.randint(0, 7_000)) for _ in range(rows)]
        times = []
        for step in steps:
            time = min(time + step, START + timedelta(hours=2))
            back = chance.choice([0, 0, 0, 600, 86_400 * chance.randint(0, 20)])
            times.append(time - timedelta(seconds=min(back, latest)))
        insert(node, *times, value=chance.randint(-50, 50))
        if chance.random() < 0.7:
            with suppress(PowerIsCutError):
                node.upload(cut=PowerCut(chance.randint(1, 12), before=chance.random() < 0.5))
        if chance.random() < 0.6:
            node.upload()
            assert seen(node) == closed_groups(node)
            check_counts(node)
    node.clock.waited_s.append(86_400)
    node.upload()
    assert seen(node) == all_groups(node)
    check_counts(node)


def test_an_idle_source_closes_its_last_window(node: EdgeNode) -> None:
    insert(node, START - timedelta(minutes=5))
    node.upload()
    assert seen(node) == []
    node.clock.waited_s.append(3_600 + 900)
    node.upload()
    assert seen(node) == all_groups(node)


def test_times_far_in_the_future_close_nothing(node: EdgeNode) -> None:
    insert(node, START - timedelta(minutes=5), START + timedelta(days=400))
    node.upload()
    assert seen(node) == []


@pytest.mark.parametrize("way", ["by rowid"], indirect=True)
def test_a_late_row_in_a_gap_of_rowids_corrects_its_window(node: EdgeNode) -> None:
    hour = START - timedelta(days=1)
    insert(node, hour)
    insert(node, hour + timedelta(minutes=2), key=9)
    node.upload()
    insert(node, hour + timedelta(minutes=4), key=5, value=70)
    node.upload()
    assert seen(node) == all_groups(node)
    check_counts(node)


@pytest.mark.parametrize("way", BOTH, indirect=True)
def test_a_late_row_costs_its_window_and_not_the_table(node: EdgeNode) -> None:
    insert(node, *(START - timedelta(days=20) + timedelta(minutes=7 * n) for n in range(300)))
    node.upload()
    insert(node, START - timedelta(days=20), value=1_000)
    node.events.clear()
    node.upload()
    emitted = [event.claim for event in node.events if isinstance(event, Claimed) and event.claim.file is not None]
    assert [claim.settled.loaded for claim in emitted] == [1]
    assert seen(node) == all_groups(node)


@pytest.mark.parametrize("way", ["by rowid", *(pytest.param(way, marks=LONG) for way in BY_TIME)], indirect=True)
def test_after_lost_state_all_windows_are_computed_anew(node: EdgeNode) -> None:
    insert(node, *(START - timedelta(days=20) + timedelta(minutes=17 * n) for n in range(60)))
    node.upload()
    node.lose_state()
    insert(node, START - timedelta(days=20), value=1_000)
    node.upload()
    assert seen(node) == all_groups(node)


def test_after_lost_state_rows_before_the_start_are_left_out_as_ever(node: EdgeNode) -> None:
    node.start = START - timedelta(days=2)
    insert(node, START - timedelta(days=5), START - timedelta(days=1))
    node.upload()
    before = seen(node)
    node.lose_state()
    node.upload()
    assert seen(node) == before == all_groups(node)[-1:]


def test_windows_whose_rows_a_recreated_source_lacks_are_left_as_they_are(node: EdgeNode, way: Way) -> None:
    hour = START - timedelta(days=1)
    insert(node, *(hour + timedelta(minutes=n) for n in range(5)))
    node.upload()
    before = seen(node)
    node.path.unlink()
    node.write(*way.made)
    insert(node, hour + timedelta(minutes=9), hour + timedelta(hours=3), hour + timedelta(hours=3, minutes=1))
    node.upload()
    later = [group for group in all_groups(node) if group[1] == f"{hour + timedelta(hours=3):%Y-%m-%d %H}"]
    assert seen(node) == sorted([*before, *later])
    with Store.open(node.state) as store:
        (summary,) = store.summaries()
    assert (summary.rows_loaded, summary.quarantined, summary.waiting) == (7, 1, 0)


@pytest.mark.parametrize("way", BOTH, indirect=True)
def test_rows_that_a_rollback_took_away_are_counted_as_lost_to_their_open_window(node: EdgeNode) -> None:
    insert(node, START - timedelta(days=1))
    node.upload()
    node.back_up()
    insert(node, START - timedelta(minutes=5), START - timedelta(minutes=4))
    node.upload()
    node.restore()
    insert(node, START - timedelta(minutes=3), value=9)
    node.upload()
    node.clock.waited_s.append(2 * 86_400)
    node.upload()
    assert [group[1] for group in seen(node)] == [f"{START - timedelta(days=1):%Y-%m-%d %H}"]
    with Store.open(node.state) as store:
        (summary,) = store.summaries()
    assert (summary.rows_loaded, summary.quarantined, summary.lost, summary.waiting) == (1, 1, 2, 0)


def test_of_a_window_that_lacks_rows_those_that_came_late_are_set_apart_and_no_others(node: EdgeNode) -> None:
    hour = START - timedelta(days=1)
    for key in (1, 5, 9):
        insert(node, hour, key=key)
    node.upload()
    node.write("DELETE FROM t WHERE id = 1")
    for key in (3, 7):
        insert(node, hour, key=key)
    node.upload()
    with Store.open(node.state) as store:
        assert sorted(int(str(kept.row.values["id"])) for kept in store.kept(IDENTITY, None)) == [3, 7]


@pytest.mark.parametrize("way", ["by rowid"], indirect=True)
def test_where_all_rows_that_wait_are_lost_none_that_is_loaded_is_set_apart(node: EdgeNode) -> None:
    hour = START - timedelta(days=1)
    insert(node, hour, hour + timedelta(minutes=1))
    node.upload()
    node.back_up()
    insert(node, hour + timedelta(minutes=2))
    with suppress(PowerIsCutError):
        node.upload(cut=PowerCut(2, before=False))  # the row is claimed, and waits
    node.restore()
    node.upload()
    with Store.open(node.state) as store:
        (summary,) = store.summaries()
    assert (summary.rows_loaded, summary.quarantined, summary.lost, summary.waiting) == (2, 0, 1, 0)


def test_rows_that_were_lost_to_a_window_are_not_made_up_for_by_those_that_it_has(node: EdgeNode) -> None:
    hour = START - timedelta(days=1)
    insert(node, hour, hour + timedelta(minutes=1))
    node.upload()
    insert(node, hour + timedelta(minutes=2), value=70)
    node.back_up()
    insert(node, hour + timedelta(minutes=3), value=80)
    with suppress(PowerIsCutError):
        node.upload(cut=PowerCut(2, before=False))  # both rows are claimed, and wait
    node.restore()
    node.upload()
    with Store.open(node.state) as store:
        (summary,) = store.summaries()
        assert [kept.row.values["v"] for kept in store.kept(IDENTITY, None)] == [70]
    assert (summary.rows_loaded, summary.lost, summary.waiting) == (2, 1, 0)
