"""Whatever happens to a source and its uploader, windows are what plain Python makes of the same rows.

What is right in which history is said in `plain_windows`. Not promised, and left out here: what `test_any_history`
leaves out for single rows, and so a row without a time that takes the rowid of another one; and rows that were deleted
after they were read, and come back with a restored backup. Where rowids are SQLite's own and VACUUM changed them, the
uploader may stop and ask.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from tests.support import tables
from tests.support.cycles import whole_cycle
from tests.support.edge import IDENTITY, EdgeNode, PowerCut, PowerIsCutError
from tests.support.fakes import START, MemoryWindows
from tests.support.plain_engine import PlainEngine
from tests.support.plain_windows import PlainWindows, Row, Table, Told
from tests.support.writer import Writer

from databricks_uploader.destinations.delta_windows import DeltaWindows
from databricks_uploader.errors import StateError, TransientError
from databricks_uploader.fill import fill
from databricks_uploader.flush import flush
from databricks_uploader.model.aggregation import AggregateStep, Aggregation, Function
from databricks_uploader.model.claim import Claim, LateSpan
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.model.steps import Condition, FilterStep, Operator
from databricks_uploader.ports import Ports
from databricks_uploader.prepare import prepare
from databricks_uploader.state.store import Store

STEP = AggregateStep(
    ("site", "hour"),
    (
        Aggregation(column="rows", function=Function.COUNT),
        *(Aggregation(column="v", function=each) for each in (Function.SUM, Function.MIN, Function.LAST)),
    ),
    allowed_lateness=timedelta(minutes=15),
)
KEPT = FilterStep((Condition(column="kept", operator=Operator.EQUAL, values=(1,)),))
KINDS = {
    "autoincrement": "id INTEGER PRIMARY KEY AUTOINCREMENT",
    "integer key": "id INTEGER PRIMARY KEY",
    "implicit rowid": "id INTEGER",
}
SITES = st.sampled_from(["a", "a", "b", None, "x"])
LATE = st.integers(0, 90) | st.integers(0, 2_000)
"""Minutes before the newest row's time."""
HAPPENS: Mapping[str, tuple[int, Mapping[str, st.SearchStrategy[Any]]]] = {
    "insert": (5, {"minutes": st.lists(st.integers(0, 25), min_size=1, max_size=8), "site": SITES}),
    "insert_late": (3, {"minutes": LATE, "site": SITES}),
    "insert_with_a_rowid": (4, {"key": st.integers(-5, 40), "minutes": LATE, "site": SITES}),
    "insert_far_ahead": (2, {"hours": st.integers(1, 200), "site": SITES}),
    "insert_without_time": (1, {"site": SITES}),
    "delete": (3, {"number": st.integers(1, 6), "order": st.sampled_from(["ts", "rowid", "rowid DESC"])}),
    "vacuum": (2, {}),
    "back_up": (2, {}),
    "restore": (2, {}),
    "recreate": (1, {}),
    "time_passes": (3, {"minutes": st.integers(1, 200) | st.integers(1, 5_000)}),
    "lose_state": (1, {}),
    "fill_only": (3, {"spans": st.integers(1, 3)}),
    "flush_only": (1, {}),
    "end_at_a_call": (3, {"call": st.integers(1, 16), "before": st.booleans()}),
    "fail_at_a_call": (1, {"call": st.integers(1, 16), "before": st.booleans()}),
    "upload": (5, {}),
}
"""What can happen, how often in comparison, and with what."""


@dataclass
class Watched:
    """A state that tells of each claim once it is made."""

    state: Any
    tell: Callable[[Claim], None]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (stands for any method of a state)
        return getattr(self.state, name)

    def claim(self, claim: Claim, *others: Any) -> None:  # noqa: ANN401
        self.state.claim(claim, *others)
        self.tell(claim)


class History(RuleBasedStateMachine):
    """A source table whose rows are aggregated, and what is to become of them."""

    kind = "autoincrement"
    real = False
    """Whether the engine carries steps out, and the table is one of Delta; else both are plain Python."""
    writer: Writer

    @initialize(span_rows=st.sampled_from([4, 10, 1_000]))
    def begin(self, span_rows: int) -> None:
        self.folder = TemporaryDirectory()
        self.node = EdgeNode(
            Path(self.folder.name), self.writer, limits=Limits(span_rows), steps=(KEPT,), aggregate=STEP
        )
        self.delta = Path(self.folder.name, "table")
        if self.real:
            self.node.connect = lambda: DeltaWindows(self.delta, IDENTITY, STEP.keys)
        else:
            self.node.engine = PlainEngine
            self.node.connect = lambda: MemoryWindows(self.node.table, IDENTITY, keys=STEP.keys)
        self.plain = PlainWindows(STEP.allowed_lateness)
        self.rows: dict[int, Row] = {}
        self.time = START
        self.claimed = 0
        self.vacuumed = self.stopped = False
        self.used: set[int] = set()
        self.backed_up: dict[int, Row] | None = None
        self.used_at_backup: set[int] = set()
        self._create()

    def _create(self) -> None:
        self.node.write(f"CREATE TABLE t ({KINDS[self.kind]}, ts TEXT, site TEXT, v INTEGER, kept INTEGER)")

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            with self.folder:
                self._happens("upload")
                self.time_passes(60 * 24 * 30)
                self._happens("upload")

    @rule(what=st.sampled_from([name for name, (times, _) in HAPPENS.items() for _ in range(times)]), data=st.data())
    def happens(self, what: str, data: st.DataObject) -> None:
        """One rule of them all: of several each history would have a few only."""
        _, strategies = HAPPENS[what]
        self._happens(what, **{name: data.draw(strategy, label=name) for name, strategy in strategies.items()})

    def _happens(self, what: str, **how: Any) -> None:  # noqa: ANN401  (what it takes)
        if self.stopped:
            return
        try:
            getattr(self, what)(**how)
        except StateError:
            assert self.kind == "implicit rowid"
            assert self.vacuumed
            self.stopped = True

    def _insert(self, time: datetime | None, site: str | None, key: int | None = None) -> str:
        number = len(self.rows) + 1
        moment = None if time is None else time.replace(microsecond=number)  # no two rows have the same
        self.rows[number] = row = Row(number, moment, site)
        given = ("NULL" if v is None else f"'{v}'" for v in (moment and f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}", site))
        return (
            f"INSERT INTO t (rowid, ts, site, v, kept) VALUES ({'NULL' if key is None else key}, {', '.join(given)}, "
            f"{row.value}, {int(not row.excluded)})"
        )

    def insert(self, minutes: list[int], site: str | None) -> None:
        """Rows come in the order of their times, which are about those of the clock."""
        self.time = max(self.time, self.node.clock.now() - timedelta(minutes=90))
        times = []
        for each in minutes:
            self.time = min(self.time + timedelta(minutes=each), self.node.clock.now() + timedelta(hours=2))
            times.append(self.time)
        self.node.write(*(self._insert(time, site if number % 2 else "a") for number, time in enumerate(times)))

    def insert_late(self, minutes: int, site: str | None) -> None:
        self.node.write(self._insert(self.time - timedelta(minutes=minutes), site))

    def insert_with_a_rowid(self, key: int, minutes: int, site: str | None) -> None:
        """A row comes with a rowid that no row read had."""
        if self.kind != "implicit rowid" and key not in self._here() and key not in self.used:
            self.node.write(self._insert(self.time - timedelta(minutes=minutes), site, key))

    def insert_far_ahead(self, hours: int, site: str | None) -> None:
        self.node.write(self._insert(self.node.clock.now() + timedelta(hours=hours), site))

    def insert_without_time(self, site: str | None) -> None:
        """A row comes with a rowid that no row had: without a time, one could not be told from another."""
        self.node.write(self._insert(None, site, max({0, *self._here(), *self.used}) + 1))

    def delete(self, number: int, order: str) -> None:
        """The rows that are first in some order are deleted."""
        self.node.write(f"DELETE FROM t WHERE rowid IN (SELECT rowid FROM t ORDER BY {order} LIMIT {number})")

    def vacuum(self) -> None:
        self.vacuumed = True
        self.writer.alone(self.node.path, "VACUUM")

    def back_up(self) -> None:
        self.node.back_up()
        self.backed_up, self.used_at_backup = self._here(), set(self.used)

    def restore(self) -> None:
        """An earlier copy takes the file's place, as it does after a power cut that lost the newest commits."""
        here = {*self._here().values()}
        if self.backed_up is None or any(row in self.plain.read and row not in here for row in self.backed_up.values()):
            return
        self.node.restore()
        newest = max(self.backed_up, default=-(2**63))
        self.used = self.used_at_backup | {key for key in self.used if key < newest}

    def recreate(self) -> None:
        self.node.path.unlink()
        self.backed_up = None
        self._create()

    def time_passes(self, minutes: int) -> None:
        self.node.clock.waited_s.append(60 * minutes)

    def lose_state(self) -> None:
        if not self.node.state.joinpath("state.db").exists():
            return
        self.node.lose_state()
        self.plain.forgotten(self._table())
        self.claimed = 0

    def fill_only(self, spans: int) -> None:
        with self._started() as (pipeline, ports):
            for _ in range(spans):
                position = prepare(pipeline, ports, lambda _: None)
                if position is not None:
                    fill(pipeline, position, ports, lambda _: None)

    def flush_only(self) -> None:
        with self._started() as (pipeline, ports):
            position = ports.state.position(IDENTITY)
            if position is not None:
                flush(pipeline, position, ports)

    def end_at_a_call(self, call: int, *, before: bool) -> None:
        with self._started(PowerCut(call, before)) as (pipeline, ports):
            whole_cycle(pipeline, ports, lambda _: None)

    def fail_at_a_call(self, call: int, *, before: bool) -> None:
        """A call fails, and the same process goes on."""
        cut = PowerCut(call, before, TransientError("a fault", hint=""))
        with self._started(cut) as (pipeline, ports):
            with suppress(TransientError):
                whole_cycle(pipeline, ports, lambda _: None)
            whole_cycle(pipeline, ports, lambda _: None)
        self._check()

    def upload(self) -> None:
        with self._started() as (pipeline, ports):
            whole_cycle(pipeline, ports, lambda _: None)
        self._check()

    @contextmanager
    def _started(self, cut: PowerCut | None = None) -> Iterator[tuple[Pipeline, Ports]]:
        """Start the uploader; wherever it ends, every row that it has read is accounted for."""
        here = self._here()
        self.used |= {*here}

        def claimed(claim: Claim) -> None:
            span = claim.span
            if isinstance(span, LateSpan):
                rows = [here[key] for key in span.keys]
            else:
                rows = [row for k, row in here.items() if k <= span.up_to and (span.after is None or k > span.after)]
            assert claim.counts.read == len(rows)
            self.claimed += len(rows)
            self.plain.claimed(rows, {*here.values()}, self.node.clock.now())

        with suppress(PowerIsCutError), self.node.started() as (pipeline, ports):
            watched = replace(ports, state=Watched(ports.state, claimed))
            yield pipeline, watched if cut is None else cut.ports(watched)
        assert self._told().rows == self.claimed

    def _check(self) -> None:
        here = {*self._here().values()}
        assert here <= self.plain.read, "all rows are read"
        self.plain.uploaded(here, self.node.clock.now(), self._table(), self._told())

    def _here(self) -> dict[int, Row]:
        """Return what the source holds, by rowid."""
        found = self.writer.read(self.node.path, "SELECT rowid, v FROM t")
        by_value = {row.value: row for row in self.rows.values()}
        return {int(str(key)): by_value[int(str(value))] for key, value in found}

    def _table(self) -> Table:
        names = ("site", "hour", "row_count", "sum_v", "min_v", "last_v", "_row")
        if self.real:
            rows = tables.rows(self.delta, ", ".join(names).replace("hour", "hour AT TIME ZONE 'UTC'"))
        else:
            rows = [tuple(row[name] for name in names) for row in self.node.table.rows()]
        found = {(site, hour.replace(tzinfo=UTC)): values for site, hour, *values in rows}
        assert len(found) == len(rows)
        return found

    def _told(self) -> Told:
        by_value = {row.value: row.number for row in self.rows.values()}
        with Store.open(self.node.state) as store:
            summaries = store.summaries()
            apart = Counter(by_value[int(str(kept.row.values["v"]))] for kept in store.kept(None, None))
        if not summaries:
            return Told(0, 0, 0, 0, apart)
        (summary,) = summaries
        pending = summary.pending
        return Told(
            summary.rows_loaded + sum(claim.rows_loaded for claim in pending),
            summary.waiting,
            summary.by_rule.rows_excluded + sum(claim.counts.excluded for claim in pending),
            summary.lost + sum(claim.settled.lost for claim in pending),
            apart,
        )


def play(chosen: settings, kind: str, *, real: bool = False) -> None:
    with Writer() as writer:
        history = type("History", (History,), {"kind": kind, "real": real, "writer": writer})
        run_state_machine_as_test(
            history, settings=settings(chosen, deadline=None, suppress_health_check=list(HealthCheck))
        )


@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_those_of_plain_python(kind: str) -> None:
    play(settings(max_examples=20, stateful_step_count=20, derandomize=True), kind)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_those_of_plain_python_in_long_histories(kind: str) -> None:
    play(settings(max_examples=25, stateful_step_count=50, database=None, print_blob=True), kind)


@pytest.mark.long
def test_windows_in_a_delta_table_are_those_of_plain_python() -> None:
    play(settings(max_examples=15, stateful_step_count=40, database=None, print_blob=True), "integer key", real=True)
