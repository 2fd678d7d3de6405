"""Rows that can't be loaded as they are: kept with the reason, counted, and loaded when they fit."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.edge import IDENTITY, EdgeNode
from tests.support.writer import Writer

from databricks_uploader.errors import PermanentError
from databricks_uploader.events import Altered, Claimed, Quarantined, StayApart
from databricks_uploader.model.quarantine import Kept, QuarantinedRow, Recent, Replayed, Undecodable
from databricks_uploader.model.table import Column, TableSchema
from databricks_uploader.replay import replay

TIME = "2026-11-24T08:00:00Z"
TEXT = "column 'v' holds TEXT that is no number"
VALUES = ["1.5", "'many'", "x'00ff'", "CAST(x'41ff00' AS TEXT)", "9e999", "-9e999", "9223372036854775807", "'a\nb'"]


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


@pytest.fixture
def node(tmp_path: Path, writer: Writer) -> EdgeNode:
    found = EdgeNode(tmp_path, writer)
    found.write("CREATE TABLE t (id INTEGER PRIMARY KEY, ts TEXT, v INTEGER, note TEXT)")
    return found


def add(node: EdgeNode, *values: str) -> None:
    node.write(*(f"INSERT INTO t (ts, v) VALUES ('{TIME}', {value})" for value in values))


def kept(node: EdgeNode) -> list[Kept]:
    with node.started() as (_, ports):
        return list(ports.state.kept(IDENTITY, None))


def widen(node: EdgeNode) -> None:
    """Give the target table a type for v that takes any value."""
    assert node.table.target is not None
    columns = [Column("v", "string") if c.name == "v" else c for c in node.table.target.schema.columns]
    node.table.target = replace(node.table.target, schema=TableSchema.of(columns))


def test_a_row_is_kept_with_its_key_its_reasons_and_all_values_as_the_source_has_them(node: EdgeNode) -> None:
    node.write(
        f"INSERT INTO t VALUES (-5, '{TIME}', CAST(x'ff' AS TEXT), x'ff')",
        f"INSERT INTO t (ts, v) VALUES ('{TIME}', 2)",
    )
    node.upload()
    assert node.loaded() == [2]
    (only,) = kept(node)
    assert only.row == QuarantinedRow(
        -5,
        {"v": "TEXT that is not UTF-8", "note": "BLOB that is not UTF-8"},
        {"id": -5, "ts": TIME, "v": Undecodable(b"\xff"), "note": b"\xff"},
    )
    assert (only.sequence, only.incarnation) == (1, node.table.rows()[0]["_incarnation"])


def test_every_storage_class_comes_back_from_quarantine_as_it_was(node: EdgeNode) -> None:
    node.write(*(f"INSERT INTO t (ts, v, note) VALUES ('{TIME}', 0.5, {value})" for value in VALUES))
    with closing(sqlite3.connect(node.path)) as connection:
        connection.text_factory = lambda data: data.decode(errors="replace")
        before = connection.execute("SELECT typeof(note), hex(note) FROM t").fetchall()
    node.upload()
    with closing(sqlite3.connect(node.state / "state.db")) as connection:
        query = "SELECT typeof(value), hex(value) FROM quarantined_value WHERE name = 'note' ORDER BY row"
        assert connection.execute(query).fetchall() == before


def test_the_counts_of_each_claim_add_up(node: EdgeNode) -> None:
    add(node, *("'x'" if i % 3 == 0 else str(i) for i in range(40)))
    node.upload()
    claims = [event.claim for event in node.events if isinstance(event, Claimed)]
    assert sum(claim.counts.read for claim in claims) == 40
    assert sum(claim.counts.loaded for claim in claims) == len(node.loaded()) == 26
    assert sum(claim.counts.quarantined for claim in claims) == len(kept(node)) == 14
    assert sum(event.rows for event in node.events if isinstance(event, Quarantined)) == 14


def test_a_span_without_a_row_to_load_is_claimed_without_a_file_and_asks_the_destination_nothing(
    node: EdgeNode,
) -> None:
    add(node, "1")
    node.upload()
    before = node.table.heads.copy()
    add(node, "'x'", "'y'")
    node.upload()
    claim = [event.claim for event in node.events if isinstance(event, Claimed)][-1]
    assert (claim.file, claim.counts.quarantined) == (None, 2)
    assert node.table.heads == before
    add(node, "4")
    node.upload()
    assert node.loaded() == [1, 4]


def test_a_row_that_fits_by_now_is_loaded_under_its_own_rowid_and_leaves(node: EdgeNode) -> None:
    add(node, "1", "'many'", "2.5")
    node.upload()
    widen(node)
    with node.started() as (pipeline, ports):
        assert replay(pipeline, ports, node.events.append, None) == Replayed(loaded=2)
    add(node, "5")
    node.upload()
    assert sorted((row["_row"], str(row["v"])) for row in node.table.rows()) == [
        (1, "1"), (2, "many"), (3, "2.5"), (4, "5"),
    ]  # fmt: skip
    assert kept(node) == []


def test_a_row_that_does_not_fit_yet_stays_where_it_is(node: EdgeNode) -> None:
    add(node, "1", "'many'", "2.5")
    node.upload()
    before = kept(node)
    with node.started() as (pipeline, ports):
        assert replay(pipeline, ports, node.events.append, [before[0].id]) == Replayed(left={TEXT: 1})
        assert ports.state.pending(IDENTITY) == []
    assert kept(node) == before
    assert node.events[-1] == StayApart(IDENTITY, 1, TEXT)


def test_rows_of_two_lives_of_a_table_are_loaded_each_under_its_own(node: EdgeNode) -> None:
    add(node, "'old'", "1")
    node.upload()
    node.write("DROP TABLE t", "CREATE TABLE t (id INTEGER PRIMARY KEY, ts TEXT, v INTEGER, note TEXT)")
    node.write("INSERT INTO t (ts, v) VALUES ('2026-12-24', 'new')", "INSERT INTO t (ts, v) VALUES ('2026-12-25', 2)")
    node.upload()
    lives = {str(each.row.values["v"]): each.incarnation for each in kept(node)}
    assert len(set(lives.values())) == 2
    widen(node)
    with node.started() as (pipeline, ports):
        assert replay(pipeline, ports, node.events.append, None) == Replayed(loaded=2)
    node.upload()
    assert lives.items() <= {(row["v"], row["_incarnation"]) for row in node.table.rows()}


def test_beyond_half_of_the_last_thousand_rows_the_pipeline_is_parked_and_nothing_is_claimed(node: EdgeNode) -> None:
    add(node, *("'x'" if i % 2 else str(i) for i in range(1_000)))
    node.limits = replace(node.limits, span_rows=5_000)
    node.upload()
    assert len(node.loaded()) == 500
    add(node, "'x'")
    with pytest.raises(PermanentError, match="501 of the last 1,000 rows can't be loaded as they are"):
        node.upload()
    assert (len(node.loaded()), len(kept(node))) == (500, 500)


def test_beyond_the_most_rows_the_pipeline_is_parked_and_nothing_is_claimed(node: EdgeNode) -> None:
    node.limits = replace(node.limits, quarantine_rows=3)
    add(node, "1", "'x'", "'x'", "'x'", "2")
    node.upload()
    add(node, "'x'", "3")
    with pytest.raises(PermanentError, match="more than 3 rows can't be loaded as they are") as raised:
        node.upload()
    assert "column 'v' of row 6 (TEXT that is no number)" in raised.value.hint
    assert (node.loaded(), len(kept(node))) == ([1, 2], 3)


def test_rows_are_counted_back_over_claims() -> None:
    recent = Recent().after(600, range(0, 600, 2)).after(500, [499])
    assert recent.quarantined == 251  # 100 rows are too long ago, 50 of them quarantined
    assert recent.after(1_000, []).quarantined == 0
    assert Recent().after(3_000, [0, 1_999, 2_000, 2_999]).quarantined == 2


def test_altered_values_are_told_once_for_each_column_and_counted(node: EdgeNode) -> None:
    node.write(*(f"INSERT INTO t (ts, note) VALUES ('{TIME}', x'4{i}')" for i in (1, 2)))
    node.upload()
    node.write(f"INSERT INTO t (ts, note) VALUES ('{TIME}', x'43')")
    node.upload()
    told = [(event.column.name, event.values) for event in node.events if isinstance(event, Altered)]
    assert told == [("note", 2)]
    with node.started() as (_, ports):
        position = ports.state.position(IDENTITY)
        assert position is not None
        assert position.altered == {"note": 3}


def test_a_state_rebuilt_from_the_table_keeps_what_it_does_not_read_again(node: EdgeNode) -> None:
    add(node, "'early'", "1")
    node.upload()
    add(node, "'late'")
    node.upload()
    with node.started() as (_, ports):
        assert hasattr(ports.state, "forget")
        ports.state.forget()
    assert [each.row.values["v"] for each in kept(node)] == ["early"]
    node.upload()
    assert sorted(str(each.row.values["v"]) for each in kept(node)) == ["early", "late"]
