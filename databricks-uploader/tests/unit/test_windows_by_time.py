"""Windows of rows that are read in the order of their times: what is read again, and what of it counts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support import tables
from tests.support.edge import IDENTITY, EdgeNode
from tests.support.fakes import START
from tests.support.month import STEP
from tests.support.writer import Writer
from tests.unit.test_windows_any_history import KEY_OF_TIMES, all_groups, check_counts, insert, seen

from databricks_uploader.destinations.delta_windows import DeltaWindows
from databricks_uploader.model.pipeline import Limits
from databricks_uploader.model.position import Standing
from databricks_uploader.model.quarantine import QuarantinedRow
from databricks_uploader.model.steps import (
    Condition,
    FilterStep,
    Operator,
    Replacement,
    SanitizeStep,
    TimeUnit,
    TruncateTime,
)
from databricks_uploader.model.witness import Witnesses
from databricks_uploader.state.store import Store
from databricks_uploader.windowing import FORGOTTEN, NO_TIME

HOUR = timedelta(hours=1)
SIX = START - 2 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


@pytest.fixture
def node(tmp_path: Path, writer: Writer) -> EdgeNode:
    """Return a node whose rows may be five hours late."""
    table = tmp_path / "table"
    made = EdgeNode(
        tmp_path, writer, aggregate=STEP, connect=lambda: DeltaWindows(table, IDENTITY, STEP.keys),
        late_arrival=timedelta(hours=5),
    )  # fmt: skip
    made.write(*KEY_OF_TIMES.made)
    return made


def minutes(*past_six: float) -> list[datetime]:
    """Return times, which are of one site."""
    return [SIX + timedelta(minutes=minute) for minute in past_six]


def counted(node: EdgeNode) -> tuple[int, int, int, int]:
    """Return how many rows are loaded, in quarantine, lost and waiting."""
    with Store.open(node.state) as store:
        (summary,) = store.summaries()
    return summary.rows_loaded, summary.quarantined, summary.lost, summary.waiting


def quarantined(node: EdgeNode) -> list[QuarantinedRow]:
    with Store.open(node.state) as store:
        return [kept.row for kept in store.kept(None, None)]


def test_a_row_too_late_to_be_seen_counts_in_its_window_if_that_is_computed_after_it(node: EdgeNode) -> None:
    node.late_arrival = timedelta(minutes=10)
    insert(node, *minutes(5, 70, 80, 125))
    node.upload()
    insert(node, *minutes(30, 65, 75, 105), value=50)
    node.upload()
    assert counted(node) == (1, 0, 0, 3)
    node.clock.waited_s.append(3_600 + 900)
    node.upload()
    of_six, *later = all_groups(node)
    assert seen(node) == [(*of_six[:2], 1, 1, 1.0, 1), *later], "that of six o'clock was computed before"
    assert counted(node) == (7, 0, 0, 0)
    insert(node, *minutes(85), value=70)
    node.late_arrival = 2 * HOUR
    node.upload()
    assert counted(node) == (7, 0, 0, 0), "what is remembered no more row by row is never claimed"


def test_the_late_row_is_set_apart_and_none_of_those_that_are_loaded(node: EdgeNode) -> None:
    insert(node, *minutes(10, 40, 50))
    node.upload()
    before = seen(node)
    node.write("DELETE FROM t WHERE id = 2")
    insert(node, *minutes(20, 30), value=70)
    node.upload()
    assert seen(node) == before
    assert sorted((row.values["v"], row.key) for row in quarantined(node)) == [(70, None), (71, None)]
    assert counted(node) == (3, 2, 0, 0)


def test_a_late_row_that_is_gone_again_is_lost_and_takes_no_loaded_one_with_it(node: EdgeNode) -> None:
    insert(node, *minutes(10, 40, 50))
    node.upload()
    before = seen(node)
    insert(node, *minutes(20), value=70)
    node.upload(meanwhile=lambda: node.write("DELETE FROM t WHERE v = 70"))
    assert seen(node) == before
    assert counted(node) == (3, 0, 1, 0)


def test_a_row_that_comes_while_windows_are_computed_counts_once(node: EdgeNode) -> None:
    insert(node, *minutes(62, 64, 66, 68, 70, 72))
    node.upload()
    node.clock.waited_s.append(3_600 + 900)
    node.upload(meanwhile=lambda: insert(node, *minutes(63), value=70))
    assert counted(node) == (6, 0, 0, 0)
    node.upload()
    assert seen(node) == all_groups(node)
    check_counts(node)


def test_rows_before_the_start_are_in_no_window(node: EdgeNode) -> None:
    node.start = SIX + timedelta(minutes=30)
    node.zone = "Atlantic/Reykjavik"  # local times, of which more are read than are asked for
    insert(node, *minutes(10, 20, 30, 50))
    node.upload()
    insert(node, *minutes(40))
    node.upload()
    assert [group[2] for group in seen(node)] == [3]
    assert counted(node) == (3, 0, 0, 0)


def test_a_late_row_of_a_window_that_is_remembered_no_more_is_kept_with_its_values(node: EdgeNode) -> None:
    insert(node, *minutes(10, 70))
    node.upload()
    before = seen(node)
    with Store.open(node.state) as store:
        position = store.position(IDENTITY)
        assert position is not None
        forgetful = replace(position, windows_since=(SIX + HOUR - EPOCH) // timedelta(microseconds=1))
        store.stand(IDENTITY, Standing(forgetful, Witnesses(), store.seen(IDENTITY), windows={}))
    insert(node, *minutes(20), value=70)
    node.upload()
    assert seen(node) == before
    assert [(row.values["v"], row.reasons) for row in quarantined(node)] == [(70, {"ts": FORGOTTEN})]


ZONES = ("UTC", "Asia/Tokyo", "America/Los_Angeles", "Asia/Kathmandu")
Times = Mapping[str, tuple[str, Callable[[datetime], Any]]]
NEW_YORK = ZoneInfo("America/New_York")
WRITTEN: Times = {
    "text": ("TEXT", lambda t: f"'{t:%Y-%m-%dT%H:%M:%SZ}'"),
    "fractions": ("TEXT", lambda t: f"'{t.replace(tzinfo=None).isoformat(' ')}'"),
    "local time": ("TEXT", lambda t: f"'{t.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S}'"),
    "many zones": ("TEXT", lambda t: f"'{t.astimezone(ZoneInfo(ZONES[t.second % 4])).isoformat()}'"),
    "seconds": ("REAL", lambda t: repr(t.timestamp())),
    "milliseconds": ("INTEGER", lambda t: (t - EPOCH) // timedelta(milliseconds=1)),
    "nanoseconds": ("INTEGER", lambda t: (t - EPOCH) // timedelta(microseconds=1) * 1_000 + 999),
    "julian days": ("REAL", lambda t: repr(2440587.5 + (t - EPOCH) / timedelta(days=1))),
    "dates": ("DATE", lambda t: f"'{t:%Y-%m-%d}'"),
    "numbers and text": ("", lambda t: int(t.timestamp()) if t.second % 3 else f"'{t:%Y-%m-%dT%H:%M:%SZ}'"),
}
FIRST = datetime(2026, 11, 1, 4, 30, tzinfo=UTC)
"""An hour and a half before clocks are set back in New York."""


IN_SHORT = ("many zones", "numbers and text")


@pytest.mark.parametrize(
    "written", [*IN_SHORT, *(pytest.param(name, marks=pytest.mark.long) for name in WRITTEN if name not in IN_SHORT)]
)
def test_windows_are_read_again_however_times_are_written(node: EdgeNode, written: str) -> None:
    declared, as_written = WRITTEN[written]
    node.zone = "America/New_York" if written == "local time" else "UTC"
    node.write(
        "DROP TABLE t", f"CREATE TABLE t (ts {declared}, site TEXT, v INTEGER)", "CREATE INDEX of_times ON t (ts)"
    )
    node.order, node.limits, rows = "time", Limits(span_rows=12), list[datetime]()
    for minute in (range(0, 240, 13), range(4, 240, 90)):
        times = [FIRST + timedelta(minutes=m, seconds=m % 60) for m in minute]
        times += [time.replace(minute=59, second=59, microsecond=999_000) for time in times[:1]]
        node.write(*(f"INSERT INTO t VALUES ({as_written(time)}, 'a', 1)" for time in times))
        rows += [_meant(time, written) for time in times]
        node.upload()
    hours = [time.replace(minute=0, second=0, microsecond=0) for time in rows]
    found = tables.rows(node.folder / "table", "epoch(hour), row_count", "1")
    assert found == [(hour.timestamp(), hours.count(hour)) for hour in sorted(set(hours))]
    assert counted(node) == (len(rows), 0, 0, 0)


def _meant(time: datetime, written: str) -> datetime:
    """Return what a time is taken for: of a local one the first of two, of a date its beginning."""
    if written == "local time":
        return time.astimezone(NEW_YORK).replace(fold=0).astimezone(UTC)
    return time.replace(hour=0) if written == "dates" else time


def test_windows_after_rules_that_touch_times_are_of_what_they_leave(node: EdgeNode) -> None:
    node.steps = (
        FilterStep((Condition(column="v", operator=Operator.LESS, values=(100,)),)),
        SanitizeStep((TruncateTime(column="ts", unit=TimeUnit.DAY),)),
    )
    insert(node, *minutes(-200, -100, 0), value=10)
    insert(node, *minutes(-90, -80), value=1_000)
    node.upload()
    insert(node, *minutes(-150), value=20)
    node.upload()
    day = f"{START:%Y-%m-%d} 00"
    assert [(hour, rows, values) for _, hour, rows, values, *_ in seen(node)] == [(day, 4, 10 + 11 + 12 + 20)]
    assert counted(node) == (4, 0, 0, 0)
    node.write("DELETE FROM t WHERE id = 1")
    insert(node, *minutes(-140), value=30)
    node.upload()
    assert counted(node) == (4, 1, 0, 0)
    assert [row.values for row in quarantined(node)] == [{}], "rows of a secure pipeline are kept without values"


@pytest.mark.long
def test_rows_whose_time_a_rule_replaces_are_in_the_window_of_the_new_one(node: EdgeNode) -> None:
    early, late, none = (f"{time:%Y-%m-%d %H:%M:%S}" for time in minutes(-95, 10, 15))
    node.steps = (SanitizeStep((Replacement(column="ts", pairs=((early, late), (none, None))),)),)
    insert(node, *minutes(-95, 5))
    node.upload()
    insert(node, *minutes(15, 20), value=20)
    node.upload()
    assert [group[1:4] for group in seen(node)] == [(f"{SIX:%Y-%m-%d %H}", 3, 1 + 2 + 21)]
    assert counted(node) == (3, 1, 0, 0)
    assert [row.reasons for row in quarantined(node)] == [{"ts": NO_TIME}]
