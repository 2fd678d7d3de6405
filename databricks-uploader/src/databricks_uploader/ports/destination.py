"""The table that rows are loaded into."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from databricks_uploader.model.claim import Claim, Head
from databricks_uploader.model.table import Column, TableSchema, TargetTable


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
