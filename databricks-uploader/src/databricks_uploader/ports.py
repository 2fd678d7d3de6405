"""The few small protocols between the program's protocol and the world."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from databricks_uploader.model.claim import Claim, Head, Identity, Position, SpoolFile, Statistics
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.table import TableSchema, TargetTable


class ArrowColumns(Protocol):
    """One Arrow record batch, handed over by the Arrow C data interface (PyCapsule)."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...


@dataclass(frozen=True)
class Page:
    """The rows of one short read transaction, in key order, typed and checked; `_row` is the last column."""

    columns: ArrowColumns
    rows: int
    size: int
    """Bytes in memory."""
    up_to: int
    """Largest rowid."""
    newest: datetime | None
    """Latest value of the timestamp column."""


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

    def timestamp_column(self, table: SourceTable) -> str | None:
        """Choose the column that holds the rows' time by its name, type and a sample of values."""
        ...

    def is_empty(self, table: SourceTable) -> bool:
        """Tell whether the table has no row."""
        ...

    def time_of_row(self, table: SourceTable, key: int, timestamp_column: str) -> datetime | None:
        """Return the time of the row with that rowid; KeyError where there is no such row."""
        ...

    def pages(
        self, table: SourceTable, columns: TableSchema, timestamp_column: str | None, after: int | None
    ) -> AbstractContextManager[Iterator[Page]]:
        """Yield the rows after the rowid `after`, each page its own read transaction, until there is none.

        Raises TransientError while the database is locked, PermanentError at a value that does not fit.
        """
        ...


@dataclass(frozen=True)
class LastRow:
    """The last row of a claim as the target table holds it."""

    key: int
    incarnation: int
    time: datetime | None


class Destination(Protocol):
    """A target table as one identity sees it; every call may be repeated."""

    def table(self) -> TargetTable | None:
        """Look at the table as it is now; what is asked and loaded next is of this look."""
        ...

    def create(self, schema: TableSchema) -> None:
        """Create the table. Raises TransientError if it exists by now."""
        ...

    def head(self) -> Head | None:
        """Return the newest claim of this identity that the table holds."""
        ...

    def last_row(self, head: Head, timestamp_column: str | None) -> LastRow | None:
        """Return the last row of the claim `head`; None where the table can't tell."""
        ...

    def stage(self, claim: Claim, file: str) -> None:
        """Put a claim's file where the table can take it: same name, same bytes, as often as it is called."""
        ...

    def load(self, claims: Sequence[Claim]) -> None:
        """Make staged files part of the table, in one commit; TransientError if others were faster."""
        ...

    def prove(self, claims: Sequence[Claim]) -> None:
        """Return when all claims are in the table for good; TransientError if they can't be seen there."""
        ...


class Spool(Protocol):
    """Finished Parquet files waiting to be loaded."""

    def write(self, pages: Iterator[Page], columns: TableSchema, lineage: Lineage) -> tuple[SpoolFile, Statistics]:
        """Write one file, durable before this returns."""
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

    def begin(self, identity: Identity, position: Position) -> None:
        """Record a pipeline's first position."""
        ...

    def claim(self, claim: Claim) -> None:
        """Record a claim and move the cursor to its end."""
        ...

    def pending(self, identity: Identity) -> list[Claim]:
        """Return what is claimed and not committed, in order."""
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
