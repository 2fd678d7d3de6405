"""The pure rules: names, types, the head check, who a node is."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fakes import READINGS, START

from databricks_uploader.errors import ConfigError, PermanentError, StateError
from databricks_uploader.model.claim import Claim, Counts, Head, Identity, Span, SpoolFile, batch_id
from databricks_uploader.model.columns import matched, natural_schema, time_of_rows
from databricks_uploader.model.head import not_loaded
from databricks_uploader.model.node import Machine, Node, check_node, first_node
from databricks_uploader.model.scenario import Scenario, routed
from databricks_uploader.model.source import (
    choose_table,
    configured_timestamp,
)
from databricks_uploader.model.table import Column, TableSchema

SCHEMA = natural_schema(READINGS, "time")
MACHINE = Machine("serial", "id")
NODE = Node("node", MACHINE, "/data/sensor.db")


def claim(sequence: int, digest: str = "", owner: int = 7) -> Claim:
    file = SpoolFile("name", 1, digest or f"{sequence:064x}")
    return Claim(
        Identity("n", "s", "t"), owner, sequence, 1, Span(None, 1), Counts(1, 1), file, SCHEMA, {}, None, START
    )


CLAIMS = [claim(n, f"{n:016x}" + "0" * 48) for n in range(1, 6)]


@pytest.mark.parametrize(("committed", "loaded"), list(itertools.combinations_with_replacement(range(6), 2)))
def test_what_is_loaded_is_known_by_the_head(committed: int, loaded: int) -> None:
    known = Head.after(CLAIMS[committed - 1]) if committed else None
    head = Head.after(CLAIMS[loaded - 1]) if loaded else None
    assert not_loaded(head, known, CLAIMS[committed:]) == CLAIMS[loaded:]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (None, "behind our state: it holds no claim of ours, we know that it held claim 2"),
        (Head.after(CLAIMS[0]), "behind our state: it holds claim 1"),
        (Head.after(claim(6)), "ahead of our state: it holds claim 6, we only made claims up to 4"),
        (Head.after(claim(4, "f" * 64)), "disagree on claim 4"),
        (Head.after(claim(2, "f" * 64)), "disagree on claim 2"),
        (replace(Head.after(CLAIMS[3]), owner=8), "disagree on claim 4"),
    ],
)
def test_a_head_that_our_claims_could_not_make_stops(head: Head | None, words: str) -> None:
    with pytest.raises(StateError, match=words):
        not_loaded(head, Head.after(CLAIMS[1]), CLAIMS[2:4])


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), unique=True, max_size=20))
def test_no_two_identities_share_a_name(parts: list[tuple[str, str, str]]) -> None:
    parts = [p for p in parts if not any("\ud800" <= c <= "\udfff" for c in "".join(p))]
    assert len({str(Identity(*p)) for p in parts}) == len(parts)


def test_batch_ids_are_unique_and_grow_within_an_owner() -> None:
    owners, sequences = (0, 1, 2**39 - 1), (1, 2, 2**24 - 1)
    ids = [batch_id(o, s) for o, s in itertools.product(owners, sequences)]
    assert ids == sorted(set(ids))
    assert ids[-1] == 2**63 - 1


@pytest.mark.parametrize(("owner", "sequence"), [(2**39, 1), (-1, 1), (1, 0), (1, 2**24)])
def test_a_batch_id_out_of_range_can_not_be_made(owner: int, sequence: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        batch_id(owner, sequence)


def test_counts_that_do_not_add_up_can_not_be_made() -> None:
    with pytest.raises(ValueError, match="unaccounted"):
        Counts(read=3, loaded=2)


@pytest.mark.parametrize("name", ["readings", "raw_readings"])
def test_raw_rows_go_to_the_raw_table(name: str) -> None:
    assert routed(Scenario.RAW, name) == "raw_readings"


def test_the_table_is_the_configured_one_whatever_its_case() -> None:
    assert choose_table("READINGS", ["other", "readings"], "x.db") == "readings"


def test_the_only_table_is_chosen_and_of_several_none() -> None:
    assert choose_table(None, ["readings"], "x.db") == "readings"
    assert choose_table(None, ["a", "b"], "x.db") is None


@pytest.mark.parametrize(
    ("configured", "tables", "hint"),
    [("reading", ["readings", "other"], "did you mean 'readings'?"), ("zz", ["b", "a"], "tables there: a, b")],
)
def test_a_table_that_is_not_there_names_the_nearest(configured: str, tables: list[str], hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        choose_table(configured, tables, "x.db")
    assert raised.value.hint == hint


def test_a_timestamp_column_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as raised:
        configured_timestamp(READINGS, "tme")
    assert raised.value.hint == "did you mean 'time'?"


def test_a_new_table_has_the_sources_columns_and_where_each_row_came_from() -> None:
    assert [c.sql for c in SCHEMA.columns] == [
        "`id` BIGINT", "`time` TIMESTAMP", "`value` DOUBLE", "`_node_id` STRING", "`_incarnation` BIGINT",
        "`_batch_id` BIGINT", "`_row` BIGINT", "`_loaded_at` TIMESTAMP",
    ]  # fmt: skip


def test_a_target_table_that_can_never_take_the_rows_is_refused() -> None:
    needs_site = [*SCHEMA.columns, Column("site", "string", nullable=False)]
    with pytest.raises(PermanentError, match="'site' of the target table is NOT NULL, and the source has no such"):
        matched(READINGS, "time", TableSchema.of(needs_site))
    nested = [Column("id", "long"), Column("time", "array"), Column("value", "double")]
    with pytest.raises(PermanentError, match="'time' of the target table is ARRAY, which takes no value of 'time'"):
        matched(READINGS, "time", TableSchema.of(nested))


def test_a_target_table_keeps_its_spelling_types_and_extra_columns() -> None:
    target = TableSchema.of([Column("Value", "float"), Column("site", "string"), Column("TIME", "timestamp")])
    found = matched(READINGS, "time", target)
    assert [(p.source.name, p.target) for p in found.pairs] == [
        ("time", Column("TIME", "timestamp")),
        ("value", Column("Value", "float")),
    ]
    assert [p.target for p in found.missing] == [Column("id", "long")]
    assert found.ddl("raw_t") == "ALTER TABLE `raw_t` ADD COLUMNS (`id` BIGINT)"


def test_the_column_of_times_is_the_one_that_takes_the_source_s_as_instants() -> None:
    pairs = matched(READINGS, "time", SCHEMA).pairs
    assert time_of_rows(pairs, "time") == "time"
    assert time_of_rows(pairs, None) is None
    as_text = TableSchema.of([Column("TIME", "string")])
    assert time_of_rows(matched(READINGS, "time", as_text).pairs, "time") is None


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        (Machine("a", "i"), Machine("a", "j"), False),
        (Machine("a", "i"), Machine("b", "i"), True),
        (Machine(None, "i"), Machine("b", "i"), False),
        (Machine(None, "i"), Machine("b", "j"), True),
        (Machine(None, None), Machine("b", "j"), False),
    ],
)
def test_machines_are_told_apart_by_serial_then_id(one: Machine, other: Machine, *, differs: bool) -> None:
    assert one.differs(other) == other.differs(one) == differs


def test_a_node_is_named_by_the_configuration_or_by_host_and_machine() -> None:
    assert first_node("pump-7", "host", MACHINE, "x").node_id == "pump-7"
    assert first_node(None, "host", Machine(None, "0123456789abcdef"), "x").node_id == "host-01234567"
    with pytest.raises(ConfigError, match="no id that would last"):
        first_node(None, "host", Machine(None, None), "x")


def test_state_goes_on_where_it_was_made() -> None:
    check_node(NODE, None, MACHINE, NODE.source)
    check_node(NODE, "node", Machine(None, None), NODE.source)


@pytest.mark.parametrize(
    ("configured", "machine", "source", "words", "command"),
    [
        ("other", MACHINE, NODE.source, "belongs to node 'node', and node id 'other'", "state reset"),
        (None, Machine("other", "id"), NODE.source, "made on another machine", "state adopt"),
        (None, MACHINE, "/data/other.db", "belongs to the database /data/sensor.db", "state adopt"),
    ],
)
def test_state_does_not_go_on_elsewhere(
    configured: str | None, machine: Machine, source: str, words: str, command: str
) -> None:
    with pytest.raises(StateError, match=words) as raised:
        check_node(NODE, configured, machine, source)
    assert command in raised.value.hint
