"""Columns that come, go and change, in the source and in the target table, between claims and between pages."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.edge import EdgeNode
from tests.support.writer import Writer

from databricks_uploader.errors import PermanentError, TransientError
from databricks_uploader.events import ColumnsAdded, Notice
from databricks_uploader.model.table import LINEAGE, Column, TableSchema, TargetTable

BY_ROWID = "CREATE TABLE t (ts TEXT, v INTEGER, note TEXT)"
BY_TIME = "CREATE TABLE t (ts TEXT PRIMARY KEY, v INTEGER, note TEXT) WITHOUT ROWID"


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


@pytest.fixture(params=[BY_ROWID, BY_TIME], ids=["by rowid", "by time"])
def node(tmp_path: Path, writer: Writer, request: pytest.FixtureRequest) -> EdgeNode:
    node = EdgeNode(tmp_path, writer)
    node.write(request.param)
    return node


def add(node: EdgeNode, *rows: int, **values: str) -> None:
    """Insert rows with these numbers, and the same SQL in other columns."""
    names, others = ("".join(f", {part}" for part in parts) for parts in (values, values.values()))
    node.write(*(f"INSERT INTO t (ts, v{names}) VALUES ('2026-01-01T00:00:{v:02}Z', {v}{others})" for v in rows))


def loaded(node: EdgeNode, *columns: str) -> list[tuple[Any, ...]]:
    """Return columns of the target table's rows, in order of v; NULL is what a file does not have."""
    rows = sorted(node.table.rows(), key=lambda row: int(row["v"]))
    return [tuple(row.get(column) for column in columns) for row in rows]


def notices(node: EdgeNode) -> list[str]:
    """Return what was told of columns."""
    words = ("is gone", "lacks")
    return [e.text for e in node.events if isinstance(e, Notice) and any(word in e.text for word in words)]


def existing(node: EdgeNode, *columns: Column) -> None:
    """Have a target table of somebody else's making."""
    node.table.target = TargetTable("theirs", TableSchema.of([*columns, *LINEAGE.columns]))


def schema(node: EdgeNode) -> TableSchema:
    assert node.table.target is not None
    return node.table.target.schema


def give(node: EdgeNode, column: Column) -> None:
    """Let the target table's owner add a column."""
    assert node.table.target is not None
    columns = [*node.table.target.schema.columns, column]
    node.table.target = replace(node.table.target, schema=TableSchema.of(columns))


def test_a_new_column_is_added_and_older_rows_have_null_there(node: EdgeNode) -> None:
    add(node, 1)
    node.upload()
    node.write("ALTER TABLE t ADD COLUMN heat REAL")
    add(node, 2, heat="1.5")
    node.upload()
    assert loaded(node, "v", "heat") == [(1, None), (2, 1.5)]
    assert [e.columns for e in node.events if isinstance(e, ColumnsAdded)] == [("heat",)]


def test_a_new_column_is_withheld_until_the_target_table_has_it_and_told_once(node: EdgeNode) -> None:
    node.on_new_column = "withhold"
    add(node, 1)
    node.upload()
    node.write("ALTER TABLE t ADD COLUMN heat REAL")
    for row in (2, 3):
        add(node, row, heat="1.5")
        node.upload()
    assert "heat" not in [column.name for column in schema(node).columns]
    assert notices(node) == ["the target table lacks the column 'heat', withheld until you run "
                             "ALTER TABLE `raw_t` ADD COLUMNS (`heat` DOUBLE)"]  # fmt: skip
    give(node, Column("heat", "double"))
    for row in (4, 5, 6):
        add(node, row, heat="2.5")
        node.upload()
    assert loaded(node, "v", "heat")[:3] == [(1, None), (2, None), (3, None)]
    assert loaded(node, "v", "heat")[4:] == [(5, 2.5), (6, 2.5)], "from the load on that saw it"


def test_a_new_column_stops_the_pipeline_and_what_to_run_is_shown(node: EdgeNode) -> None:
    node.on_new_column = "stop"
    add(node, 1)
    node.upload()
    node.write("ALTER TABLE t ADD COLUMN heat REAL")
    add(node, 2, heat="1.5")
    for _ in range(2):
        with pytest.raises(PermanentError, match="lacks the column 'heat'") as raised:
            node.upload()
        assert "ALTER TABLE `raw_t` ADD COLUMNS (`heat` DOUBLE)" in raised.value.hint
    assert loaded(node, "v") == [(1,)]
    give(node, Column("heat", "double"))
    node.upload()
    assert loaded(node, "v", "heat") == [(1, None), (2, 1.5)]


def test_a_dropped_column_is_null_from_then_on_and_told_once(node: EdgeNode) -> None:
    add(node, 1, note="'a'")
    node.upload()
    node.write("ALTER TABLE t DROP COLUMN note")
    for row in (2, 3):
        add(node, row)
        node.upload()
    assert loaded(node, "v", "note") == [(1, "a"), (2, None), (3, None)]
    assert notices(node) == ["column 'note' of 't' is gone: it is NULL in rows from now on"]


def test_a_dropped_column_that_comes_back_is_filled_again(node: EdgeNode) -> None:
    add(node, 1, note="'a'")
    node.upload()
    node.write("ALTER TABLE t DROP COLUMN note")
    add(node, 2)
    node.upload()
    node.write("ALTER TABLE t ADD COLUMN note INTEGER")
    add(node, 3, note="7")
    node.upload()
    assert loaded(node, "v", "note") == [(1, "a"), (2, None), (3, "7")]


def test_a_renamed_column_is_one_that_went_and_one_that_came(node: EdgeNode) -> None:
    add(node, 1, note="'a'")
    node.upload()
    node.write("ALTER TABLE t RENAME COLUMN note TO remark")
    add(node, 2, remark="'b'")
    node.upload()
    assert loaded(node, "v", "note", "remark") == [(1, "a", None), (2, None, "b")]
    assert notices(node) == ["column 'note' of 't' is gone: it is NULL in rows from now on"]


def test_a_retyped_column_keeps_its_target_type(node: EdgeNode) -> None:
    add(node, 1, note="'a'")
    node.upload()
    node.write("ALTER TABLE t DROP COLUMN note", "ALTER TABLE t ADD COLUMN note REAL")
    add(node, 2, note="1.5")
    node.upload()
    assert loaded(node, "v", "note") == [(1, "a"), (2, "1.5")]


def rebuild(node: EdgeNode) -> None:
    """Give the table its columns in another order, as programs do that can't alter a table."""
    ((made,),) = node.writer.read(node.path, "SELECT sql FROM sqlite_schema WHERE name = 't'")
    body = "note TEXT, v INTEGER, ts TEXT PRIMARY KEY" if "PRIMARY" in str(made) else "note TEXT, v INTEGER, ts TEXT"
    rest = " WITHOUT ROWID" if "WITHOUT" in str(made) else ""
    node.write(
        f"CREATE TABLE u ({body}){rest}",
        "INSERT INTO u (note, v, ts) SELECT note, v, ts FROM t ORDER BY ts",
        "DROP TABLE t",
        "ALTER TABLE u RENAME TO t",
    )


def test_reordered_columns_are_found_by_their_names(node: EdgeNode) -> None:
    add(node, 1, 2, note="'a'")
    node.upload()
    rebuild(node)
    add(node, 3, note="'b'")
    node.upload()
    assert loaded(node, "v", "note") == [(1, "a"), (2, "a"), (3, "b")]


CHANGES = {
    "added": ("ALTER TABLE t ADD COLUMN heat REAL DEFAULT 1.5",),
    "dropped": ("ALTER TABLE t DROP COLUMN note",),
    "renamed": ("ALTER TABLE t RENAME COLUMN note TO remark",),
    "retyped": ("ALTER TABLE t DROP COLUMN note", "ALTER TABLE t ADD COLUMN note INTEGER DEFAULT 5"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_pages_loses_and_doubles_no_row(node: EdgeNode, change: str) -> None:
    add(node, *range(1, 9), note="'a'")
    with suppress(TransientError):  # by time, all is read again
        node.upload(meanwhile=lambda: node.write(*CHANGES[change]))
    node.upload()
    rows = loaded(node, "v", "note", "remark", "heat")
    assert [v for v, *_ in rows] == list(range(1, 9))
    last = {
        "added": ("a", None, 1.5),
        "dropped": (None,) * 3,
        "renamed": (None, "a", None),
        "retyped": ("5", None, None),
    }
    assert rows[-1] == (8, *last[change])


def test_reordering_between_pages_loses_and_doubles_no_row(node: EdgeNode) -> None:
    add(node, *range(1, 9), note="'a'")
    with suppress(TransientError):
        node.upload(meanwhile=lambda: rebuild(node))
    node.upload()
    assert loaded(node, "v", "note") == [(v, "a") for v in range(1, 9)]


def test_a_table_that_existed_keeps_types_order_and_extra_columns_and_is_matched_without_case(node: EdgeNode) -> None:
    theirs = (Column("Extra", "string"), Column("NOTE", "string"), Column("V", "short"), Column("Ts", "timestamp"))
    existing(node, *theirs)
    add(node, 1, note="'a'")
    node.write("INSERT INTO t VALUES ('2026-01-01T00:01:00Z', 40000, 'far')")
    node.upload()
    assert schema(node).columns == (*theirs, *LINEAGE.columns)
    assert [(row["V"], row["NOTE"], row.get("Extra")) for row in node.table.rows()] == [(1, "a", None)]


def test_null_into_not_null_is_set_aside_and_the_other_rows_arrive(node: EdgeNode) -> None:
    existing(node, Column("ts", "timestamp"), Column("v", "long"), Column("note", "string", nullable=False))
    add(node, 1, 3, note="'a'")
    add(node, 2)
    node.upload()
    assert loaded(node, "v", "note") == [(1, "a"), (3, "a")]


def test_a_not_null_column_that_the_source_has_not_is_refused_before_anything_is_claimed(node: EdgeNode) -> None:
    existing(node, Column("v", "long"), Column("site", "string", nullable=False))
    add(node, 1)
    with pytest.raises(PermanentError, match="'site' of the target table is NOT NULL"):
        node.upload()
    assert node.table.rows() == []


def test_a_not_null_column_that_the_source_loses_is_refused_and_nothing_is_claimed(node: EdgeNode) -> None:
    existing(node, Column("ts", "timestamp"), Column("v", "long"), Column("note", "string", nullable=False))
    add(node, 1, note="'a'")
    node.upload()
    node.write("ALTER TABLE t DROP COLUMN note")
    add(node, 2)
    with pytest.raises(PermanentError, match="'note' of the target table is NOT NULL"):
        node.upload()
    assert loaded(node, "v") == [(1,)]


def test_a_column_that_takes_no_single_value_is_refused(node: EdgeNode) -> None:
    existing(node, Column("v", "long"), Column("note", "array"))
    add(node, 1)
    with pytest.raises(PermanentError, match="takes no value of 'note'"):
        node.upload()
