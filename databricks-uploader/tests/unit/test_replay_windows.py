"""Rows of an aggregation come back from quarantine into their windows: all of the window's rows, or none of them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.support import tables
from tests.support.edge import IDENTITY, EdgeNode, PowerCut, PowerIsCutError
from tests.support.fakes import START
from tests.support.writer import Writer

from databricks_uploader.destinations.delta_windows import DeltaWindows
from databricks_uploader.errors import TransientError
from databricks_uploader.flush import flush
from databricks_uploader.model.aggregation import AggregateStep, Aggregation, Function
from databricks_uploader.model.position import Standing
from databricks_uploader.model.quarantine import Replayed
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.steps import Condition, FilterStep, Mask, Operator, SanitizeStep
from databricks_uploader.replay import FORMER, GONE, UNTOLD, replay
from databricks_uploader.state.store import Store
from databricks_uploader.windowing import FORGOTTEN, LACKING, NO_TIME

COUNT = Aggregation(column="rows", function=Function.COUNT)
STEP = AggregateStep(("site", "hour"), (COUNT, Aggregation(column="v", function=Function.AVG)))
TRUTH = "SELECT site, substr(ts, 1, 13), count(*), avg(v) FROM t GROUP BY 1, 2 ORDER BY 1, 2"
SEEN = "site, strftime(hour AT TIME ZONE 'UTC', '%Y-%m-%d %H'), row_count, avg_v"
MADE = "CREATE TABLE t (id INTEGER PRIMARY KEY, ts TEXT, site TEXT, v INTEGER)"
HOUR = START - timedelta(days=1)
LATER = HOUR + timedelta(hours=1)
WHOLE = "column 'v' holds a number with a fraction"


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


@pytest.fixture
def node(tmp_path: Path, writer: Writer) -> EdgeNode:
    table = tmp_path / "table"
    made = EdgeNode(tmp_path, writer, aggregate=STEP, connect=lambda: DeltaWindows(table, IDENTITY, STEP.keys))
    made.write(MADE)
    return made


def insert(node: EdgeNode, hour: datetime, *values: str, key: str = "NULL") -> None:
    node.write(*(f"INSERT INTO t VALUES ({key}, '{hour:%Y-%m-%d %H}:30:00', 'a', {value})" for value in values))


def widen(node: EdgeNode, table: str = "id INTEGER PRIMARY KEY, ts TEXT, site TEXT, v REAL") -> None:
    """Give the source's column a type that takes fractions, as its owner does it."""
    node.write(
        f"CREATE TABLE new ({table})",
        "INSERT INTO new SELECT * FROM t ORDER BY id",
        "DROP TABLE t",
        "ALTER TABLE new RENAME TO t",
    )


def replayed(node: EdgeNode, *ids: int, cut: PowerCut | None = None) -> Replayed:
    """Replay rows (none: all) as the command does."""
    with node.started() as (pipeline, whole):
        ports = whole if cut is None else cut.ports(whole)
        found = replay(pipeline, ports, node.events.append, ids or None)
        position = ports.state.position(IDENTITY)
        while position is not None and flush(pipeline, position, ports, at_once=True):
            pass
    return found


def of_one_query(node: EdgeNode) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(node.path)) as connection:
        return connection.execute(TRUTH).fetchall()


def seen(node: EdgeNode) -> list[tuple[object, ...]]:
    return tables.rows(node.folder / "table", SEEN, "1, 2")


def counts(node: EdgeNode) -> tuple[int, int, int]:
    """Return how many rows are loaded or about to be, wait, and are in quarantine: all rows of the source."""
    with Store.open(node.state) as store:
        (summary,) = store.summaries()
    loaded = summary.rows_loaded + sum(claim.rows_loaded for claim in summary.pending)
    found = loaded, summary.waiting, summary.quarantined
    with closing(sqlite3.connect(node.path)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (sum(found),)
    return found


def test_a_row_that_fits_by_now_comes_back_into_its_window(node: EdgeNode) -> None:
    insert(node, HOUR, "1", "2.5", "3")
    insert(node, LATER, "4")
    node.upload()
    assert counts(node) == (3, 0, 1)
    assert replayed(node) == Replayed(left={WHOLE: 1})
    widen(node)
    assert replayed(node) == Replayed(waiting=1)
    assert counts(node) == (3, 1, 0)
    node.upload()
    assert counts(node) == (4, 0, 0)
    assert seen(node) == of_one_query(node)
    assert [row[2] for row in seen(node)] == [3, 1]


def test_a_row_whose_column_is_not_aggregated_any_more_comes_back(node: EdgeNode) -> None:
    insert(node, HOUR, "1", "'many'")
    node.upload()
    node.aggregate = replace(STEP, aggregations=(COUNT,))
    assert replayed(node) == Replayed(waiting=1)
    node.upload()
    assert [row[2] for row in seen(node)] == [2]
    assert counts(node) == (2, 0, 0)


def test_where_other_rows_are_lost_after_a_replay_the_replayed_ones_are_set_apart_again(node: EdgeNode) -> None:
    insert(node, HOUR, "1", "2.5", "3", "4.5", "5")
    node.upload()
    widen(node)
    assert replayed(node) == Replayed(waiting=2)
    node.write("DELETE FROM t WHERE id = 1")
    node.upload()
    with node.started() as (_, ports):
        assert [kept.row.values["v"] for kept in ports.state.kept(IDENTITY, None)] == [2.5, 4.5]


def test_a_window_of_which_all_rows_were_in_quarantine_is_made(node: EdgeNode) -> None:
    insert(node, HOUR, "0.5", "1.5")
    node.upload()
    widen(node)
    assert replayed(node) == Replayed(waiting=2)
    node.upload()
    assert seen(node) == of_one_query(node)


@pytest.mark.long
def test_a_row_of_an_open_window_waits_with_the_others(node: EdgeNode) -> None:
    insert(node, START, "1", "1.5")
    node.upload()
    widen(node)
    replayed(node)
    node.upload()
    assert (seen(node), counts(node)) == ([], (0, 2, 0))
    node.clock.waited_s.append(3_600)
    node.upload()
    assert seen(node) == of_one_query(node)


def test_a_row_that_stays_in_quarantine_is_in_no_window_though_it_fits(node: EdgeNode) -> None:
    insert(node, HOUR, "1", "2.5", "3", "3.5")
    node.upload()
    widen(node)
    assert replayed(node, 2) == Replayed(waiting=1)
    node.upload()
    assert ([row[2:] for row in seen(node)], counts(node)) == ([(3, 2.5)], (3, 0, 1))
    insert(node, HOUR, "5")
    node.upload()
    assert ([row[2] for row in seen(node)], counts(node)) == ([4], (4, 0, 1))
    replayed(node)
    node.upload()
    assert seen(node) == of_one_query(node)


@pytest.mark.parametrize("secure", [False, pytest.param(True, marks=pytest.mark.long)])
def test_rows_that_have_no_way_back_stay_and_each_reason_is_told(node: EdgeNode, *, secure: bool) -> None:
    if secure:
        node.steps, node.key = (SanitizeStep((Mask(column="site", keep_last=0),)),), Secret("0123456789abcdef")
    insert(node, HOUR, "1", "1.5", "2.5")
    node.write("INSERT INTO t VALUES (NULL, NULL, 'a', 3)")
    insert(node, LATER, "4", "4.5")
    node.upload()
    node.write("DELETE FROM t WHERE v = 1.5")
    node.write("DELETE FROM t WHERE v = 4")
    insert(node, LATER, "5")
    node.upload()
    widen(node)
    before = node.remembered()["quarantine"]
    found = replayed(node)
    assert found == Replayed(
        waiting=1, left={GONE: 1, f"column 'ts' holds {NO_TIME}": 1, f"column 'ts' holds {LACKING}": 2}
    )
    left = node.remembered()["quarantine"]
    assert [row for row in before if row not in left] == [row for row in before if row[6] == 3]
    node.upload()
    assert [row[2] for row in seen(node)] == [2, 1]
    assert replayed(node).waiting == 0
    assert node.remembered()["quarantine"] == left


def test_a_row_of_a_former_life_of_the_source_stays(node: EdgeNode) -> None:
    insert(node, HOUR, "1", "1.5")
    node.upload()
    node.write("DROP TABLE t", MADE.replace("v INTEGER", "v REAL"))
    insert(node, LATER, "4", "5", "6")
    node.upload()
    assert replayed(node) == Replayed(left={FORMER: 1})


def test_a_row_of_a_window_that_is_remembered_no_more_stays(node: EdgeNode) -> None:
    insert(node, HOUR, "1", "1.5")
    node.upload()
    widen(node)
    with node.started() as (_, ports):
        position = ports.state.position(IDENTITY)
        assert position is not None
        forgotten = replace(position, windows_since=int(START.timestamp() * 1e6))
        ports.state.stand(IDENTITY, Standing(forgotten, ports.state.witnesses(IDENTITY), windows={}))
    assert replayed(node) == Replayed(left={f"column 'ts' holds {FORGOTTEN}": 1})


def test_a_row_whose_rowid_another_one_has_by_now_stays(node: EdgeNode) -> None:
    insert(node, HOUR, "1", "1.5", "2")
    node.upload()
    node.write("DELETE FROM t WHERE id = 2")
    insert(node, LATER, "4", key="2")
    assert replayed(node) == Replayed(left={GONE: 1})


@pytest.mark.long
def test_where_rows_may_have_been_renumbered_their_values_tell_them(node: EdgeNode) -> None:
    node.write("DROP TABLE t", MADE.replace("id INTEGER PRIMARY KEY", "id INTEGER"))
    insert(node, HOUR, "1", "1.5", key="7")
    node.upload()
    widen(node, "id INTEGER, ts TEXT, site TEXT, v REAL")
    assert replayed(node) == Replayed(waiting=1)
    node.steps, node.key = (SanitizeStep((Mask(column="site", keep_last=0),)),), Secret("0123456789abcdef")
    insert(node, LATER, "'x'", "2", key="7")
    node.upload()
    assert replayed(node) == Replayed(left={UNTOLD: 1})


def test_a_window_is_computed_over_renumbered_rows_though_one_of_it_is_in_quarantine(node: EdgeNode) -> None:
    node.write("DROP TABLE t", MADE.replace("id INTEGER PRIMARY KEY", "id INTEGER"))
    insert(node, LATER, "9")
    times = [f"{HOUR + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S}" for minute in range(4)]
    values = zip(times, ["1", "1.5", "3", "5"], strict=True)
    *rows, late = [f"INSERT INTO t VALUES (7, '{time}', 'a', {value})" for time, value in values]
    node.write(*rows)
    node.upload()
    node.write("DELETE FROM t WHERE v = 9")
    node.writer.alone(node.path, "VACUUM")
    node.write(late)
    node.upload()
    assert [row[2:] for row in seen(node)] == [(3, 3.0), (1, 9.0)]


def test_a_row_that_a_step_excludes_leaves_quarantine_and_is_counted_there(node: EdgeNode) -> None:
    node.steps = (FilterStep((Condition(column="v", operator=Operator.LESS, values=(5,)),)),)
    insert(node, HOUR, "1", "7.5", "2.5")
    node.upload()
    widen(node)
    assert replayed(node) == Replayed(waiting=1, excluded=1)
    node.upload()
    assert [row[2] for row in seen(node)] == [2]
    assert node.remembered()["quarantine"] == []


def test_nothing_leaves_quarantine_while_the_source_is_not_the_one_that_was_read(node: EdgeNode) -> None:
    insert(node, HOUR, "1", "1.5", "2")
    node.upload()
    node.write("DELETE FROM t WHERE id > 2")
    with pytest.raises(TransientError, match="the source is not as it was"):
        replayed(node)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("call", [*(pytest.param(call, marks=pytest.mark.long) for call in (1, 2, 4, 5)), 3])
def test_every_row_is_accounted_for_whenever_a_replay_ends(node: EdgeNode, call: int, *, before: bool) -> None:
    insert(node, HOUR, "1", "2.5", "3")
    insert(node, LATER, "4", "4.5", "5.5")
    node.upload()
    widen(node)
    with suppress(PowerIsCutError):
        replayed(node, cut=PowerCut(call, before=before))
    assert counts(node) in [(3, 0, 3), (3, 3, 0)]
    for later in range(1, 9):
        with suppress(PowerIsCutError):
            node.upload(cut=PowerCut(later, before=before))
        assert counts(node)[2] in (0, 3)
    replayed(node)
    node.upload()
    assert counts(node) == (6, 0, 0)
    assert seen(node) == of_one_query(node)
