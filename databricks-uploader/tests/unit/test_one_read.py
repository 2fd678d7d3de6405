"""Several pipelines of one source: those that stand at the same row are served by one read."""

import random
import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from arro3.core import Array, DataType, RecordBatch
from tests.support.edge import PowerCut, refused
from tests.support.fakes import READINGS, FakeClock, MemoryDestination, MemoryTable
from tests.support.writer import Writer

from databricks_uploader.errors import PermanentError, TransientError
from databricks_uploader.events import Claimed, Event
from databricks_uploader.model.claim import Claim, Identity
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.model.steps import Drop, SanitizeStep, Step
from databricks_uploader.ports import Ports
from databricks_uploader.runner import Opening, Pace, run
from databricks_uploader.source.pages import PageSize
from databricks_uploader.source.rows import SortedOut
from databricks_uploader.source.signature import signature
from databricks_uploader.source.sqlite import SqliteSource
from databricks_uploader.source.tape import Asked, Tape
from databricks_uploader.spool.folder import FolderSpool
from databricks_uploader.state.store import Store
from databricks_uploader.steps.carried_out import CarriedOut

ONCE = Pace(once=True, interval_s=300, retry_for_s=60)
DAEMON = Pace(once=False, interval_s=300, retry_for_s=60)
SPAN = 10


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


@dataclass
class Full(MemoryDestination):
    """A table that takes nothing any more."""

    def load(self, claims: Sequence[Claim]) -> None:
        raise PermanentError("no permission", hint="")


@dataclass
class Node:
    """A source table `t`, and the pipelines that load it, each into the table of its name."""

    folder: Path
    writer: Writer
    pipelines: Mapping[str, tuple[Step, ...]] = field(default_factory=lambda: {"a": (), "b": ()})
    page_size: PageSize = field(default_factory=lambda: PageSize(first_rows=2, rows=2))
    by_time: bool = False
    destination: type[MemoryDestination] = MemoryDestination
    """Of the first pipeline."""
    tables: dict[str, MemoryTable] = field(default_factory=dict)
    meanwhile: dict[str, list[Callable[[], object]]] = field(default_factory=dict)
    """What happens when a pipeline has made a claim: the first of these things, once."""

    def __post_init__(self) -> None:
        (self.folder / "state" / "spool").mkdir(parents=True)
        kind = " WITHOUT ROWID" if self.by_time else ""
        self.write(f"CREATE TABLE t (id INTEGER PRIMARY KEY, ts TEXT, v INTEGER, note TEXT){kind}")

    @property
    def path(self) -> Path:
        return self.folder / "source.db"

    def write(self, *statements: str) -> None:
        self.writer.write(self.path, *statements)

    def add(self, *keys: int, note: str = "") -> None:
        self.write(
            *(f"INSERT INTO t VALUES ({k}, '2026-01-01T00:{k // 60:02d}:{k % 60:02d}Z', 0, '{note}')" for k in keys)
        )

    def upload(self, *names: str, cut: Mapping[str, PowerCut] | None = None, clock: FakeClock | None = None) -> int:
        """Load all there is by pipelines in turns (none named: by all); return the exit code.

        `clock`: until it stops, else once.
        """
        chosen = names or tuple(self.pipelines)
        tape = Tape(self.folder / "state" / "work")
        with Store.open(self.folder / "state") as store:
            spools = FolderSpool(self.folder / "state" / "spool", CarriedOut(refused), store.digest_key())
            spools.keep_only(store.spool_files())

            def opening(name: str) -> Opening:
                @contextmanager
                def opened() -> Iterator[tuple[Pipeline, Ports]]:
                    identity, steps = Identity("node", "t", name), self.pipelines[name]
                    source = SqliteSource(self.path, lambda _: None, page_size=self.page_size, tape=tape)
                    kind = self.destination if name == chosen[0] else MemoryDestination
                    table = kind(self.tables.setdefault(name, MemoryTable()), identity)
                    ports = Ports(source, table, spools, store, FakeClock(), CarriedOut(refused) if steps else None)
                    pipeline = Pipeline(identity, Limits(span_rows=SPAN), steps=steps)
                    yield pipeline, cut[name].ports(ports) if cut and name in cut else ports

                return Opening(opened)

            pace, openings = ONCE if clock is None else DAEMON, [opening(name) for name in chosen]
            return run(openings, clock or FakeClock(), self._tell, pace, lambda: 1.0, tape.forget)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Claimed):
            things = self.meanwhile.get(event.claim.identity.target_table, [])
            if things:
                things.pop(0)()

    def loaded(self, name: str, columns: str = "id v") -> list[tuple[Any, ...]]:
        return sorted(tuple(row[c] for c in columns.split()) for row in self.tables[name].rows())

    def count_up(self) -> None:
        """Change a value of each row that no witness knows."""
        self.write("UPDATE t SET v = v + 1")


@pytest.fixture(params=["rowid", "time"])
def node(request: pytest.FixtureRequest, tmp_path: Path, writer: Writer) -> Node:
    return Node(tmp_path, writer, by_time=request.param == "time")


BY_ROWID = pytest.mark.parametrize("node", ["rowid"], indirect=True)


def spans(*values: int) -> list[tuple[int, int]]:
    """Return the rows of some spans, with the value that was read in each."""
    return [(k, values[(k - 1) // SPAN]) for k in range(1, SPAN * len(values) + 1)]


def test_each_span_is_read_once_for_all(node: Node) -> None:
    node.add(*range(1, 31))
    node.meanwhile["a"] = [node.count_up, node.count_up]
    assert node.upload() == 0
    assert node.loaded("a") == node.loaded("b")
    assert [v for _, v in node.loaded("a")] == sorted([0, 1, 2] * SPAN)


def test_a_laggard_reads_alone_until_it_has_caught_up(node: Node) -> None:
    node.add(*range(1, 11))
    node.upload("a")
    node.add(*range(11, 21))
    node.meanwhile["a"] = [node.count_up]
    assert node.upload() == 0
    assert node.loaded("a") == spans(0, 0)
    assert node.loaded("b") == spans(1, 1)
    node.add(*range(21, 31))
    node.meanwhile["a"] = [node.count_up]
    assert node.upload() == 0
    assert node.loaded("a")[20:] == node.loaded("b")[20:] == spans(0, 0, 0)[20:]


def test_a_pipeline_that_can_not_load_holds_back_no_other(node: Node) -> None:
    node.destination = Full
    node.add(*range(1, 31))
    assert node.upload() == PermanentError.exit_code
    assert node.loaded("b") == spans(0, 0, 0)
    node.destination = MemoryDestination
    assert node.upload() == 0
    assert node.loaded("a") == spans(0, 0, 0)


@BY_ROWID
def test_rows_that_are_others_by_now_are_read_again(node: Node) -> None:
    node.add(*range(1, 6))
    later = [f"INSERT INTO t VALUES ({k}, '2026-02-01T00:00:0{k}Z', 7, '')" for k in range(1, 6)]
    node.meanwhile["a"] = [lambda: node.write("DELETE FROM t", *later)]
    assert node.upload() == 0
    assert node.loaded("a") == [(k, 0) for k in range(1, 6)]
    assert node.loaded("b") == [(k, 7) for k in range(1, 6)]


@BY_ROWID
def test_a_row_that_came_late_is_not_passed_over(node: Node) -> None:
    node.add(1, 2, 4, 5)
    node.upload()
    node.add(6, 7)
    node.meanwhile["a"] = [lambda: node.add(3)]
    assert node.upload() == 0
    assert node.upload() == 0
    assert node.loaded("a") == node.loaded("b") == [(k, 0) for k in range(1, 8)]


def test_a_column_that_one_withholds_is_taken_out(node: Node) -> None:
    node.pipelines = {"a": (), "b": (SanitizeStep(allow=("id", "v")),)}
    node.add(*range(1, 31))
    node.meanwhile["a"] = [node.count_up, node.count_up]
    assert node.upload() == 0
    assert node.loaded("a") == node.loaded("b")
    assert [v for _, v in node.loaded("a")] == sorted([0, 1, 2] * SPAN)
    assert {column for row in node.tables["b"].rows() for column in row if column[0] != "_"} == {"id", "v"}


def test_a_row_that_only_another_can_not_take_is_loaded(node: Node) -> None:
    node.pipelines = {"a": (), "b": (SanitizeStep(allow=("id", "ts")),)}
    node.add(*range(1, 6))
    node.write("UPDATE t SET v = 'misfit' WHERE id = 3")
    assert node.upload() == 0
    assert node.loaded("a", "id") == [(1,), (2,), (4,), (5,)]
    assert node.loaded("b", "id") == [(k,) for k in range(1, 6)]


def test_wide_rows_are_read_by_each(node: Node) -> None:
    node.add(*range(1, 8))
    node.write("UPDATE t SET note = printf('%.*c', 9000000, 'x') WHERE id = 4")
    node.meanwhile["a"] = [node.count_up] * 3
    assert node.upload() == 0
    assert node.loaded("a", "id") == node.loaded("b", "id") == [(k,) for k in range(1, 8)]
    (of_a, of_b) = ([row for row in node.tables[name].rows() if row["id"] == 4] for name in "ab")
    assert [len(row["note"]) for row in of_a + of_b] == [9_000_000, 9_000_000]
    assert of_b[0]["v"] == of_a[0]["v"] + 1


def test_nothing_that_was_read_is_left_in_the_state_directory(node: Node) -> None:
    node.page_size = PageSize()
    node.add(*range(1, 11), note="x" * 300_000)
    left: list[Path] = []
    node.meanwhile["b"] = [lambda: left.extend((node.folder / "state" / "work").iterdir())]
    assert node.upload() == 0
    assert node.loaded("a", "id") == node.loaded("b", "id") == [(k,) for k in range(1, 11)]
    assert left == []


@pytest.mark.parametrize("node", ["time"], indirect=True)
def test_rows_whose_values_are_altered_are_read_by_each(node: Node) -> None:
    """Which row's value it was is not known of a page, and by time not all rows of one may be claimed."""
    node.add(*range(1, 21))
    node.write("UPDATE t SET ts = '2026-01-01T00:00:11.0000001Z' WHERE id = 11")
    node.meanwhile["a"] = [node.count_up, node.count_up]
    assert node.upload() == 0
    assert node.loaded("a", "id") == node.loaded("b", "id") == [(k,) for k in range(1, 21)]
    assert node.loaded("a") == spans(0, 1)
    assert node.loaded("b") == spans(0, 2)


@pytest.mark.parametrize("node", ["time"], indirect=True)
def test_rows_that_come_after_a_read_of_nothing_new_are_not_passed_over(node: Node) -> None:
    node.add(*range(1, 6))
    node.upload()
    node.write("INSERT INTO t VALUES (100, '2026-01-01T00:00:03Z', 0, '')")
    node.upload("b")

    def add_and_wait_until_files_tell() -> None:
        node.add(6)
        while signature(node.path) is None:
            pass

    node.meanwhile["a"] = [add_and_wait_until_files_tell]
    assert node.upload(clock=FakeClock(stop_after=2)) == 0
    assert node.loaded("a", "id") == node.loaded("b", "id") == [*((k,) for k in range(1, 7)), (100,)]


@BY_ROWID
def test_one_that_failed_is_in_step_with_the_others_again(node: Node) -> None:
    """So that rows which come from then on are read once for both."""
    turns: list[str] = []
    clock = FakeClock(stop_after=3)
    with Store.open(node.folder / "state") as store:
        spool = FolderSpool(node.folder / "state" / "spool")

        @contextmanager
        def opened(name: str) -> Iterator[tuple[Pipeline, Ports]]:
            turns.append(name)
            if turns.count(name) == 1 and name == "b":
                raise TransientError("busy", hint="")
            identity = Identity("node", "t", name)
            destination = MemoryDestination(MemoryTable(), identity)
            yield Pipeline(identity), Ports(SqliteSource(node.path, lambda _: None), destination, spool, store, clock)

        run([Opening(partial(opened, name)) for name in "ab"], clock, lambda _: None, DAEMON, lambda: 1.0)
    assert clock.waited_s == [1, 299, 300]


def test_a_disk_that_takes_no_more_is_told(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "work")
    recording = tape.recording(Asked(READINGS, None, (), None, (), {}))
    columns = RecordBatch.from_pydict({"_row": Array([7 * n % 100_003 for n in range(200_000)], DataType.int64())})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        recording.add("page", SortedOut(columns, {}, {}))
        with pytest.raises(TransientError, match="several pipelines are to load: File too large"):
            recording.add("page", SortedOut(columns, {}, {}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        tape.forget()


HISTORIES = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 8))]


@pytest.mark.parametrize("by_time", [False, True])
@pytest.mark.parametrize("seed", HISTORIES)
def test_each_pipeline_is_exact_in_any_history(seed: int, by_time: bool, tmp_path: Path, writer: Writer) -> None:  # noqa: FBT001
    chance = random.Random(seed)  # noqa: S311  (chosen by a seed, not secret)
    node = Node(tmp_path, writer, {"a": (), "b": (SanitizeStep((Drop(column="note"),)),), "c": ()}, by_time=by_time)
    free = list(range(1, 400))
    for _ in range(8):
        add = _added(node, free, chance)
        node.meanwhile = {name: [add] * chance.randrange(3) for name in "abc"}
        add()
        names = chance.sample("abc", k=chance.randint(1, 3))
        cut = {chance.choice(names): PowerCut(chance.randint(1, 12), chance.random() < 0.5)}
        node.upload(*names, cut=cut if chance.random() < 0.5 else None)
    node.meanwhile = {}
    node.upload()
    node.upload()
    there = [(key,) for (key,) in writer.read(node.path, "SELECT id FROM t ORDER BY id")]
    assert [node.loaded(name, "id") for name in "abc"] == [there, there, there]


def _added(node: Node, free: list[int], chance: random.Random) -> Callable[[], None]:
    def add() -> None:
        rows = [free.pop(chance.randrange(min(6, len(free)))) for _ in range(chance.randrange(1, 9))]
        node.add(*rows)

    return add
