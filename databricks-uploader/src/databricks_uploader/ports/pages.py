"""What a source gives: rows as they are read, typed and checked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from databricks_uploader.model.gaps import Range
from databricks_uploader.model.quarantine import QuarantinedRow, RawValue
from databricks_uploader.model.times import Unit
from databricks_uploader.model.witness import Values


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
