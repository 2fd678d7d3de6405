"""The fast way of each column: what the driver must bring, and the check that makes it exact.

A check returns None where a value may not fit; then the page is read again, and `exact` decides value by value.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from arro3.compute import add, div, mul, rem, sub
from arro3.compute import max as largest
from arro3.compute import min as smallest
from arro3.compute import sum as total
from arro3.core import Array, DataType

from databricks_uploader.model import times
from databricks_uploader.model.columns import Pair
from databricks_uploader.model.source import Affinity
from databricks_uploader.model.table import Column, DeltaType
from databricks_uploader.model.times import Unit
from databricks_uploader.source.connection import identifier

UTC = "UTC"
_LARGEST_EXACT = 2.0**53 - 1
"""Integers up to this one are doubles, and no other integer becomes the same double."""
_LARGEST_SINGLE = 3.4028234663852886e38
ZONES_END = 4_102_358_400_000_000
"""2099-12-31 in µs since 1970: Arrow knows no summer time of later years."""
_BLOB = 1 << 20
"""What a guard counts a BLOB as: more than a page has rows."""
_ARROW = {
    DeltaType.BYTE: DataType.int8(),
    DeltaType.SHORT: DataType.int16(),
    DeltaType.INTEGER: DataType.int32(),
    DeltaType.LONG: DataType.int64(),
    DeltaType.FLOAT: DataType.float32(),
    DeltaType.DOUBLE: DataType.float64(),
    DeltaType.STRING: DataType.utf8(),
    DeltaType.BINARY: DataType.binary(),
    DeltaType.BOOLEAN: DataType.bool(),
    DeltaType.DATE: DataType.date32(),
    DeltaType.TIMESTAMP: DataType.timestamp("us", tz=UTC),
    DeltaType.TIMESTAMP_NTZ: DataType.timestamp("us"),
}
_LARGEST_NUMBER = {
    **{unit: times.LATEST // factor for unit, factor in times.FACTOR.items()},
    Unit.NANOSECONDS: 2**63 - 1,
    Unit.JULIAN_DAY: 5_373_484,
}
"""The year 9999 in each unit, as far as it goes."""
_DAY = 86_400_000_000
INTEGERS = (DeltaType.BYTE, DeltaType.SHORT, DeltaType.INTEGER, DeltaType.LONG)
FLOATS = (DeltaType.FLOAT, DeltaType.DOUBLE)
TIMES = (DeltaType.DATE, DeltaType.TIMESTAMP, DeltaType.TIMESTAMP_NTZ)


def arrow(column: Column) -> DataType:
    """Return how a column stands in our files. Raises ValueError for a type that we can't write."""
    if column.kind is DeltaType.DECIMAL:
        return DataType.decimal128(*column.precision_and_scale)
    if column.kind is None:
        raise ValueError(f"no value goes into {column.type}")
    return _ARROW[column.kind]


@dataclass(frozen=True)
class Typed:
    """A column in its type, and how many of its values tell less than the source's do."""

    column: Array
    altered: int = 0


Check = Callable[[Array], Typed | None]


@dataclass(frozen=True)
class Way:
    """The fast way of one column."""

    expression: str
    """What is selected."""
    literal: str
    """A value of the type in SQL, which pins the driver's inference."""
    check: Check
    guard: str | None = None
    """SQL that counts a value of another class than expected, where the driver would hide it: `_BLOB` or 1."""

    def typed(self, column: Array, guard: Array | None) -> Typed | None:
        """Return the column in its type; None where a value may not fit."""
        found = 0 if guard is None else total(guard).as_py()
        typed = self.check(column) if found < _BLOB else None
        return typed and Typed(typed.column, typed.altered + found)


def way(pair: Pair, unit: Unit | None, zone: str) -> Way:
    """Return the fast way of a pair of columns.

    `unit` is that of numbers in a column of times, `zone` that of times without one.
    """
    expression, kind, affinity = identifier(pair.source.name), pair.target.kind, pair.source.affinity
    check: Check = partial(_integers, pair.target)
    literal, guard = "0", None
    if kind in FLOATS:
        check, literal = partial(_floats, pair.target, affinity), "0" if affinity is Affinity.INTEGER else "0.0"
    elif kind is DeltaType.BOOLEAN:
        check = _booleans
    elif kind is DeltaType.STRING:
        check, literal = _texts, "''"
        if affinity is not Affinity.TEXT:
            guard = (
                f"CASE typeof({expression}) WHEN 'text' THEN 0 WHEN 'null' THEN 0 WHEN 'blob' THEN {_BLOB} ELSE 1 END"
            )
            expression = f"CAST({expression} AS TEXT)"
    elif kind is DeltaType.BINARY:
        check, literal = _blobs, "x''"
        guard = f"CASE WHEN typeof({expression}) IN ('blob', 'null') THEN 0 ELSE {_BLOB} END"
    elif kind in TIMES and unit is None:
        check, literal = partial(_times_as_text, pair.target, zone), "''"
    elif unit is not None and kind in TIMES:
        read = DataType.float64() if affinity is Affinity.REAL else DataType.int64()
        check, literal = (
            partial(_times_as_numbers, pair.target, unit, zone, read),
            "0.0" if affinity is Affinity.REAL else "0",
        )
    if not pair.target.nullable:
        check = partial(_without_null, check)
    return Way(expression, literal, check, guard)


def _without_null(check: Check, column: Array) -> Typed | None:
    return None if column.null_count else check(column)


def _fitting(column: Array, kind: DataType) -> Typed | None:
    typed = column.cast(kind)
    return Typed(typed) if typed.null_count == column.null_count else None


def _integers(target: Column, column: Array) -> Typed | None:
    return _fitting(column, arrow(target)) if column.type == DataType.int64() else None


def _booleans(column: Array) -> Typed | None:
    return Typed(column.cast(DataType.bool())) if column.type == DataType.int64() and _within(column, 0, 1) else None


def _floats(target: Column, affinity: Affinity, column: Array) -> Typed | None:
    if column.type != (DataType.int64() if affinity is Affinity.INTEGER else DataType.float64()):
        return None
    if affinity is not Affinity.REAL and not _within(column, -_LARGEST_EXACT, _LARGEST_EXACT):
        return None  # there may be integers among them, which the driver has rounded
    typed = column.cast(DataType.float64())
    return Typed(typed) if target.kind is DeltaType.DOUBLE else _single(typed)


def _single(column: Array) -> Typed | None:
    if not _within(column, -_LARGEST_SINGLE, _LARGEST_SINGLE):
        return None
    typed = column.cast(DataType.float32())
    return Typed(typed, _other_than_zero(sub(column, typed.cast(DataType.float64()))))


def _texts(column: Array) -> Typed | None:
    # Neither SQLite, nor the driver, nor Arrow looks whether text is UTF-8.
    if column.type != DataType.utf8():
        return None
    return (
        Typed(column) if column.cast(DataType.binary()).cast(DataType.utf8()).null_count == column.null_count else None
    )


def _blobs(column: Array) -> Typed | None:
    return Typed(column) if column.type == DataType.binary() else None


def _times_as_text(target: Column, zone: str, column: Array) -> Typed | None:
    """Return times of ISO-8601 text from 1677 to 2262, which Arrow parses to nanoseconds."""
    if column.type != DataType.utf8() or (zone != UTC and target.kind is not DeltaType.TIMESTAMP):
        return None
    parsed = column.cast(DataType.timestamp("ns", tz=zone))
    if parsed.null_count != column.null_count:
        return None
    nanoseconds = parsed.cast(DataType.int64())
    if zone != UTC and not _within(nanoseconds, -(2**63), ZONES_END * 1_000):
        return None
    altered = _cut(target, nanoseconds)
    if altered and not _within(nanoseconds, 0, 2**63 - 1):
        return None  # Arrow cuts towards zero
    return _moments(target, div(nanoseconds, _number(1_000)), altered)


def _times_as_numbers(target: Column, unit: Unit, zone: str, read: DataType, column: Array) -> Typed | None:
    """Return times of numbers from 1970 on, as `times.microseconds` does."""
    local = zone != UTC and target.kind is not DeltaType.TIMESTAMP
    if local or column.type != read or not _within(column, 0, _LARGEST_NUMBER[unit]):
        return None
    whole = column.type == DataType.int64()
    if unit is Unit.NANOSECONDS:
        # As REAL, integers among them would have lost digits.
        return _moments(target, div(column, _number(1_000)), _cut(target, column)) if whole else None
    if unit is Unit.JULIAN_DAY:
        milliseconds = _rounded(mul(column.cast(DataType.float64()), _real(float(times.DAY_MS))))
        return _moments(target, mul(sub(milliseconds, _number(times.JULIAN_EPOCH_MS)), _number(1_000)))
    factor = times.FACTOR[unit]
    moments = mul(column, _number(factor)) if whole else _rounded(mul(column, _real(float(factor))))
    return _moments(target, moments)


def _cut(target: Column, nanoseconds: Array) -> int:
    """Return how many times tell more than the target holds."""
    held = 1_000 * _DAY if target.kind is DeltaType.DATE else 1_000
    return _other_than_zero(rem(nanoseconds, _number(held)))


def _moments(target: Column, microseconds: Array, altered: int = 0) -> Typed | None:
    if not _within(microseconds, times.EARLIEST, times.LATEST):
        return None
    if target.kind is not DeltaType.DATE:
        return Typed(microseconds.cast(arrow(target)), altered)
    altered = altered or _other_than_zero(rem(microseconds, _number(_DAY)))
    return Typed(microseconds.cast(_ARROW[DeltaType.TIMESTAMP]).cast(arrow(target)), altered)


def _within(column: Array, low: float, high: float) -> bool:
    return column.null_count == len(column) or low <= smallest(column).as_py() <= largest(column).as_py() <= high


def _other_than_zero(column: Array) -> int:
    if column.null_count == len(column) or smallest(column).as_py() == largest(column).as_py() == 0:
        return 0
    return int(total(column.cast(DataType.bool()).cast(DataType.int64())).as_py())


def _rounded(column: Array) -> Array:
    """Round numbers from 0 on to the nearest integer."""
    return add(column, _real(0.5)).cast(DataType.int64())


def _number(value: int) -> Array:
    return Array([value], DataType.int64())


def _real(value: float) -> Array:
    return Array([value], DataType.float64())
