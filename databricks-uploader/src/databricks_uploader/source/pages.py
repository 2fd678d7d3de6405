"""Pages: from SQLite's driver to typed, checked Arrow columns, without a Python object per value."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from arro3.compute import max as largest
from arro3.compute import min as smallest
from arro3.core import Array, DataType, Field, RecordBatch, Schema

from databricks_uploader.errors import PermanentError, TransientError, UploaderError
from databricks_uploader.model.gaps import Range, absent
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.table import DeltaType, TableSchema
from databricks_uploader.model.witness import WITNESSED_TEXT, Values
from databricks_uploader.ports import Look, Page
from databricks_uploader.source import plan as plans
from databricks_uploader.source.connection import Connection
from databricks_uploader.source.plan import Plan
from databricks_uploader.source.typed import ARROW, Way

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PageSize:
    """How much one page holds. Pages start small and grow, as the width of rows is not known before."""

    first_rows: int = 64
    rows: int = 8_192
    """A rollback-mode writer met SQLITE_BUSY in 144 of 59,052 writes beside pages of this size, in 3,370 of
    3,807 beside span-long reads."""
    size: int = 4 << 20

    def next_rows(self, rows: int, size: int) -> int:
        """Return the rows of the page after one of `rows` rows and `size` bytes."""
        fitting = self.size * max(rows, 1) // max(size, 1)
        return max(1, min(self.rows, 8 * max(rows, 1), fitting))


@dataclass(frozen=True)
class Reader:
    """Reads pages of one table over one connection; for all but `rest` the caller holds the transaction."""

    connection: Connection
    table: SourceTable
    columns: TableSchema
    timestamp_column: str | None
    witness_columns: Sequence[str]
    size: PageSize

    def look(self, witnesses: Sequence[int], gaps: Sequence[Range]) -> Look:
        """Look for the witnesses, for rows that came into gaps, and at what tells the table's rowids."""
        ((oldest, counter, schema_version),) = self.connection.rows(plans.ids(self.table))
        late = self.connection.rows(self._plan.late(gaps, self.size.rows)) if gaps else []
        return Look(self._found(witnesses), oldest, counter, schema_version, tuple(sorted(key for (key,) in late)))

    def late(self, keys: Sequence[int]) -> Page:
        """Read the rows with these rowids, which are in order."""
        return self._page(self._plan.named(keys), len(keys), keys[-1], last=False)

    def following(self, after: int | None, limit: int) -> Page | None:
        """Read the next `limit` rows after the rowid `after`; None where there is none."""
        full, newest = self.connection.rows(self._plan.end(after, limit))[0]
        if newest is None:
            return None
        up_to = newest if full is None else full
        page = self._page(self._plan.following(after, up_to), limit, up_to, last=full is None)
        ranges, more = absent(after, _sorted(page))
        return replace(page, absent=ranges, absent_more=more)

    def rest(self, page: Page) -> Iterator[Page]:
        """Yield the pages after one, until there is no row, or the newest one read is not the same any more."""
        while not page.last:
            with self.connection.transaction():
                if self._found([page.up_to]) != dict(page.tail(1)):
                    return
                following = self.following(page.up_to, self.size.next_rows(page.rows, page.size))
            if following is None:
                return
            yield (page := following)

    @cached_property
    def _plan(self) -> Plan:
        return Plan.of(self.table, self.columns)

    @cached_property
    def _schema(self) -> Schema:
        fields = [Field(c.name, ARROW[c.type]) for c in self.columns.columns]
        return Schema([*fields, Field("_row", ARROW[DeltaType.LONG], nullable=False)])

    def _found(self, keys: Sequence[int]) -> Mapping[int, Values]:
        if not keys:
            return {}
        rows = plans.witnessed(self.table, self.witness_columns, self._plan.named(keys))
        return dict(witness_values(self.connection, rows, at_most=len(keys)))

    def _page(self, rows: str, limit: int, up_to: int, *, last: bool) -> Page:
        raw = self.connection.read(self._plan.page(rows), at_most=limit + 1).slice(1)
        columns = dict(zip(self._plan.selected, raw.columns, strict=True))
        typed = self._typed(columns)
        if typed is None:
            raise self._misfit(columns, rows)
        newest = None if self._time is None else _newest(typed.column(self._time))
        telling = [columns[self._plan.expression(name)] for name in (*self.witness_columns, self.table.rowid)]

        def tail(count: int) -> Sequence[tuple[int, Values]]:
            start = max(0, raw.num_rows - count)
            *values, keys = (list(column.slice(start, raw.num_rows - start).to_pylist()) for column in telling)
            told = zip(*map(_as_witnessed, values), strict=True) if values else [()] * len(keys)
            return list(zip(keys, told, strict=True))

        return Page(typed, raw.num_rows, typed.nbytes, up_to, newest, last, (), 0, tail)

    @cached_property
    def _time(self) -> int | None:
        return next((i for i, c in enumerate(self.columns.columns) if c.name == self.timestamp_column), None)

    def _typed(self, columns: Mapping[str, Array]) -> RecordBatch | None:
        """Return the page in its types; None where a value does not fit."""
        if any(largest(columns[e]).as_py() for e in columns if e.startswith("typeof")):
            return None
        typed = [_typed(w.way, columns[w.expression]) for w in self._plan.wanted]
        fitting = [column for column in typed if column is not None]
        if len(fitting) < len(typed):
            return None
        return RecordBatch.from_arrays([*fitting, columns[self._plan.key]], schema=self._schema)

    def _misfit(self, columns: Mapping[str, Array], rows: str) -> UploaderError:
        """Say which column holds a value that does not fit; the value itself is nobody's business in a log."""
        for wanted in self._plan.wanted:
            odd = self.connection.rows(self._plan.odd(wanted, rows))
            column = columns[wanted.expression]
            if odd or _typed(wanted.way, column) is None:
                up_to = largest(columns[self._plan.key]).as_py()
                held = (
                    f"row {odd[0][0]} holds {odd[0][1].upper()}" if odd else f"a value up to row {up_to} does not parse"
                )
                return PermanentError(
                    f"column {wanted.name!r} of {self.table.name!r} goes into {DeltaType(wanted.type).sql}, but {held}",
                    hint="correct it in the source, or load into a table where the column is STRING (--table)",
                )
        return TransientError(f"{self.table.name!r} changes while it is read", hint="it is tried again")


def witness_values(connection: Connection, select: str, *, at_most: int) -> Iterator[tuple[int, Values]]:
    """Yield rowid and witness values of a `plan.witnessed` select, in its order."""
    _, *rows = connection.rows(select, at_most=at_most + 1)
    for key, *three in rows:
        yield key, tuple(_only(three[i : i + 3]) for i in range(0, len(three), 3))


def _only(values: Sequence[bytes | int | float | None]) -> bytes | int | float | None:
    return next((value for value in values if value is not None), None)


def _as_witnessed(values: Sequence[str | int | float | None]) -> Sequence[bytes | int | float | None]:
    return [v[:WITNESSED_TEXT].encode() if isinstance(v, str) else v for v in values]


def _sorted(page: Page) -> Sequence[int]:
    """Return the page's rowids; where each follows the one before by one, without a look at each."""
    keys = RecordBatch.from_arrow(page.columns).column("_row")
    low, high = smallest(keys).as_py(), largest(keys).as_py()
    return range(low, high + 1) if high - low + 1 == len(keys) else sorted(keys.to_pylist())


def _typed(way: Way, column: Array) -> Array | None:
    return way.check(column) if column.type == way.as_read else None


def _newest(times: Array) -> datetime | None:
    """Return the latest time, None where there is none that Python can hold (years 1 to 9999)."""
    if times.null_count == len(times):
        return None
    try:
        return _EPOCH + timedelta(microseconds=largest(times.cast(DataType.int64())).as_py())
    except OverflowError:
        return None
