"""The few small protocols between the program's protocol and the world."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from databricks_uploader.model.aggregation import AggregateStep, Into
from databricks_uploader.model.claim import Claim, Head, Identity, SpoolFile, Statistics
from databricks_uploader.model.columns import Pair
from databricks_uploader.model.gaps import Range
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.quarantine import Kept, QuarantinedRow, RawValue
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.steps import Step
from databricks_uploader.model.table import Column, TableSchema, TargetTable
from databricks_uploader.model.times import TimeColumn, Unit
from databricks_uploader.model.touched import Window
from databricks_uploader.model.witness import Values, Witnesses
from databricks_uploader.model.work import Aggregate, Aggregated, Applied, Looked, Work


class ArrowColumns(Protocol):
    """One Arrow record batch, handed over by the Arrow C data interface (PyCapsule)."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...


Tail = Callable[[int], Sequence[tuple[int, Values]]]
Altered = Mapping[str, int]
"""Target column → number of its values that tell less than the source's."""
Units = Mapping[str, Unit]
"""Source column → the unit of its numbers, where it holds times."""


@dataclass(frozen=True)
class Page:
    """The rows of one short read transaction, in key order, typed and checked; `_row` is the last column."""

    columns: ArrowColumns
    rows: int
    """Number of rows read; `columns` holds those of them that fit."""
    size: int
    """Bytes in memory."""
    up_to: int
    """Largest rowid."""
    newest: datetime | None
    """Latest value of the timestamp column."""
    last: bool
    """Whether no row came after it when it was read."""
    absent: tuple[Range, ...]
    """Rowids without a row since the page before; where there are very many, the newest ranges."""
    absent_more: int
    """Ranges that are left out of `absent`."""
    tail: Tail
    """Gives rowid and witness values of that many of the last rows."""
    altered: Altered = field(default_factory=dict)
    quarantined: Mapping[int, QuarantinedRow] = field(default_factory=dict)
    """Rows that can't be loaded, by their index among the rows read."""
    units: Units = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """What the table holds of the witnesses, and what tells its rowids."""

    found: Mapping[int, Values]
    """The witness values of those rowids asked for that are there."""
    oldest: int | None
    counter: int | None
    schema_version: int
    late: tuple[int, ...]
    """Rowids of rows that came into gaps, so many as fit one page."""


@dataclass(frozen=True)
class Reading:
    """The look, and the rows to be claimed next: the late ones, where there are any, else those after the cursor.

    The look and the first page are of one transaction. Later pages end as soon as the row before them is not the
    one that was read, so that all pages are of the database that the look was of.
    """

    look: Look
    pages: Iterator[Page]


@dataclass(frozen=True)
class Picked:
    """Some rows of a page: those that fit, `_row` last; and those that can't be loaded, by their index among both."""

    columns: ArrowColumns
    altered: Altered
    quarantined: Mapping[int, QuarantinedRow]


@dataclass(frozen=True)
class TimedPage:
    """The rows of one short read transaction, all rows of any of their times among them."""

    told: Sequence[tuple[int | None, Values]]
    """Of each row, its time in µs since 1970 (None: it has none), and what tells it from others of that time."""
    size: int
    """Bytes in memory."""
    last: bool
    """Whether no later row was there when it was read."""
    only: Callable[[Sequence[int], Sequence[int]], Picked]
    """Gives the rows with these indices, typed and checked, with these numbers as their `_row`."""
    held: Callable[[], Sequence[Mapping[str, RawValue]]]
    """Gives all values of the rows, as the source holds them, where no columns were asked for."""
    slack: timedelta
    """How far before the time asked for a sweep may begin."""
    ordered: bool = True
    """Whether rows that are earlier were all on the pages before."""
    units: Units = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.told)


@dataclass(frozen=True)
class Lineage:
    """What every row of one claim carries besides its own columns."""

    node_id: str
    incarnation: int
    owner: int
    sequence: int
    claimed_at: datetime


class Source(Protocol):
    """One table of a SQLite database; nothing is ever written to it."""

    def table(self) -> SourceTable:
        """Find the table. Raises ConfigError where it, or the database, is not there."""
        ...

    def time_column(self, table: SourceTable) -> TimeColumn | None:
        """Choose the column that holds the rows' time by its name, type and a sample of values."""
        ...

    def is_empty(self, table: SourceTable) -> bool:
        """Tell whether the table has no row."""
        ...

    def oldest(self, table: SourceTable) -> int | None:
        """Return the lowest rowid; None where the table has no row."""
        ...

    def unchanged(self) -> bool:
        """Tell, without a query, whether nothing was committed since `nothing_new`; False where that is not sure."""
        ...

    def nothing_new(self) -> None:
        """Keep in mind that all was read that was there when `unchanged` was asked last."""
        ...

    def row(
        self, table: SourceTable, key: int, columns: Sequence[str], time: TimeColumn | None
    ) -> tuple[Values, datetime | None]:
        """Return the witness values and the time of the row with that rowid; KeyError where there is no such row."""
        ...

    def row_before(self, table: SourceTable, time: TimeColumn | None, moment: datetime | None) -> int | None:
        """Return the rowid of the row before the first one of that moment or later (None: of the newest row)."""
        ...

    def reading(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, witnesses: Sequence[int]
    ) -> AbstractContextManager[Reading]:
        """Look at the table and read what is to be claimed next, each page its own read transaction.

        Raises TransientError while the database is locked, or where the table is not as `table` says any more.
        """
        ...

    def within(
        self,
        table: SourceTable,
        columns: Sequence[Pair],
        position: Position,
        ranges: Sequence[Range],
        known: tuple[int, Values] | None,
    ) -> AbstractContextManager[Iterator[ArrowColumns]]:
        """Read rows of ranges of rowids again, each page its own read transaction, those that fit their types.

        Raises TransientError where the row `known` is not there any more with its witness values.
        """
        ...

    def sweep(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, since: datetime | None
    ) -> AbstractContextManager[Iterator[TimedPage]]:
        """Read all rows of a time on (None: all rows), and some before, each page its own read transaction."""
        ...

    def between(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, ranges: Sequence[Range]
    ) -> AbstractContextManager[Iterator[TimedPage]]:
        """Read all rows of ranges of times in µs since 1970 again, and some around, each page its own read transaction.

        No columns: to have all values of rows.
        """
        ...

    def again(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, rows: Sequence[QuarantinedRow]
    ) -> Picked:
        """Type rows that are no longer asked of the table; the index is that among `rows`."""
        ...

    def held(self, table: SourceTable, keys: Sequence[int]) -> Mapping[int, Mapping[str, RawValue]]:
        """Return all values, as the source holds them, of those rows with these rowids that are there."""
        ...

    def newest_first(self, table: SourceTable, columns: Sequence[str], at_most: int) -> Sequence[tuple[int, Values]]:
        """Return rowid and witness values of so many of the newest rows."""
        ...


@dataclass(frozen=True)
class LastRow:
    """The newest row of an incarnation, as the target table holds it."""

    key: int
    incarnation: int
    time: datetime | None


class Destination(Protocol):
    """A target table as one identity sees it; every call may be repeated."""

    def table(self) -> TargetTable | None:
        """Look at the table as it is now; what is asked and loaded next is of this look."""
        ...

    def create(self, schema: TableSchema, time: str | None = None) -> None:
        """Create the table, `time` being the column of the rows' time.

        Raises TransientError if it exists by now, ConfigError with the statement where the table's owner makes it.
        """
        ...

    def not_loaded(self, known: Head | None, claims: Sequence[Claim]) -> list[Claim]:
        """Return which of the pending claims, in order, are still to be loaded; perhaps some that are loaded.

        `known` is the newest claim that was seen loaded. Raises StateError where we could not have brought the
        destination to what it is.
        """
        ...

    def add_columns(self, columns: Sequence[Column]) -> None:
        """Add columns to the table. Raises TransientError if one of them is there by now."""
        ...

    def head(self) -> Head | None:
        """Return the newest claim of this identity that the table holds."""
        ...

    def last_row(self, head: Head, timestamp_column: str | None) -> LastRow | None:
        """Return the row with the largest rowid in the incarnation of claim `head`; None where the table can't tell.

        Not of the claim itself, which may be one of late rows.
        """
        ...

    def stage(self, claim: Claim, file: str) -> None:
        """Put a claim's file where the table can take it: same name, same bytes, as often as it is called."""
        ...

    def load(self, claims: Sequence[Claim]) -> None:
        """Make staged files part of the table, perhaps again; TransientError if others were faster."""
        ...

    def prove(self, claims: Sequence[Claim]) -> None:
        """Return when all claims are in the table for good; TransientError if they can't be seen there."""
        ...

    def close(self) -> None:
        """Close what is open; the next call opens it again."""
        ...


@runtime_checkable
class WindowsDestination(Destination, Protocol):
    """An aggregated target table."""

    def windows_between(self, columns: Sequence[str], low: datetime, high: datetime) -> set[tuple[int, ...]]:
        """Return what the columns of time hold (µs, or an hour's number) in rows from `low` to `high` by the first."""
        ...


class Steps(Protocol):
    """What filtering and sanitizing is done with."""

    def check(self, steps: Sequence[Step], columns: TableSchema) -> None:
        """Raise ConfigError, with all that is wrong, where steps can't be applied to a table of these columns."""
        ...

    def apply(self, work: Work, typed: str, written: str) -> Applied:
        """Read the file `typed` and write `written`, not durably yet, where a row is left; errors name no value."""
        ...

    def check_aggregate(
        self, number: int, step: AggregateStep, columns: TableSchema, time: str | None, into: Into | None
    ) -> None:
        """Raise ConfigError, with all that is wrong, where the step of that number can't be applied, or not into."""
        ...

    def look(self, work: Aggregate, rows: str) -> Looked:
        """Return the windows that rows of a file are in."""
        ...

    def keys(self, work: Aggregate, rows: str, windows: Sequence[int]) -> Sequence[tuple[int | None, int]]:
        """Return window and key of the rows of some windows, and the keys of rows without a time, in order."""
        ...

    def aggregate(
        self, work: Aggregate, rows: str, windows: Sequence[int], lineage: Lineage, written: str
    ) -> Aggregated:
        """Read the file `rows` and write one row for each group of these windows, not durably yet."""
        ...


@dataclass(frozen=True)
class Spooled:
    """What became of the rows of a span."""

    file: SpoolFile | None
    """None where no row is left."""
    statistics: Statistics = field(default_factory=dict)
    by_rule: ByRule = field(default_factory=ByRule)


class RowsAtHand(Protocol):
    """Rows that lie in a file of this node while an aggregation looks at them."""

    @property
    def looked(self) -> Looked:
        """The windows that they are in."""
        ...

    @property
    def by_rule(self) -> ByRule:
        """What steps before did to them."""
        ...

    def keys(self, windows: Sequence[int]) -> Sequence[tuple[int | None, int]]:
        """Return window and key of the rows of some windows, and the keys of rows without a time, in order."""
        ...

    def aggregate(self, windows: Sequence[int]) -> Spooled:
        """Write one file of these windows, durable before this returns; none where they have no row."""
        ...


class Spool(Protocol):
    """Finished Parquet files waiting to be loaded."""

    def write(self, batches: Iterator[ArrowColumns], work: Work, lineage: Lineage) -> Spooled:
        """Do the work on the rows and write one file, durable before this returns; none where no row is left."""
        ...

    def rows_at_hand(
        self, batches: Iterator[ArrowColumns], work: Work, aggregate: Aggregate, lineage: Lineage
    ) -> AbstractContextManager[RowsAtHand]:
        """Do the work on rows and keep them at hand to aggregate them, until the context ends."""
        ...

    def path(self, claim: Claim) -> str:
        """Return where the claim's file lies; StateError where it is gone or damaged."""
        ...

    def discard(self, names: Collection[str]) -> None:
        """Delete files; one that is gone already is fine."""
        ...

    def size(self) -> int:
        """Return the bytes in use."""
        ...


class State(Protocol):
    """What survives a restart; each method is one durable transaction."""

    def position(self, identity: Identity) -> Position | None:
        """Return where a pipeline stands, None before its table was first seen."""
        ...

    def witnesses(self, identity: Identity) -> Witnesses:
        """Return the witnesses of a pipeline."""
        ...

    def seen(self, identity: Identity) -> Mapping[int, int]:
        """Return the claimed rows that a look back may meet: fingerprint → time in µs since 1970."""
        ...

    def windows(self, identity: Identity) -> Mapping[int, Window]:
        """Return the windows of an aggregation that are remembered, by their beginnings."""
        ...

    def stand(self, identity: Identity, standing: Standing) -> None:
        """Record where a pipeline stands when that is not the end of a claim."""
        ...

    def claim(
        self,
        claim: Claim,
        after: Standing,
        quarantined: Sequence[QuarantinedRow] = (),
        freed: Sequence[int] = (),
    ) -> None:
        """Record a claim, where the pipeline stands after it, and its rows that can't be loaded.

        `freed`: numbers of rows in quarantine that are in this claim, and leave it.
        """
        ...

    def take_back(self, claim: Claim) -> Sequence[str]:
        """Forget a claim of a secure pipeline, and all after it, as if they had never been; return their files."""
        ...

    def kept(self, identity: Identity, ids: Sequence[int] | None) -> Iterator[Kept]:
        """Yield a pipeline's rows in quarantine, those of one life of the source after another (None: all)."""
        ...

    def keys_apart(self, identity: Identity, incarnation: int) -> Sequence[int]:
        """Return the rowids of a pipeline's rows in quarantine that are of one life of the source."""
        ...

    def quarantined(self, identity: Identity) -> int:
        """Return how many rows of a pipeline are in quarantine."""
        ...

    def target_is(self, identity: Identity, schema: TableSchema) -> None:
        """Record what the target table was seen to be."""
        ...

    def pending(self, identity: Identity) -> list[Claim]:
        """Return what is claimed and not committed, in order."""
        ...

    def waiting_bytes(self, identity: Identity) -> int:
        """Return the bytes of a pipeline's spool files."""
        ...

    def sending(self, claims: Sequence[Claim]) -> None:
        """Note that these claims may be out from now on."""
        ...

    def commit(self, claims: Sequence[Claim]) -> None:
        """Record that these claims, in order, are loaded."""
        ...


class Clock(Protocol):
    """Time, and the wish to stop."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        ...

    def wait(self, seconds: float | None) -> bool:
        """Wait (None: for ever), and tell whether it is time to stop, which ends the wait at once."""
        ...


@dataclass(frozen=True)
class Ports:
    """The world as one pipeline sees it."""

    source: Source
    destination: Destination
    spool: Spool
    state: State
    clock: Clock
    steps: Steps | None = None
    """None where the pipeline has none."""
