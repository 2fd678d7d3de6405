"""Fill and flush between a fake source and a fake destination, with the real state and spool."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.cycles import whole_cycle
from tests.support.fakes import READINGS, FakeClock, MemoryDestination, MemorySource, MemoryTable

from databricks_uploader.errors import PermanentError, StateError, TransientError
from databricks_uploader.events import Began, Claimed, Event, Loaded, TableCreated
from databricks_uploader.model.claim import Head, Identity, Span
from databricks_uploader.model.columns import Pair, natural_schema
from databricks_uploader.model.cost import sleepless
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.table import TableSchema, TargetTable
from databricks_uploader.ports import Ports, Reading
from databricks_uploader.spool.folder import FolderSpool
from databricks_uploader.state.store import Store

IDENTITY = Identity("node", "readings", "raw_readings")
SCHEMA = natural_schema(READINGS, "time")


class Node:
    """An uploader whose source and table are in memory."""

    def __init__(self, store: Store, folder: Path, keys: list[int], limits: Limits | None = None) -> None:
        (folder / "spool").mkdir(exist_ok=True)
        self.source, self.table, self.store = MemorySource(keys), MemoryTable(), store
        self.events: list[Event] = []
        self.pipeline = Pipeline(IDENTITY, limits or Limits(span_rows=5))
        destination = MemoryDestination(self.table, IDENTITY)
        self.ports = Ports(self.source, destination, FolderSpool(folder / "spool"), store, FakeClock())

    def upload(self) -> int | None:
        return whole_cycle(self.pipeline, self.ports, self.events.append)

    def ids(self) -> list[int]:
        return sorted(row["id"] for row in self.table.rows())

    def claimed(self) -> list[Claimed]:
        return [e for e in self.events if isinstance(e, Claimed)]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Store.open(tmp_path) as store:
        yield Node(store, tmp_path, [1, 2, 3, 4, 5, 6, 7, 8])


@contextmanager
def state_in(folder: str) -> Iterator[Store]:
    with ExitStack() as stack:
        yield stack.enter_context(Store.open(Path(folder)))


class Closed:
    """A destination that nothing can be asked."""

    def close(self) -> None:
        pass


class Away(MemoryDestination):
    """A destination that can be seen and not loaded."""

    def load(self, claims: object) -> None:
        raise TransientError("away", hint="wait")


class Broken(MemorySource):
    """A source that is damaged after the first claim's rows."""

    @contextmanager
    def reading(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, witnesses: Sequence[int]
    ) -> Iterator[Reading]:
        if position.cursor is not None:
            raise PermanentError("damaged", hint="mend it")
        with super().reading(table, columns, position, witnesses) as reading:
            yield reading


def test_every_row_is_loaded_with_its_lineage(node: Node) -> None:
    assert node.upload() == 8
    assert node.ids() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert {row["_node_id"] for row in node.table.rows()} == {"node"}
    assert len({row["_incarnation"] for row in node.table.rows()}) == 1
    assert [row["_row"] for row in node.table.rows()] == [row["id"] for row in node.table.rows()]
    assert len({row["_batch_id"] >> 24 for row in node.table.rows()}) == 1


def test_a_second_cycle_asks_the_destination_nothing(node: Node) -> None:
    node.upload()
    node.ports = replace(node.ports, destination=Closed())  # type: ignore[arg-type]
    assert node.upload() == 0


def test_a_source_without_rows_gets_no_table(node: Node) -> None:
    node.source.keys.clear()
    assert node.upload() == 0
    assert node.table.target is None


def test_several_claims_are_loaded_at_once(node: Node) -> None:
    node.upload()
    assert [c.claim.counts.read for c in node.claimed()] == [6, 2]
    assert [len(e.claims) for e in node.events if isinstance(e, Loaded)] == [2]


def test_what_was_claimed_before_a_source_broke_is_loaded(node: Node) -> None:
    node.ports = replace(node.ports, source=Broken(node.source.keys))
    with pytest.raises(PermanentError):
        node.upload()
    assert node.ids() == [1, 2, 3, 4, 5, 6]


def test_no_load_takes_more_claims_than_allowed(node: Node) -> None:
    node.pipeline = replace(node.pipeline, limits=Limits(span_rows=1, claims_per_load=2))
    node.upload()
    assert [len(e.claims) for e in node.events if isinstance(e, Loaded)] == [2, 1]


def loaded(node: Node) -> list[int]:
    return [event.rows for event in node.events if isinstance(event, Loaded)]


def test_rows_wait_for_others_until_there_are_enough(node: Node) -> None:
    node.pipeline = replace(node.pipeline, limits=Limits(min_rows=10, max_delay=timedelta(hours=1)))
    node.upload()
    assert (loaded(node), len(node.claimed())) == ([], 1)
    node.source.keys.extend([9, 10])
    node.upload()
    assert (loaded(node), node.ids()) == ([10], node.source.keys)


def test_no_row_waits_longer_than_it_may(node: Node) -> None:
    node.pipeline = replace(node.pipeline, limits=Limits(min_rows=10, max_delay=timedelta(hours=1)))
    node.upload()
    node.ports.clock.wait(3_599)
    node.upload()
    assert loaded(node) == []
    node.ports.clock.wait(1)
    node.upload()
    assert loaded(node) == [8]


def test_rows_do_not_wait_when_the_spool_is_full(node: Node) -> None:
    limits = Limits(span_rows=3, spool_bytes=100, span_bytes=100, max_delay=timedelta(hours=1))
    node.pipeline = replace(node.pipeline, limits=limits)
    node.upload()
    assert node.ids()[:6] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("rows", "waited_s", "due"), [(0, -1, True), (9, 0, False), (10, 0, True), (1, 60, True)])
def test_rows_are_due_when_they_are_enough_or_have_waited_or_the_clock_was_set_back(
    rows: int, waited_s: int, *, due: bool
) -> None:
    assert Limits(min_rows=10, max_delay=timedelta(minutes=1)).due(rows, timedelta(seconds=waited_s)) is due


@pytest.mark.parametrize(
    ("interval_s", "min_rows", "max_delay_s", "told"),
    [(300, None, None, True), (900, None, None, False), (30, 5_000, None, False), (30, None, 3_600, False),
     (30, 5_000, 60, True)],
)  # fmt: skip
def test_it_is_told_when_a_warehouse_would_never_sleep(
    interval_s: float, min_rows: int | None, max_delay_s: float | None, *, told: bool
) -> None:
    assert (sleepless(interval_s, min_rows, max_delay_s) is not None) is told


def test_reading_goes_on_while_the_destination_is_away_until_the_spool_is_full(node: Node) -> None:
    node.ports = replace(node.ports, destination=Away(node.table, IDENTITY))
    for first in (1, 101, 201):
        node.source.keys.extend(range(first + 10, first + 13))
        with pytest.raises(TransientError):
            node.upload()
    claims = len(node.claimed())
    assert claims == 4
    node.pipeline = replace(node.pipeline, limits=Limits(span_bytes=100, spool_bytes=100))
    node.source.keys.append(999)
    with pytest.raises(TransientError):
        node.upload()
    assert len(node.claimed()) == claims
    node.ports = replace(node.ports, destination=MemoryDestination(node.table, IDENTITY))
    node.upload()
    assert node.ids() == sorted(node.source.keys)


def test_bytes_that_were_claimed_are_what_is_loaded_later(node: Node) -> None:
    node.ports = replace(node.ports, destination=Away(node.table, IDENTITY))
    with pytest.raises(TransientError):
        node.upload()
    node.source.keys[:] = []
    node.ports = replace(node.ports, destination=MemoryDestination(node.table, IDENTITY))
    node.upload()
    assert node.ids() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_lost_state_is_rebuilt_from_the_table_under_a_new_owner(node: Node) -> None:
    node.upload()
    before = node.store.position(IDENTITY)
    node.store.forget()
    node.source.keys.extend([9, 10])
    node.upload()
    after = node.store.position(IDENTITY)
    assert node.ids() == list(range(1, 11))
    assert before is not None
    assert after is not None
    assert after.owner != before.owner
    assert after.incarnation == before.incarnation
    assert [e.rebuilt for e in node.events if isinstance(e, Began)] == [False, True]


def test_lost_state_is_not_rebuilt_on_another_database(node: Node) -> None:
    node.upload()
    node.store.forget()
    node.source.keys[:] = [1, 2]
    with pytest.raises(StateError, match=r"row 8, .*is not in the source"):
        node.upload()
    assert node.ids() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_an_old_copy_of_state_loads_nothing_and_can_be_rebuilt(node: Node) -> None:
    node.upload()
    old = node.store.position(IDENTITY)
    assert old is not None
    witnesses = node.store.witnesses(IDENTITY)
    node.source.keys.append(9)
    node.upload()
    node.store.forget()
    node.store.stand(IDENTITY, Standing(old, witnesses))
    node.source.keys.append(10)
    with pytest.raises(StateError, match="disagree on claim 3"):
        node.upload()
    assert node.ids() == list(range(1, 10))
    node.store.forget()
    node.upload()
    assert node.ids() == list(range(1, 11))


def test_a_table_that_was_made_anew_is_not_loaded(node: Node) -> None:
    node.upload()
    node.table.target = TargetTable("another", SCHEMA)
    node.source.keys.append(9)
    with pytest.raises(StateError, match="dropped and made anew"):
        node.upload()


def test_a_table_that_went_back_is_not_loaded(node: Node) -> None:
    node.upload()
    node.table.heads.clear()
    node.source.keys.append(9)
    with pytest.raises(StateError, match="behind our state: it holds no claim of ours"):
        node.upload()


def test_a_column_retyped_after_the_claim_parks_the_pipeline(node: Node) -> None:
    node.ports = replace(node.ports, destination=Away(node.table, IDENTITY))
    with pytest.raises(TransientError):
        node.upload()
    assert node.table.target is not None
    columns = [replace(c, type="string") if c.name == "value" else c for c in SCHEMA.columns]
    node.table.target = replace(node.table.target, schema=TableSchema.of(columns))
    with pytest.raises(PermanentError, match="'value' of the target table was double"):
        node.upload()


def test_a_table_is_created_once_and_its_creation_told(node: Node) -> None:
    node.upload()
    node.store.forget()
    node.table.heads.clear()
    node.upload()
    assert len([e for e in node.events if isinstance(e, TableCreated)]) == 1


def test_a_damaged_spool_file_is_never_loaded(node: Node, tmp_path: Path) -> None:
    node.ports = replace(node.ports, destination=Away(node.table, IDENTITY))
    with pytest.raises(TransientError):
        node.upload()
    (file, *_) = (tmp_path / "spool").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StateError, match="damaged"):
        node.upload()
    file.unlink()
    with pytest.raises(StateError, match="gone"):
        node.upload()


def test_the_head_in_state_is_that_of_the_destination(node: Node) -> None:
    node.upload()
    position = node.store.position(IDENTITY)
    assert position is not None
    assert position.head == node.table.heads[IDENTITY]
    assert isinstance(position.head, Head)


@settings(deadline=None, max_examples=30)
@given(
    batches=st.lists(st.sets(st.integers(0, 10**6), max_size=12), min_size=1, max_size=4),
    span_rows=st.integers(1, 20),
    page_rows=st.integers(1, 5),
    negative=st.booleans(),
)
def test_spans_never_overlap_and_leave_no_gap(
    batches: list[set[int]], span_rows: int, page_rows: int, *, negative: bool
) -> None:
    keys: list[int] = []
    with TemporaryDirectory() as folder, state_in(folder) as store:
        node = Node(store, Path(folder), keys, Limits(span_rows=span_rows, claims_per_load=2))
        node.source.page_rows = page_rows
        first = -(10**9) if negative else 0
        for batch in batches:
            first = max([first, *keys]) + 1
            keys.extend(first + k for k in sorted(batch))
            node.upload()
        spans = [c.claim.span for c in node.claimed() if isinstance(c.claim.span, Span)]
        assert [s.after for s in spans] == [None, *(s.up_to for s in spans)][: len(spans)]
        assert node.ids() == keys
        assert sum(c.claim.counts.read for c in node.claimed()) == len(keys)
