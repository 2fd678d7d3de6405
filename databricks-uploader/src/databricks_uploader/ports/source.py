"""The table that rows are read of."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from databricks_uploader.model.columns import Pair
from databricks_uploader.model.gaps import Range
from databricks_uploader.model.position import Position
from databricks_uploader.model.quarantine import QuarantinedRow, RawValue
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.times import TimeColumn
from databricks_uploader.model.witness import Values
from databricks_uploader.ports.pages import ArrowColumns, Picked, Reading, TimedPage


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
