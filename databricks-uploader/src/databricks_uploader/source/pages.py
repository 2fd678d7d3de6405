"""Pages: from SQLite's driver to typed, checked Arrow columns, without a Python object per value."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from arro3.compute import max as largest
from arro3.compute import min as smallest
from arro3.core import Array, DataType, Field, RecordBatch, Schema

from databricks_uploader.errors import PermanentError
from databricks_uploader.model.source import SourceColumn, SourceTable
from databricks_uploader.model.table import Column, DeltaType, TableSchema
from databricks_uploader.ports import Page
from databricks_uploader.source.connection import Connection, identifier, quoted

ARROW: Mapping[str, DataType] = {
    DeltaType.LONG: DataType.int64(),
    DeltaType.DOUBLE: DataType.float64(),
    DeltaType.STRING: DataType.utf8(),
    DeltaType.BINARY: DataType.binary(),
    DeltaType.BOOLEAN: DataType.bool(),
    DeltaType.DATE: DataType.date32(),
    DeltaType.TIMESTAMP: DataType.timestamp("us", tz="UTC"),
}
"""How each Delta type stands in our files."""

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


def read(
    connection: Connection,
    table: SourceTable,
    columns: TableSchema,
    timestamp_column: str | None,
    after: int | None,
    size: PageSize,
) -> Iterator[Page]:
    """Yield the rows after the rowid `after` in its order, `_row` being the last column of each page."""
    plan = [_READ[DeltaType(c.type)] for c in columns.columns]
    types = [*(p.as_read for p in plan), DataType.int64()]
    schema = Schema(
        [
            *(Field(c.name, ARROW[c.type]) for c in columns.columns),
            Field("_row", ARROW[DeltaType.LONG], nullable=False),
        ]
    )
    statement = _Statement(table, columns)
    limit = size.first_rows
    while True:
        up_to, found = connection.rows(statement.end(after, limit))[0]
        if not found:
            return
        # Rows with late ids may have come since the end was found; they belong to the page.
        batch = connection.read(statement.page(after, up_to), at_most=2 * limit + 1)
        arrays = [] if batch is None else batch.slice(1).columns
        for i, (column, way) in enumerate(zip(columns.columns, plan, strict=True)):
            typed = way.check(arrays[i]) if arrays[i].type == types[i] else None
            if typed is None:
                raise _misfit(connection, table, column, way, after, up_to)
            arrays[i] = typed
        times = next((a for a, c in zip(arrays, columns.columns, strict=False) if c.name == timestamp_column), None)
        page = RecordBatch.from_arrays(arrays, schema=schema)
        if page.num_rows:
            yield Page(page, page.num_rows, page.nbytes, up_to, None if times is None else _newest(times))
        if found < limit:
            return
        after, limit = up_to, size.next_rows(page.num_rows, page.nbytes)


class _Statement:
    """The SELECTs of one page.

    The end of a page is found by its keys alone, and the page read as a range of them: ORDER BY and LIMIT
    around the rows themselves, under a UNION, would copy each row once more (15 % of the time). The first
    row holds a literal of each type: else a column whose page is all NULL would be typed INT64.
    """

    def __init__(self, table: SourceTable, columns: TableSchema) -> None:
        found = [table.get(c.name) for c in columns.columns]
        own = [_selected(c) for c in found if c is not None]
        literals = [_READ[DeltaType(c.type)].literal for c in columns.columns]
        self._key = f"t.{table.rowid}"
        self._from = f"FROM {quoted(table.name)} t"
        self._page = (
            f"SELECT {', '.join([*literals, '0'])} UNION ALL SELECT {', '.join([*own, self._key])} {self._from}"
        )

    def end(self, after: int | None, limit: int) -> str:
        """Select the largest of the next `limit` keys, and how many there are."""
        where = "" if after is None else f" WHERE {self._key} > {after}"
        keys = f"SELECT {self._key} AS k {self._from}{where} ORDER BY {self._key} LIMIT {limit}"
        return f"SELECT max(k), count(*) FROM ({keys})"

    def page(self, after: int | None, up_to: int) -> str:
        """Select the rows after `after` up to `up_to`, in any order."""
        lower = "" if after is None else f"{self._key} > {after} AND "
        return f"{self._page} WHERE {lower}{self._key} <= {up_to}"


def _selected(column: SourceColumn) -> str:
    return identifier(column.name) if column.declared else f"CAST({identifier(column.name)} AS TEXT)"


@dataclass(frozen=True)
class _Way:
    """How values of a Delta type are read: what the driver must bring, and the check that types it."""

    literal: str
    as_read: DataType
    check: Callable[[Array], Array | None]
    """Returns the typed column, None where a value does not fit."""
    classes: str
    """Storage classes that fit, for the query that finds the row that doesn't."""


def _unchanged(column: Array) -> Array:
    return column


def _utf8(column: Array) -> Array | None:
    # Neither SQLite, nor the driver, nor Arrow looks whether text is UTF-8.
    return column if column.cast(DataType.binary()).cast(DataType.utf8()).null_count == column.null_count else None


def _parsed_as(kind: DataType) -> Callable[[Array], Array | None]:
    def check(column: Array) -> Array | None:
        typed = column.cast(kind)
        return typed if typed.null_count == column.null_count else None

    return check


def _boolean(column: Array) -> Array | None:
    if column.null_count < len(column) and not 0 <= smallest(column).as_py() <= largest(column).as_py() <= 1:
        return None
    return column.cast(DataType.bool())


_READ: Mapping[DeltaType, _Way] = {
    DeltaType.LONG: _Way("0", DataType.int64(), _unchanged, "'integer'"),
    DeltaType.DOUBLE: _Way("0.0", DataType.float64(), _unchanged, "'real'"),
    DeltaType.STRING: _Way("''", DataType.utf8(), _utf8, "'text'"),
    DeltaType.BINARY: _Way("x''", DataType.binary(), _unchanged, "'blob'"),
    DeltaType.BOOLEAN: _Way("0", DataType.int64(), _boolean, "'integer'"),
    DeltaType.DATE: _Way("''", DataType.utf8(), _parsed_as(ARROW[DeltaType.DATE]), "'text'"),
    DeltaType.TIMESTAMP: _Way("''", DataType.utf8(), _parsed_as(ARROW[DeltaType.TIMESTAMP]), "'text'"),
}


def _misfit(
    connection: Connection, table: SourceTable, column: Column, way: _Way, after: int | None, up_to: int
) -> PermanentError:
    """Say which row holds the value that does not fit; the value itself is nobody's business in a log."""
    found = table.get(column.name)
    name = identifier(found.name if found else column.name)
    where = f"t.{table.rowid} <= {up_to}" + ("" if after is None else f" AND t.{table.rowid} > {after}")
    odd = connection.rows(
        f"SELECT t.{table.rowid}, typeof({name}) FROM {quoted(table.name)} t "
        f"WHERE {where} AND typeof({name}) NOT IN ('null', {way.classes}) LIMIT 1"
    )
    held = f"row {odd[0][0]} holds {odd[0][1].upper()}" if odd else "a value does not parse"
    return PermanentError(
        f"column {column.name!r} of {table.name!r} goes into {DeltaType(column.type).sql}, but {held} "
        f"(rows up to {up_to})",
        hint="correct the value in the source, or load into a table where the column is STRING (--table)",
    )


def _newest(times: Array) -> datetime | None:
    """Return the latest time, None where there is none that Python can hold (years 1 to 9999)."""
    if times.null_count == len(times):
        return None
    try:
        return _EPOCH + timedelta(microseconds=largest(times.cast(DataType.int64())).as_py())
    except OverflowError:
        return None
