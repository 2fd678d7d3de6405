"""Pages: from SQLite's driver to typed, checked Arrow columns, without a Python object per value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial

from arro3.compute import max as largest
from arro3.core import Array, DataType, Field, RecordBatch, Schema

from databricks_uploader.errors import PermanentError, TransientError, UploaderError
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.table import DeltaType, TableSchema
from databricks_uploader.ports import Page
from databricks_uploader.source.connection import Connection, identifier, quoted
from databricks_uploader.source.typed import ARROW, WAYS, Way

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
    plan = _Plan.of(table, columns)
    times = next((i for i, c in enumerate(columns.columns) if c.name == timestamp_column), None)
    limit = size.first_rows
    while True:
        found = connection.consistent(partial(_next, connection, plan, after, limit))
        if found is None:
            return
        page, up_to, full = found
        newest = None if times is None else _newest(page.column(times))
        yield Page(page, page.num_rows, page.nbytes, up_to, newest)
        if not full:
            return
        after, limit = up_to, size.next_rows(page.num_rows, page.nbytes)


def _next(connection: Connection, plan: "_Plan", after: int | None, limit: int) -> tuple[RecordBatch, int, bool] | None:
    """Read the next `limit` rows, typed, up to which key they go, and whether there were so many."""
    full, last = connection.rows(plan.end(after, limit))[0]
    if last is None:
        return None
    up_to = last if full is None else full
    raw = connection.read(plan.page(after, up_to), at_most=limit + 1).slice(1)
    page = plan.typed(raw)
    if page is None:
        raise _misfit(connection, plan, raw, after, up_to)
    return page, up_to, full is not None


@dataclass(frozen=True)
class _Wanted:
    """One column: its SQL expression in the source, its name at the target, its way."""

    expression: str
    name: str
    type: str
    way: Way


@dataclass(frozen=True)
class _Plan:
    """The SELECTs of the pages of one table, and the types that must come of them."""

    table: SourceTable
    wanted: tuple[_Wanted, ...]
    schema: Schema

    @classmethod
    def of(cls, table: SourceTable, columns: TableSchema) -> "_Plan":
        sources = {c.name: table.get(c.name) for c in columns.columns}
        wanted = tuple(
            _Wanted(
                identifier(source.name) if source.declared else f"CAST({identifier(source.name)} AS TEXT)",
                c.name, c.type, WAYS[c.type],
            )
            for c in columns.columns if (source := sources[c.name]) is not None
        )  # fmt: skip
        fields = [Field(c.name, ARROW[c.type]) for c in columns.columns]
        return cls(table, wanted, Schema([*fields, Field("_row", ARROW[DeltaType.LONG], nullable=False)]))

    @property
    def key(self) -> str:
        return identifier(self.table.rowid)

    @cached_property
    def selected(self) -> Mapping[str, str]:
        """The expressions of a page, each with a literal of its type: the columns, the key, what the driver hides."""
        hidden = " OR ".join(self._unfit(w) for w in self.wanted if w.way.hidden)
        columns = {w.expression: w.way.literal for w in self.wanted}
        return columns | {self.key: "0"} | ({hidden: "0"} if hidden else {})

    @property
    def source(self) -> str:
        return f"FROM {quoted(self.table.name)} t"

    def end(self, after: int | None, limit: int) -> str:
        """Select the last of the next `limit` keys, NULL where there are fewer, and the last of all."""
        where = "" if after is None else f"WHERE {self.key} > {after}"
        full = f"SELECT {self.key} {self.source} {where} ORDER BY {self.key} LIMIT 1 OFFSET {limit - 1}"
        return f"SELECT ({full}), (SELECT max({self.key}) {self.source} {where})"

    def page(self, after: int | None, up_to: int) -> str:
        """Select the rows after `after` up to `up_to`, in any order, behind a first row of literals.

        Without that row a column whose page is all NULL would be typed INT64. The rows are a range of keys
        whose end is known: ORDER BY and LIMIT under a UNION would copy each row once more (15 % of the time).
        """
        literals, values = ", ".join(self.selected.values()), ", ".join(self.selected)
        return f"SELECT {literals} UNION ALL SELECT {values} {self.source} WHERE {self._between(after, up_to)}"

    def odd(self, column: _Wanted, after: int | None, up_to: int) -> str:
        """Select key and storage class of a row whose value is of a class that does not fit."""
        where = f"{self._between(after, up_to)} AND {self._unfit(column)}"
        return f"SELECT {self.key}, typeof({column.expression}) {self.source} WHERE {where} LIMIT 1"

    def typed(self, raw: RecordBatch) -> RecordBatch | None:
        """Return the page in its types; None where a value does not fit."""
        columns = dict(zip(self.selected, raw.columns, strict=True))
        if any(largest(columns[e]).as_py() for e in columns if e.startswith("typeof")):
            return None
        typed = [_typed(w.way, columns[w.expression]) for w in self.wanted]
        fitting = [column for column in typed if column is not None]
        return (
            RecordBatch.from_arrays([*fitting, columns[self.key]], schema=self.schema)
            if len(fitting) == len(typed)
            else None
        )

    @staticmethod
    def _unfit(column: _Wanted) -> str:
        return f"typeof({column.expression}) NOT IN ('null', '{column.way.storage_class}')"

    def _between(self, after: int | None, up_to: int) -> str:
        lower = "" if after is None else f"{self.key} > {after} AND "
        return f"{lower}{self.key} <= {up_to}"


def _misfit(connection: Connection, plan: _Plan, raw: RecordBatch, after: int | None, up_to: int) -> UploaderError:
    """Say which column holds a value that does not fit; the value itself is nobody's business in a log."""
    for wanted, column in zip(plan.wanted, raw.columns, strict=False):
        odd = connection.rows(plan.odd(wanted, after, up_to))
        if odd or _typed(wanted.way, column) is None:
            held = f"row {odd[0][0]} holds {odd[0][1].upper()}" if odd else f"a value up to row {up_to} does not parse"
            return PermanentError(
                f"column {wanted.name!r} of {plan.table.name!r} goes into {DeltaType(wanted.type).sql}, but {held}",
                hint="correct it in the source, or load into a table where the column is STRING (--table)",
            )
    return TransientError(f"{plan.table.name!r} changes while it is read", hint="it is tried again")


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
