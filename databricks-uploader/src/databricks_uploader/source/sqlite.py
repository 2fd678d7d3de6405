"""One table of a SQLite database, found and read in pages."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from arro3.core import Array, DataType

from databricks_uploader.errors import ConfigError, PermanentError
from databricks_uploader.events import Notice, Tell
from databricks_uploader.model.columns import Pair
from databricks_uploader.model.gaps import LOWEST, Range
from databricks_uploader.model.position import Position
from databricks_uploader.model.quarantine import QuarantinedRow, RawValue
from databricks_uploader.model.source import (
    SourceTable,
    configured_timestamp,
    telling_columns,
    timestamp_candidates,
)
from databricks_uploader.model.table import Column, DeltaType
from databricks_uploader.model.times import TimeColumn, Unit, plausible, unit_of
from databricks_uploader.model.witness import Values
from databricks_uploader.ports import ArrowColumns, Picked, Reading, TimedPage
from databricks_uploader.source import exact, pages, plan, tables
from databricks_uploader.source.by_time import Sweep
from databricks_uploader.source.connection import Connection, connect, identifier, quoted
from databricks_uploader.source.rows import Rows, values_of
from databricks_uploader.source.signature import Signature, signature
from databricks_uploader.source.tape import Tape
from databricks_uploader.source.typed import UTC

_SAMPLE_ROWS = 100
_MOST_VALUES = 100_000


@dataclass
class SqliteSource:
    """The configured, or only, table of the database at `path`."""

    path: Path
    tell: Tell
    table_name: str | None = None
    timestamp_name: str | None = None
    zone: str = UTC
    """Of times without one: its name in the IANA database."""
    page_size: pages.PageSize = field(default_factory=pages.PageSize)
    tape: Tape | None = None
    """Has what other pipelines read of the database in this round."""
    _care: pages.Care = field(default_factory=pages.Care, init=False)
    _asked: Signature | None = field(default=None, init=False)
    _read: Signature | None = field(default=None, init=False)

    def table(self) -> SourceTable:
        """Find the table. Raises ConfigError where it, or the database, is not there."""
        with connect(self.path, self.tell) as connection:
            return connection.consistent(partial(tables.found, connection, self.table_name, self.path))

    def time_column(self, table: SourceTable) -> TimeColumn | None:
        """Choose the column that holds the rows' time by its name, type and a sample of values."""
        if self.timestamp_name is not None:
            name = configured_timestamp(table, self.timestamp_name)
            with connect(self.path, self.tell) as connection:
                chosen = _time_column(connection, table, name, self.zone)
            if chosen is None:
                raise ConfigError(
                    f"column {name!r} of table {table.name!r} holds no times: neither ISO-8601 nor numbers of a known "
                    "unit",
                    hint="name another with --timestamp-col (timestamp_col in YAML)",
                )
            return chosen
        with connect(self.path, self.tell) as connection:
            for candidate in timestamp_candidates(table):
                found = _time_column(connection, table, candidate, self.zone)
                if found is not None:
                    unit = "" if found.unit is None else f" ({_UNITS[found.unit]})"
                    self.tell(Notice(f"column {candidate!r} of {table.name!r} holds the rows' time{unit}"))
                    return found
                self.tell(Notice(f"column {candidate!r} of {table.name!r} does not hold times: passed over"))
        self.tell(Notice(f"no column of {table.name!r} holds the rows' time"))
        return None

    def is_empty(self, table: SourceTable) -> bool:
        """Tell whether the table has no row."""
        with connect(self.path, self.tell) as connection:
            return not connection.rows(f"SELECT 1 FROM {quoted(table.name)} LIMIT 1")

    def oldest(self, table: SourceTable) -> int | None:
        """Return the lowest rowid; None where the table has no row."""
        with connect(self.path, self.tell) as connection:
            ((key,),) = connection.rows(f"SELECT min({plan.rowid(table)}) FROM {quoted(table.name)} t")
            return None if key is None else int(key)

    def row(
        self, table: SourceTable, key: int, columns: Sequence[str], time: TimeColumn | None
    ) -> tuple[Values, datetime | None]:
        """Return the witness values and the time of the row with that rowid; KeyError where there is no such row."""
        where = f"FROM {quoted(table.name)} t WHERE {plan.rowid(table)} = {key}"
        with connect(self.path, self.tell) as connection:

            def both() -> tuple[Values, datetime | None]:
                found = dict(pages.witness_values(connection, plan.witnessed(table, columns, where), at_most=1))
                times = [] if time is None else _moments(connection, table, time, where, self.zone)
                return found[key], next(iter(times), None)

            return connection.consistent(both)

    def row_before(self, table: SourceTable, time: TimeColumn | None, moment: datetime | None) -> int | None:
        """Return the rowid of the row before the first one of that moment or later (None: of the newest row)."""
        key, source = plan.rowid(table), f"FROM {quoted(table.name)} t"
        with connect(self.path, self.tell) as connection:
            if moment is None or time is None:
                newest: int | None = connection.rows(f"SELECT max({key}) {source}")[0][0]
                return newest
            before = None
            while keys := connection.rows(
                f"SELECT {key} {source} {'' if before is None else f'WHERE {key} > {before}'} "
                f"ORDER BY {key} LIMIT {self.page_size.rows}"
            ):
                rows = f"{source} WHERE {key} BETWEEN {keys[0][0]} AND {keys[-1][0]} ORDER BY {key}"
                for (row,), found in zip(keys, _moments(connection, table, time, rows, self.zone), strict=False):
                    if found is not None and found >= moment:
                        return before
                    before = row
            return before

    def newest_first(self, table: SourceTable, columns: Sequence[str], at_most: int) -> Sequence[tuple[int, Values]]:
        """Return rowid and witness values of so many of the newest rows."""
        key, source = plan.rowid(table), f"FROM {quoted(table.name)} t"
        oldest = f"SELECT {key} {source} ORDER BY {key} DESC LIMIT 1 OFFSET {at_most - 1}"
        rows = f"{source} WHERE {key} >= coalesce(({oldest}), {LOWEST})"
        with connect(self.path, self.tell) as connection:
            select = plan.witnessed(table, columns, rows)
            return sorted(pages.witness_values(connection, select, at_most=at_most), reverse=True)

    def unchanged(self) -> bool:
        """Tell, without a query, whether nothing was committed since `nothing_new`; False where that is not sure."""
        self._asked = signature(self.path) if self.tape is None else self.tape.signature(self.path)
        return self._asked is not None and self._asked == self._read

    def nothing_new(self) -> None:
        """Keep in mind that all was read that was there when `unchanged` was asked last."""
        self._read = self._asked
        self._care = pages.Care()

    @contextmanager
    def reading(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, witnesses: Sequence[int]
    ) -> Iterator[Reading]:
        """Look at the table and read what is to be claimed next over one connection."""
        with connect(self.path, self.tell) as connection:
            rows = self._rows(connection, table, columns, position, position.witness_columns)
            yield pages.Reader(rows, self.page_size, self._care, self.tape).reading(
                position.cursor, witnesses, position.gaps.ranges
            )

    @contextmanager
    def within(
        self,
        table: SourceTable,
        columns: Sequence[Pair],
        position: Position,
        ranges: Sequence[Range],
        known: tuple[int, Values] | None,
    ) -> Iterator[Iterator[ArrowColumns]]:
        """Read rows of ranges of rowids again; `known` is a row that tells whether it is still the same database."""
        with connect(self.path, self.tell) as connection:
            rows = self._rows(connection, table, columns, position, position.witness_columns)
            found = pages.Reader(rows, self.page_size, self._care).within(ranges, known)
            yield (page.columns for page in found)

    @contextmanager
    def sweep(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, since: datetime | None
    ) -> Iterator[Iterator[TimedPage]]:
        """Read all rows of a time on, and some before, over one connection."""
        with connect(self.path, self.tell) as connection:
            yield self._in_time(connection, table, columns, position).pages(since)

    @contextmanager
    def between(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, ranges: Sequence[Range]
    ) -> Iterator[Iterator[TimedPage]]:
        """Read all rows of ranges of times again, and some around, over one connection."""
        with connect(self.path, self.tell) as connection:
            yield self._in_time(connection, table, columns, position).between(ranges)

    def _in_time(
        self, connection: Connection, table: SourceTable, columns: Sequence[Pair], position: Position
    ) -> Sweep:
        time = table.get(position.witness_columns[0])
        if time is None:
            raise PermanentError(
                f"column {position.witness_columns[0]!r} of {table.name!r}, in whose order it is read, is gone",
                hint="give it back; or load into another table (--table), in the order of another column",
            )
        rows = self._rows(connection, table, columns, position, telling_columns(table))
        rows.in_order_of = time.name
        if not columns:
            rows.exactly = {column.name for column in table.columns}
        return Sweep(rows, time, self.page_size, self._care, self.tape)

    def again(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, rows: Sequence[QuarantinedRow]
    ) -> Picked:
        """Type rows that are no longer asked of the table; the index is that among `rows`."""
        numbered = replace(table, rowid=plan.ORDINAL, key=())
        with connect(self.path, self.tell) as connection:
            typing = self._rows(connection, numbered, columns, position, ())
            typing.exactly = {column.name for column in table.columns}
            values = [[row.values.get(column.name) for column in table.columns] for row in rows]
            raw = typing.read(plan.given(numbered, values, utf8=connection.utf8), len(rows))
            numbers = [i if row.key is None else row.key for i, row in enumerate(rows, start=1)]
            found = typing.sorted_out(raw, Array(numbers, DataType.int64()))
        if found is None:
            raise RuntimeError("rows that are read exactly are sorted out at once")
        return Picked(found.columns, found.altered, found.quarantined)

    def held(self, table: SourceTable, keys: Sequence[int]) -> Mapping[int, Mapping[str, RawValue]]:
        """Return all values, as the source holds them, of those rows with these rowids that are there."""
        with connect(self.path, self.tell) as connection:
            rows = Rows(connection, table, (), None, self.zone, {}, ())
            rows.exactly = {column.name for column in table.columns}
            raw = rows.read(rows.plan.named(keys), len(keys))
            return dict(zip(raw[rows.plan.key].to_pylist(), rows.held(raw), strict=True))

    def _rows(
        self,
        connection: Connection,
        table: SourceTable,
        pairs: Sequence[Pair],
        position: Position,
        told_by: Sequence[str],
    ) -> Rows:
        return Rows(connection, table, pairs, position.timestamp_column, self.zone, dict(position.units), told_by)


def _time_column(connection: Connection, table: SourceTable, name: str, zone: str) -> TimeColumn | None:
    """Return the column where most of its newest values are times; a column of NULLs is taken by its name."""
    newest = f"ORDER BY {identifier(table.rowid or name)} DESC LIMIT {_SAMPLE_ROWS}"
    sample = _values(connection, table, name, f"FROM {quoted(table.name)} t {newest}")
    values = [value for value in sample if value is not None]
    unit = unit_of([value for value in values if isinstance(value, int | float)])
    time = TimeColumn(name, unit)
    likely = [
        unit is not None and plausible(value, unit) if isinstance(value, int | float) else moment is not None
        for value, moment in zip(values, _as_moments(values, time, zone), strict=True)
    ]
    return time if 2 * sum(likely) > len(likely) or not likely else None


def _moments(
    connection: Connection, table: SourceTable, time: TimeColumn, rows: str, zone: str
) -> list[datetime | None]:
    return _as_moments(_values(connection, table, time.name, rows), time, zone)


def _as_moments(values: Sequence[RawValue], time: TimeColumn, zone: str) -> list[datetime | None]:
    """Return the instants that values mean; None where a value is no time."""
    rule = exact.rule(Column(time.name, DeltaType.TIMESTAMP), time.unit, zone, values)
    fits = [outcome if isinstance(outcome := rule(value, None), exact.Fit) else exact.Fit(None) for value in values]
    column = exact.column(Column(time.name, DeltaType.TIMESTAMP), [fit.value for fit in fits])
    return list(column.to_pylist())


def _values(connection: Connection, table: SourceTable, name: str, rows: str) -> list[RawValue]:
    """Return the values of one column, in the order of `rows` (FROM and what follows)."""
    column = table.get(name)
    if column is None:
        return []
    forms, _ = plan.value_forms(column)
    literals = ", ".join(forms.values())
    select = f"SELECT {literals} UNION ALL SELECT * FROM (SELECT {', '.join(forms)} {rows})"
    return values_of(connection.read(select, at_most=_MOST_VALUES).slice(1).columns)


_UNITS = {
    Unit.SECONDS: "numbers, seconds since 1970",
    Unit.MILLISECONDS: "numbers, milliseconds since 1970",
    Unit.MICROSECONDS: "numbers, microseconds since 1970",
    Unit.NANOSECONDS: "numbers, nanoseconds since 1970",
    Unit.JULIAN_DAY: "numbers, Julian days",
}
