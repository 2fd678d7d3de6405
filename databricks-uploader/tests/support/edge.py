"""A machine at the edge: a real SQLite file with its writer, and the uploader beside it, loading into memory."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from tests.support.cycles import whole_cycle
from tests.support.fakes import FakeClock, MemoryDestination, MemoryTable
from tests.support.writer import Writer

from databricks_uploader.errors import ConfigError
from databricks_uploader.events import Changed, Event, GapsGivenUp, Missed, Restarted
from databricks_uploader.model.aggregation import AggregateStep
from databricks_uploader.model.claim import Identity
from databricks_uploader.model.columns import Pair
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.model.position import Position
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.step_faults import StepFault
from databricks_uploader.model.steps import Step, is_secure
from databricks_uploader.ports import Destination, Page, Ports, Reading, Steps, TimedPage
from databricks_uploader.source.pages import PageSize
from databricks_uploader.source.sqlite import SqliteSource
from databricks_uploader.spool.folder import FolderSpool
from databricks_uploader.state.store import Store
from databricks_uploader.steps.carried_out import CarriedOut

IDENTITY = Identity("node", "t", "raw_t")
P = TypeVar("P", Page, TimedPage)
Told = Restarted | Changed | Missed | GapsGivenUp
"""What is told about a source table's history."""


def refused(faults: Iterable[StepFault]) -> None:
    """Refuse rules that can't be applied."""
    found = [fault.text for fault in faults]
    if found:
        raise ConfigError("; ".join(found), hint="mend the rules")


@dataclass
class Interrupted:
    """A source in whose first reading something happens after the first page."""

    source: Any
    happens: Callable[[], object] | None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (stands for any method of a source)
        return getattr(self.source, name)

    @contextmanager
    def reading(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, witnesses: Sequence[int]
    ) -> Iterator[Reading]:
        with self.source.reading(table, columns, position, witnesses) as reading:
            yield replace(reading, pages=self._pages(reading.pages))

    @contextmanager
    def sweep(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, since: datetime | None
    ) -> Iterator[Iterator[TimedPage]]:
        with self.source.sweep(table, columns, position, since) as pages:
            yield self._pages(pages)

    def _pages(self, pages: Iterator[P]) -> Iterator[P]:
        for page in pages:
            yield page
            if self.happens is not None:
                self.happens()
                self.happens = None


class PowerIsCutError(Exception):
    """The end of a process."""


@dataclass
class PowerCut:
    """The end of a process, before or after the n-th of all calls of ports that matter."""

    call: int
    before: bool
    error: Exception = field(default_factory=PowerIsCutError)
    """What is raised there, where it is not the end."""
    _calls: int = 0

    def ports(self, ports: Ports) -> Ports:
        """Return ports that end at that call."""
        return replace(
            ports,
            state=Cut(ports.state, ("claim", "stand", "sending", "commit"), self),
            spool=Cut(ports.spool, ("rows_at_hand", "discard"), self),
            destination=Cut(ports.destination, ("stage", "load", "prove"), self),
        )

    def ends(self, *, before: bool) -> None:
        """End at the call, where this is it."""
        self._calls += before
        if self._calls == self.call and before == self.before:
            raise self.error


@dataclass
class Cut:
    """A port that ends at one of its calls."""

    port: Any
    calls: tuple[str, ...]
    cut: PowerCut

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (stands for any method of a port)
        found = getattr(self.port, name)
        return partial(self._around, found) if name in self.calls else found

    def _around(self, call: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        self.cut.ends(before=True)
        done = call(*arguments)
        self.cut.ends(before=False)
        return done


@dataclass
class EdgeNode:
    """A table `t` in `folder`/source.db, and its uploader, started anew on its state for each upload."""

    folder: Path
    writer: Writer
    start: datetime | Literal["beginning", "now"] = "beginning"
    on_new_column: Literal["add", "withhold", "stop"] = "add"
    limits: Limits = field(default_factory=lambda: Limits(span_rows=10))
    page_size: PageSize = field(default_factory=lambda: PageSize(first_rows=3, rows=4))
    table: MemoryTable = field(default_factory=MemoryTable)
    connect: Callable[[], Destination] | None = None
    """Makes the destination of each start; None: that table in memory."""
    clock: FakeClock = field(default_factory=FakeClock)
    steps: tuple[Step, ...] = ()
    aggregate: AggregateStep | None = None
    order: Literal["auto", "rowid", "time"] = "auto"
    late_arrival: timedelta = timedelta(minutes=10)
    source_table: str | None = None
    zone: str = "UTC"
    engine: Callable[[], Steps] = lambda: CarriedOut(refused)
    """Makes what carries steps out."""
    key: Secret | None = None
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.state / "spool").mkdir(parents=True)

    @property
    def path(self) -> Path:
        return self.folder / "source.db"

    @property
    def backup(self) -> Path:
        return self.folder / "backup.db"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def write(self, *statements: str) -> None:
        """Commit the statements together."""
        self.writer.write(self.path, *statements)

    def back_up(self) -> None:
        self.writer.copy(self.path, self.backup)

    def restore(self) -> None:
        self.writer.copy(self.backup, self.path)

    def source(self) -> SqliteSource:
        return SqliteSource(self.path, lambda _: None, self.source_table, zone=self.zone, page_size=self.page_size)

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline(
            IDENTITY, self.limits, self.order, self.late_arrival, self.start, self.on_new_column, self.steps,
            self.aggregate, self.key, keeps_values=not is_secure(self.steps),
        )  # fmt: skip

    @contextmanager
    def started(self) -> Iterator[tuple[Pipeline, Ports]]:
        """Start the uploader on what its state remembers."""
        with Store.open(self.state) as store:
            steps = self.engine() if self.steps or self.aggregate else None
            spool = FolderSpool(self.state / "spool", steps, store.digest_key())
            spool.keep_only(store.spool_files())
            destination = self.connect() if self.connect else MemoryDestination(self.table, IDENTITY)
            yield self.pipeline, Ports(self.source(), destination, spool, store, self.clock, steps)

    def upload(self, meanwhile: Callable[[], object] | None = None, cut: PowerCut | None = None) -> list[Told]:
        """Load all there is; return what was told about the table's history.

        `meanwhile` is done once, between the first page and the next; `cut` ends all at a call.
        """
        events: list[Event] = []
        try:
            with self.started() as (pipeline, ports):
                found = replace(ports, source=Interrupted(ports.source, meanwhile))
                whole_cycle(pipeline, found if cut is None else cut.ports(found), events.append)
        finally:
            self.events += events
        return [event for event in events if isinstance(event, Told)]

    def remembered(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all that state holds."""
        with closing(sqlite3.connect(self.state / "state.db")) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}

    def lose_state(self) -> None:
        (self.state / "state.db").unlink()

    def loaded(self, column: str = "v") -> list[Any]:
        """Return one column of the target table's rows, in order."""
        return sorted(row[column] for row in self.table.rows())
