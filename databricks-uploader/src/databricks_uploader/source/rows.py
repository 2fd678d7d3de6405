"""Rows from SQLite's driver to typed, checked Arrow columns, without a Python object per value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from arro3.compute import max as largest
from arro3.core import Array, DataType, Field, RecordBatch, Schema

from databricks_uploader.errors import PermanentError, TransientError, UploaderError
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.table import ROW, DeltaType, TableSchema
from databricks_uploader.source.connection import Connection
from databricks_uploader.source.plan import Plan
from databricks_uploader.source.typed import ARROW, Way

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Rows:
    """Rows of one table, read over one connection."""

    connection: Connection
    table: SourceTable
    columns: TableSchema
    timestamp_column: str | None

    @cached_property
    def plan(self) -> Plan:
        """What is selected."""
        return Plan.of(self.table, self.columns)

    def raw(self, rows: str, at_most: int) -> Mapping[str, Array]:
        """Read rows (FROM and WHERE) as they are: an array for each expression of the plan."""
        batch = self.connection.read(self.plan.page(rows), at_most=at_most + 1).slice(1)
        return dict(zip(self.plan.selected, batch.columns, strict=True))

    def typed(self, raw: Mapping[str, Array], rows: str, numbers: Array) -> RecordBatch:
        """Return the rows in their types, `numbers` being their `_row`. Raises PermanentError at a misfit."""
        if any(largest(raw[e]).as_py() for e in raw if e.startswith("typeof")):
            raise self._misfit(raw, rows)
        typed = [_typed(w.way, raw[w.expression]) for w in self.plan.wanted]
        fitting = [column for column in typed if column is not None]
        if len(fitting) < len(typed):
            raise self._misfit(raw, rows)
        return RecordBatch.from_arrays([*fitting, numbers], schema=self._schema)

    def newest(self, typed: RecordBatch) -> datetime | None:
        """Return the latest time of the rows."""
        names = [c.name for c in self.columns.columns]
        return _newest(typed.column(self.timestamp_column)) if self.timestamp_column in names else None

    @cached_property
    def _schema(self) -> Schema:
        fields = [Field(c.name, ARROW[c.type]) for c in self.columns.columns]
        return Schema([*fields, Field(ROW.name, ARROW[DeltaType.LONG], nullable=False)])

    def _misfit(self, raw: Mapping[str, Array], rows: str) -> UploaderError:
        """Say which column holds a value that does not fit; the value itself is nobody's business in a log."""
        for wanted in self.plan.wanted:
            odd = self.connection.rows(self.plan.odd(wanted, rows))
            if odd or _typed(wanted.way, raw[wanted.expression]) is None:
                newest = None if self.table.rowid is None else largest(raw[self.plan.key]).as_py()
                held = "a value does not parse" if newest is None else f"a value up to row {newest} does not parse"
                if odd:
                    held = f"{'a row' if odd[0][0] is None else f'row {odd[0][0]}'} holds {odd[0][1].upper()}"
                return PermanentError(
                    f"column {wanted.name!r} of {self.table.name!r} goes into {DeltaType(wanted.type).sql}, but {held}",
                    hint="correct it in the source, or load into a table where the column is STRING (--table)",
                )
        return TransientError(f"{self.table.name!r} changes while it is read", hint="it is tried again")


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
