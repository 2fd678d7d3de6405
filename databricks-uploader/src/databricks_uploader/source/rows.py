"""Rows from SQLite's driver to typed columns of a file, without a Python object per value where all of them fit."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import MappingProxyType

from arro3.compute import max as largest
from arro3.compute import take
from arro3.core import Array, DataType, Field, RecordBatch, Schema

from databricks_uploader.model import times
from databricks_uploader.model.columns import Pair
from databricks_uploader.model.quarantine import QuarantinedRow, RawValue, Undecodable
from databricks_uploader.model.source import Affinity, SourceTable
from databricks_uploader.model.table import ROW, DeltaType
from databricks_uploader.model.times import Unit
from databricks_uploader.model.witness import WITNESSED_TEXT, Values, Witnessed
from databricks_uploader.source import exact
from databricks_uploader.source.connection import Connection
from databricks_uploader.source.plan import Plan, expression, value_forms, witness_forms
from databricks_uploader.source.typed import TIMES, Typed, arrow, way

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SMALL = 1 << 20
Unfit = Mapping[int, Mapping[str, str]]
Raw = Mapping[str, Array]
"""Rows as they are read: an array for each expression that was selected."""


@dataclass(frozen=True)
class SortedOut:
    """The rows of one read: those that fit, in their types, `_row` last; and those that don't."""

    columns: RecordBatch
    altered: Mapping[str, int]
    """Target column → values that tell less than the source's."""
    quarantined: Mapping[int, QuarantinedRow]
    """By their index among the rows read."""

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return self.columns.nbytes + sum(row.size for row in self.quarantined.values())


@dataclass
class Rows:
    """Rows of one table, read over one connection, each column by its fast way until a value may not fit it."""

    connection: Connection
    table: SourceTable
    pairs: Sequence[Pair]
    timestamp_column: str | None
    zone: str
    units: dict[str, Unit]
    """Source column → unit of its numbers, where it holds times; grows as numbers are met."""
    told_by: Sequence[str]
    """Source columns of which the witness values are asked for."""
    in_order_of: str | None = None
    """A source column whose unit is decided for good."""
    exactly: Set[str] = field(default_factory=frozenset)
    """Source columns that are read value by value from now on."""

    @cached_property
    def plan(self) -> Plan:
        """What is selected."""
        return Plan(self.table, tuple(way(p, self.units.get(p.source.name), self.zone) for p in self.pairs))

    def read(self, rows: str, at_most: int, more: Mapping[str, str] = MappingProxyType({})) -> Raw:
        """Read rows (FROM and WHERE), all in one transaction; `more`: other expressions, each with a literal."""
        ways = zip(self.pairs, self.plan.ways, strict=True)
        fast = self.plan.selected([way for pair, way in ways if pair.source.name not in self.exactly])
        selected = {**more, **self._exact_forms(), **self._witnessed(), **fast}
        found: dict[str, Array] = {}
        for select in self.plan.pages(selected, rows):
            batch = self.connection.read(select, at_most=at_most + 1).slice(1)
            found |= zip(list(selected)[len(found) :][: len(batch.columns)], batch.columns, strict=True)
        return found

    def sorted_out(self, raw: Raw, numbers: Array, unfit: Unfit = MappingProxyType({})) -> SortedOut | None:
        """Sort out rows, `numbers` being their `_row`; None where they must be read again, more of them exactly.

        `unfit`: by index, reasons by column why a row can't be loaded, whatever its values are.
        """
        typed: dict[str, Typed] = {}
        misfits: set[str] = set()
        for pair, fast in zip(self.pairs, self.plan.ways, strict=True):
            if pair.source.name in self.exactly:
                continue
            found = fast.typed(raw[fast.expression], None if fast.guard is None else raw[fast.guard])
            if found is None:
                misfits.add(pair.source.name)
            else:
                typed[pair.source.name] = found
        if misfits:
            self.exactly |= misfits
            return None
        if self.exactly or unfit:
            return self._one_by_one(raw, typed, numbers, unfit)
        return self._all_fitting(typed, numbers)

    def held(self, raw: Raw) -> Sequence[Mapping[str, RawValue]]:
        """Return all values of rows that were read exactly."""
        columns = {column.name: self._values(raw, column.name) for column in self.table.columns}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def newest(self, typed: RecordBatch) -> datetime | None:
        """Return the latest time of the rows."""
        return newest(typed, self.timestamp_column)

    def telling(self, raw: Raw) -> Callable[[int, int], Sequence[Values]]:
        """Return what gives the witness values of some of the rows: from one index to before another."""
        columns = [self._told(raw, name) for name in self.told_by]

        def told(start: int, end: int) -> Sequence[Values]:
            values = [column(start, end) for column in columns]
            return list(zip(*values, strict=True)) if values else [()] * (end - start)

        return told

    def _all_fitting(self, typed: Mapping[str, Typed], numbers: Array) -> SortedOut:
        columns = [typed[pair.source.name].column for pair in self.pairs]
        return SortedOut(self._batch(columns, numbers), self._altered(typed), {})

    def _one_by_one(self, raw: Raw, typed: Mapping[str, Typed], numbers: Array, unfit: Unfit) -> SortedOut | None:
        names = [column.name for column in self.table.columns if column.name in self.exactly]
        values = {name: self._values(raw, name) for name in names}
        fitting: dict[str, list[exact.Fit | None]] = {}
        reasons = {index: dict(of_row) for index, of_row in unfit.items()}
        for pair in self.pairs:
            name = pair.source.name
            if name in self.exactly:
                fitting[name] = self._ruled(pair, values[name], self._texts(raw, pair), reasons)
        if reasons and len(self.exactly) < len(self.table.columns):
            self.exactly = {column.name for column in self.table.columns}
            return None
        kept = [i for i in range(len(numbers)) if i not in reasons]
        altered = self._altered(typed)
        columns = []
        for pair in self.pairs:
            fits = fitting.get(pair.source.name)
            if fits is None:
                columns.append(_by_itself(typed[pair.source.name].column))
                continue
            there = [fit for i in kept if (fit := fits[i]) is not None]
            columns.append(exact.column(pair.target, [fit.value for fit in there]))
            if count := sum(fit.altered for fit in there):
                altered[pair.target.name] = count
        quarantined = {
            i: QuarantinedRow(numbers[i].as_py(), row, {name: column[i] for name, column in values.items()})
            for i, row in sorted(reasons.items())
        }
        return SortedOut(self._batch(columns, take(numbers, _indices(kept))), altered, quarantined)

    def _ruled(
        self, pair: Pair, values: Sequence[RawValue], texts: Sequence[str | None], reasons: dict[int, dict[str, str]]
    ) -> list[exact.Fit | None]:
        """Return what arrives of a column's values; where nothing can, the reason goes into `reasons`."""
        name = pair.source.name
        if pair.target.kind in TIMES and name not in self.units and name != self.in_order_of:
            unit = times.unit_of([v for v in values if isinstance(v, int | float)])
            if unit is not None:
                self.units[name] = unit
        rule = exact.rule(pair.target, self.units.get(name), self.zone, values)
        fits: list[exact.Fit | None] = []
        for i, (value, text) in enumerate(zip(values, texts, strict=True)):
            outcome = rule(value, text)
            if isinstance(outcome, str):
                reasons.setdefault(i, {})[name] = outcome
            fits.append(None if isinstance(outcome, str) else outcome)
        return fits

    def _altered(self, typed: Mapping[str, Typed]) -> dict[str, int]:
        names = {pair.source.name: pair.target.name for pair in self.pairs}
        return {names[name]: column.altered for name, column in typed.items() if column.altered}

    def _batch(self, columns: Sequence[Array], numbers: Array) -> RecordBatch:
        return RecordBatch.from_arrays([*columns, numbers], schema=self._schema)

    @cached_property
    def _schema(self) -> Schema:
        fields = [Field(pair.target.name, arrow(pair.target)) for pair in self.pairs]
        return Schema([*fields, Field(ROW.name, arrow(ROW), nullable=False)])

    def _exact_forms(self) -> Mapping[str, str]:
        forms: dict[str, str] = {}
        strings = {pair.source.name for pair in self.pairs if pair.target.kind is DeltaType.STRING}
        for column in self.table.columns:
            if column.name in self.exactly:
                exact_forms, text = value_forms(column)
                forms |= exact_forms
                forms |= {text: "''"} if column.name in strings else {}
        return forms

    def _values(self, raw: Raw, name: str) -> list[RawValue]:
        column = self.table.get(name)
        if column is None:
            raise KeyError(name)
        return values_of([raw[form] for form in value_forms(column)[0]])

    def _texts(self, raw: Raw, pair: Pair) -> Sequence[str | None]:
        text = raw.get(value_forms(pair.source)[1])
        return [None] * len(raw[self.plan.key]) if text is None else list(text.to_pylist())

    def _witnessed(self) -> Mapping[str, str]:
        forms = [self._witness_forms(name) or {expression(self.table, name): "''"} for name in self.told_by]
        return {form: literal for each in forms for form, literal in each.items()}

    def _told(self, raw: Raw, name: str) -> Callable[[int, int], Sequence[Witnessed]]:
        """Return what gives the witness values of one column; it keeps no other column in memory."""
        forms = self._witness_forms(name)
        arrays = [raw[form] for form in forms or [expression(self.table, name)]]

        def told(start: int, end: int) -> Sequence[Witnessed]:
            found = [array.slice(start, end - start).to_pylist() for array in arrays]
            return (
                [only(values) for values in zip(*found, strict=True)] if forms else list(map(_as_witnessed, found[0]))
            )

        return told

    def _witness_forms(self, name: str) -> Mapping[str, str]:
        """Return how a column's witness values are asked for where the fast way may not bring them; else nothing."""
        same = expression(self.table, name)
        fast = {pair.source.name: way for pair, way in zip(self.pairs, self.plan.ways, strict=True)}.get(name)
        column = self.table.get(name)
        faithful = fast is not None and fast.expression == same and name not in self.exactly and self.connection.utf8
        if column is not None and fast is not None and fast.literal == "0.0":
            faithful = faithful and column.affinity is Affinity.REAL  # else integers come as reals
        return {} if faithful or same == self.plan.key else witness_forms(self.table, name)


def values_of(forms: Sequence[Array]) -> list[RawValue]:
    """Return values as SQLite holds them, of the columns that `value_forms` selects."""
    classes, integers, reals, texts, blobs = forms
    of_class: Mapping[str, list[RawValue]] = {
        "integer": list(integers.to_pylist()),
        "real": list(reals.to_pylist()),
        "text": [None if data is None else _decoded(data) for data in texts.cast(DataType.binary()).to_pylist()],
        "blob": list(blobs.to_pylist()),
    }
    return [None if kind == "null" else of_class[kind][i] for i, kind in enumerate(classes.to_pylist())]


def size_of(raw: Raw) -> int:
    """Return the bytes in memory."""
    return sum(array.nbytes for array in raw.values())


def only(values: Sequence[Witnessed]) -> Witnessed:
    """Return the value that is there."""
    return next((value for value in values if value is not None), None)


def _as_witnessed(value: str | bytes | int | float | None) -> Witnessed:
    """Return a value as SQLite's `substr` and `CAST` give it: of text, what comes before a NUL."""
    if isinstance(value, str):
        return value.partition("\0")[0][:WITNESSED_TEXT].encode()
    return value[:WITNESSED_TEXT] if isinstance(value, bytes) else value


def _decoded(data: bytes) -> str | Undecodable:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Undecodable(data)


def _indices(rows: Sequence[int]) -> Array:
    return Array(rows, DataType.uint32())


def _by_itself(column: Array) -> Array:
    """Return a column in memory of its own; else it would keep all columns of the page there, wide ones too."""
    return column if column.nbytes > _SMALL else take(column, _indices(range(len(column))))


def newest(typed: RecordBatch, timestamp_column: str | None) -> datetime | None:
    """Return the latest time in a column; None where there is no such column, or no time."""
    column = typed.column(timestamp_column) if timestamp_column in typed.schema.names else None
    if column is None or column.null_count == len(column):
        return None
    return _EPOCH + timedelta(microseconds=largest(column.cast(DataType.int64())).as_py())
