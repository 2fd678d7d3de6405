"""What is remembered of windows: after VACUUM has given rows other rowids, and where there are too many windows."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.edge import IDENTITY, EdgeNode
from tests.support.fakes import START, MemoryWindows
from tests.support.writer import Writer

from databricks_uploader.model.aggregation import AggregateStep, Aggregation, Function
from databricks_uploader.model.pipeline import Limits
from databricks_uploader.model.touched import MOST_WINDOWS
from databricks_uploader.source.pages import PageSize
from databricks_uploader.state.store import Store
from databricks_uploader.windowing import FORGOTTEN, LACKING

HOUR = START - timedelta(days=1)


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


def node_of(folder: Path, writer: Writer, unit: str) -> EdgeNode:
    aggregations = tuple(Aggregation(column="v", function=each) for each in (Function.COUNT, Function.SUM))
    node = EdgeNode(folder, writer, aggregate=AggregateStep((unit,), aggregations))
    node.connect = lambda: MemoryWindows(node.table, IDENTITY, keys=(unit,))
    node.write("CREATE TABLE t (ts TEXT, v INTEGER)")
    return node


def insert(node: EdgeNode, *minutes: int) -> None:
    """Insert rows of so many minutes after the hour, which is their value too."""
    node.write(*(f"INSERT INTO t VALUES ('{HOUR + timedelta(minutes=m):%Y-%m-%d %H:%M:%S}', {m})" for m in minutes))


def shown(node: EdgeNode, unit: str) -> list[tuple[int, int, int]]:
    """Return of each window how many minutes after the hour it begins, its number of rows, and their sum."""
    rows = ((row[unit] - HOUR, row["count_v"], row["sum_v"]) for row in node.table.rows())
    return sorted((int(after.total_seconds()) // 60, count, int(total)) for after, count, total in rows)


def apart(node: EdgeNode) -> list[tuple[object, str]]:
    """Return the value of each row in quarantine, and why it is there."""
    with Store.open(node.state) as store:
        kept = [found.row for found in store.kept(IDENTITY, None)]
    return [(row.values["v"], row.reasons["ts"]) for row in kept]


def vacuum(node: EdgeNode) -> None:
    before = rowids(node)
    node.writer.alone(node.path, "VACUUM")
    assert rowids(node) != before


def rowids(node: EdgeNode) -> list[list[object]]:
    return node.writer.read(node.path, "SELECT rowid, v FROM t ORDER BY v")


@pytest.fixture
def node(tmp_path: Path, writer: Writer) -> EdgeNode:
    return node_of(tmp_path, writer, "hour")


def test_windows_find_their_rows_again_after_vacuum(node: EdgeNode) -> None:
    insert(node, 1, 2, 61, 62, 121)
    node.upload()
    node.write("DELETE FROM t WHERE v < 61")
    vacuum(node)
    insert(node, 63)
    node.upload()
    assert shown(node, "hour") == [(0, 2, 3), (60, 3, 186), (120, 1, 121)]


def test_a_window_that_was_open_at_vacuum_is_of_all_its_rows(node: EdgeNode) -> None:
    node.clock.waited_s.append(-86_400)
    insert(node, -120, 1, 2)
    node.upload()
    node.write("DELETE FROM t WHERE v < 0")
    vacuum(node)
    insert(node, 3)
    node.upload()
    assert shown(node, "hour") == [(-120, 1, -120)]
    node.clock.waited_s.append(7_200)
    node.upload()
    assert shown(node, "hour") == [(-120, 1, -120), (0, 3, 6)]


def test_a_window_that_lacks_rows_is_known_after_vacuum_too(node: EdgeNode) -> None:
    insert(node, 1, 2, 61)
    node.upload()
    node.write("DELETE FROM t WHERE v = 1")
    vacuum(node)
    insert(node, 3)
    node.upload()
    assert shown(node, "hour") == [(0, 2, 3), (60, 1, 61)]
    assert apart(node) == [(3, LACKING)]


def test_a_row_that_waited_at_vacuum_is_set_apart_where_its_window_lacks_another(node: EdgeNode) -> None:
    node.clock.waited_s.append(-86_400)
    insert(node, 1, 2)
    node.upload()
    node.write("DELETE FROM t WHERE v = 1")
    vacuum(node)
    node.clock.waited_s.append(7_200)
    node.upload()
    assert shown(node, "hour") == []
    assert apart(node) == [(2, LACKING)]


@pytest.mark.long
def test_a_late_row_of_a_window_that_is_remembered_no_more_is_set_apart(tmp_path: Path, writer: Writer) -> None:
    node = node_of(tmp_path, writer, "minute")
    node.limits, node.page_size = Limits(), PageSize()
    node.clock.waited_s.append(60.0 * MOST_WINDOWS)
    node.write(
        f"WITH RECURSIVE n (v) AS (SELECT 0 UNION ALL SELECT v + 1 FROM n WHERE v < {MOST_WINDOWS + 9}) INSERT INTO t "
        f"SELECT strftime('%Y-%m-%d %H:%M:%S', {int(HOUR.timestamp())} + 60 * v, 'unixepoch'), v FROM n"
    )
    node.upload()
    insert(node, 9, 10, -1)
    node.upload()
    found = shown(node, "minute")
    assert len(found) == MOST_WINDOWS + 10
    assert found[9:12] == [(9, 1, 9), (10, 2, 20), (11, 1, 11)]
    assert apart(node) == [(9, FORGOTTEN), (-1, FORGOTTEN)]
