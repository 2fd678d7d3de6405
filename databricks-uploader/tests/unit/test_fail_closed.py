"""What a secure pipeline does when it can't be sure: it holds back rather than lets out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.edge import IDENTITY, EdgeNode
from tests.support.fakes import MemoryDestination
from tests.support.writer import Writer

from databricks_uploader.errors import ConfigError, StateError, TransientError
from databricks_uploader.events import Judged, Notice, TakenBack
from databricks_uploader.model.claim import Claim
from databricks_uploader.model.quarantine import Replayed
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.steps import Drop, Hash, Mask, Pattern, Redact, RemoveNulls, SanitizeStep
from databricks_uploader.ports import Destination
from databricks_uploader.replay import GONE, replay

TIME = "2026-11-24T08:00:00Z"
REDACTED = SanitizeStep((Redact(column="note", text="-"),))
TEXT = "column 'v' holds TEXT that is no number"
MASKED = SanitizeStep((Mask(column="note", keep_last=1),))


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


@pytest.fixture
def node(tmp_path: Path, writer: Writer) -> EdgeNode:
    found = EdgeNode(tmp_path, writer, steps=(REDACTED,), on_new_column="withhold")
    found.write("CREATE TABLE t (id INTEGER PRIMARY KEY, ts TEXT, v INTEGER, note TEXT)")
    return found


def add(node: EdgeNode, *values: str) -> None:
    node.write(*(f"INSERT INTO t (ts, v, note) VALUES ('{TIME}', {value}, 'secret ' || {value})" for value in values))


class Unreachable(MemoryDestination):
    """Fails before anything is out, or at the moment when something may be."""

    fails_at = "not_loaded"

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401
        if name == object.__getattribute__(self, "fails_at"):
            raise TransientError("no network", hint="later")
        return super().__getattribute__(name)


class UnreachableInStaging(Unreachable):
    fails_at = "stage"


def cut_off(node: EdgeNode, kind: type[Unreachable] = Unreachable) -> None:
    def connect() -> Destination:
        return kind(node.table, IDENTITY)

    node.connect = connect


def pending(node: EdgeNode) -> list[Claim]:
    with node.started() as (_, ports):
        return list(ports.state.pending(IDENTITY))


def test_claims_of_other_rules_that_are_not_out_are_taken_back_and_their_rows_read_again(node: EdgeNode) -> None:
    add(node, "1", "2")
    node.upload()
    before = node.remembered()
    cut_off(node)
    add(node, *map(str, range(3, 28)), "'x'")
    with pytest.raises(TransientError):
        node.upload()
    assert len(pending(node)) == 3
    node.steps, node.connect = (MASKED,), None
    with node.started() as (pipeline, ports):
        ports.spool.discard(ports.state.take_back(ports.state.pending(IDENTITY)[0]))
        assert ports.spool.size() == 0
        assert ports.state.position(pipeline.identity) is not None
    assert node.remembered() == before | {"sqlite_sequence": node.remembered()["sqlite_sequence"]}
    node.upload()
    assert node.loaded() == list(range(1, 28))
    assert sorted(row["note"] for row in node.table.rows())[-2:] == ["-", "-"]
    assert {row["note"][-2:] for row in node.table.rows() if row["v"] > 2} >= {"*3", "*7"}


def test_a_change_of_rules_is_told_with_the_rows_that_are_read_again(node: EdgeNode) -> None:
    cut_off(node)
    add(node, "1", "2")
    with pytest.raises(TransientError):
        node.upload()
    node.steps, node.connect = (MASKED,), None
    node.upload()
    assert [event.rows for event in node.events if isinstance(event, TakenBack)] == [2]
    assert [row["note"] for row in node.table.rows()] == ["*******1", "*******2"]


def test_claims_of_other_rules_that_may_be_out_stop_the_pipeline(node: EdgeNode) -> None:
    cut_off(node, UnreachableInStaging)
    add(node, "1")
    with pytest.raises(TransientError):
        node.upload()
    node.steps, node.connect = (MASKED,), None
    with pytest.raises(StateError, match="was made by other rules, and may have left the node"):
        node.upload()
    node.steps = (REDACTED,)
    node.upload()
    assert [row["note"] for row in node.table.rows()] == ["-"]


def test_another_key_of_hash_is_another_rule(node: EdgeNode) -> None:
    node.steps, node.key = (SanitizeStep((Hash(column="note"),)),), Secret("0123456789abcdef")
    cut_off(node)
    add(node, "1")
    with pytest.raises(TransientError):
        node.upload()
    node.key, node.connect = Secret("fedcba9876543210"), None
    node.upload()
    assert any(isinstance(event, TakenBack) for event in node.events)


def test_raw_claims_that_wait_are_not_sent_once_rules_are_given(node: EdgeNode) -> None:
    node.steps = ()
    cut_off(node)
    add(node, "1")
    with pytest.raises(TransientError):
        node.upload()
    node.steps, node.connect = (REDACTED,), None
    with pytest.raises(StateError, match="was made by other rules, and can't be taken back"):
        node.upload()
    assert node.table.rows() == []


def test_rows_that_a_claim_taken_back_had_freed_from_quarantine_are_there_again(node: EdgeNode) -> None:
    add(node, "1", "'x'")
    node.upload()
    node.write("UPDATE t SET v = 2 WHERE id = 2")
    with node.started() as (pipeline, ports):
        assert replay(pipeline, ports, node.events.append, None) == Replayed(loaded=1)
        assert ports.state.quarantined(IDENTITY) == 0
        ports.state.take_back(ports.state.pending(IDENTITY)[0])
        assert ports.state.quarantined(IDENTITY) == 1
        assert replay(pipeline, ports, node.events.append, None) == Replayed(loaded=1)
    node.upload()
    assert node.loaded() == [1, 2]
    assert node.remembered()["quarantine"] == []


def test_quarantine_holds_reasons_and_keys_and_replay_reads_the_source_again(node: EdgeNode) -> None:
    add(node, "1", "'many secrets'", "3")
    node.upload()
    with node.started() as (pipeline, ports):
        (kept,) = ports.state.kept(IDENTITY, None)
        assert (kept.row.key, kept.row.reasons, kept.row.values) == (2, {"v": "TEXT that is no number"}, {})
        assert replay(pipeline, ports, node.events.append, None) == Replayed(left={TEXT: 1})
    node.write("UPDATE t SET v = 2 WHERE id = 2")
    with node.started() as (pipeline, ports):
        assert replay(pipeline, ports, node.events.append, None) == Replayed(loaded=1)
    node.upload()
    assert [(row["v"], row["note"]) for row in node.table.rows()] == [(1, "-"), (3, "-"), (2, "-")]


def test_without_rowids_replay_finds_rows_by_their_times(tmp_path: Path, writer: Writer) -> None:
    node = EdgeNode(tmp_path, writer, steps=(REDACTED,), order="time")
    node.write("CREATE TABLE t (id TEXT PRIMARY KEY, ts TEXT, v INTEGER, note TEXT) WITHOUT ROWID")
    values = {"a": "1", "b": "'many secrets'", "c": "'more of them'", "d": "'a third'", "e": "4"}
    times = {name: f"2026-01-0{number}T00:00:00Z" for number, name in enumerate(values, start=1)}
    first, *others = [f"INSERT INTO t VALUES ('{k}', '{times[k]}', {v}, 'private')" for k, v in values.items()]
    for rows in ([first], others):
        node.write(*rows)
        node.upload()
    with node.started() as (_, ports):
        assert [(kept.row.key, kept.row.values) for kept in ports.state.kept(IDENTITY, None)] == [(None, {})] * 3
    node.write("UPDATE t SET v = 2 WHERE id = 'b'", "DELETE FROM t WHERE id = 'd'")
    with node.started() as (pipeline, ports):
        assert replay(pipeline, ports, node.events.append, None) == Replayed(loaded=1, left={GONE: 1, TEXT: 1})
    node.upload()
    assert sorted((row["id"], row["v"], row["note"]) for row in node.table.rows()) == [
        ("a", 1, "-"), ("b", 2, "-"), ("e", 4, "-"),
    ]  # fmt: skip


def test_a_row_that_is_no_longer_in_the_source_stays_in_quarantine(node: EdgeNode) -> None:
    add(node, "'x'", "2")
    node.upload()
    node.write("DELETE FROM t WHERE id = 1")
    with node.started() as (pipeline, ports):
        assert replay(pipeline, ports, node.events.append, None) == Replayed(left={GONE: 1})
        assert ports.state.quarantined(IDENTITY) == 1


def test_a_column_that_comes_later_is_withheld_with_state_lost_too(node: EdgeNode) -> None:
    add(node, "1")
    node.upload()
    (judged,) = [event for event in node.events if isinstance(event, Judged)]
    assert (judged.columns, judged.withheld) == (("id", "ts", "v", "note"), ())
    node.write("ALTER TABLE t ADD COLUMN phone TEXT")
    node.write(f"INSERT INTO t VALUES (2, '{TIME}', 2, 'n', '555 0100')")
    node.upload()
    assert [e.text for e in node.events if isinstance(e, Notice)] == [
        "the target table lacks the column 'phone', withheld until you run ALTER TABLE `raw_t` ADD COLUMNS (`phone` "
        "STRING)"
    ]
    node.lose_state()
    node.write(f"INSERT INTO t VALUES (3, '{TIME}', 3, 'n', '555 0100')")
    node.upload()
    assert node.loaded() == [1, 2, 3]
    assert "phone" not in {name for row in node.table.rows() for name in row}


def test_allow_names_the_columns_that_go_out_and_no_others(node: EdgeNode) -> None:
    node.steps = (SanitizeStep((RemoveNulls(column="note"), Drop(column="id")), allow=("v", "ts")),)
    add(node, "1", "2")
    node.upload()
    own = {name for row in node.table.rows() for name in row if not name.startswith("_")}
    assert own == {"v", "ts"}
    (judged,) = [event for event in node.events if isinstance(event, Judged)]
    assert judged.withheld == ("id", "note")


def test_where_a_rule_touches_the_key_rows_are_numbered_within_their_claims(node: EdgeNode) -> None:
    node.steps = (SanitizeStep((Drop(column="id"), RemoveNulls(column="v"))),)
    node.write(*(f"INSERT INTO t VALUES ({key}, '{TIME}', {v}, 'n')" for key, v in [(70, 1), (80, "NULL"), (90, 3)]))
    node.upload()
    assert [(row["_row"], row["v"]) for row in node.table.rows()] == [(1, 1), (2, 3)]
    add(node, "4")
    node.upload()
    assert [(row["_row"], row["v"]) for row in node.table.rows()] == [(1, 1), (2, 3), (1, 4)]
    assert len({(row["_batch_id"], row["_row"]) for row in node.table.rows()}) == 3


def test_where_a_rule_touches_the_key_lost_state_is_not_taken_from_the_table(node: EdgeNode) -> None:
    node.steps = (SanitizeStep((Hash(column="id"),)),)
    node.key = Secret("0123456789abcdef")
    add(node, "1")
    node.upload()
    node.lose_state()
    with pytest.raises(StateError, match="a rule touches the source's key") as raised:
        node.upload()
    assert "load into another table" in raised.value.hint


def test_a_pattern_on_a_number_is_refused_and_nothing_is_made(node: EdgeNode) -> None:
    node.steps = (SanitizeStep((Pattern(column="v", pattern="x"),)),)
    add(node, "1")
    with pytest.raises(ConfigError, match="a pattern is for STRING"):
        node.upload()
    assert node.table.target is None
