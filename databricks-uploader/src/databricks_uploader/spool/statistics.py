"""Smallest and largest values and NULLs of a file's columns, for readers that skip files by them."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from arro3.compute import max as largest
from arro3.compute import min as smallest
from arro3.core import Array, DataType

from databricks_uploader.model.table import ROW, DeltaType, TableSchema

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGERS = {DeltaType.BYTE, DeltaType.SHORT, DeltaType.INTEGER, DeltaType.LONG}
_TIMES = {DeltaType.TIMESTAMP, DeltaType.TIMESTAMP_NTZ}
_BOUNDED = {*_INTEGERS, *_TIMES, DeltaType.FLOAT, DeltaType.DOUBLE, DeltaType.DATE}
_Value = str | int | float | None


class Gathered:
    """The statistics of pages as they pass; the last array of a page is `_row`."""

    def __init__(self, columns: TableSchema) -> None:
        self._columns = [*columns.columns, ROW]
        self._low: list[int | float | date | None] = [None] * len(self._columns)
        self._high: list[int | float | date | None] = [None] * len(self._columns)
        self._nulls = [0] * len(self._columns)

    def add(self, arrays: Sequence[Array]) -> None:
        """Take in one page."""
        for i, (column, array) in enumerate(zip(self._columns, arrays, strict=True)):
            self._nulls[i] += array.null_count
            if column.kind not in _BOUNDED or array.null_count == len(array):
                continue
            numbers = array.cast(DataType.int64()) if column.kind in _TIMES else array
            low, high = smallest(numbers).as_py(), largest(numbers).as_py()
            self._low[i] = low if self._low[i] is None else min(self._low[i], low)
            self._high[i] = high if self._high[i] is None else max(self._high[i], high)

    def statistics(self) -> dict[str, tuple[_Value, _Value, int]]:
        """Return them in the JSON forms of the Delta protocol ("Per-file Statistics")."""
        return {
            c.name: (_json(low, c.kind), _json(high, c.kind), nulls)
            for c, low, high, nulls in zip(self._columns, self._low, self._high, self._nulls, strict=True)
        }


def constant(value: str | int) -> tuple[_Value, _Value, int]:
    """Return the statistics of a column that holds one value."""
    return value, value, 0


def _json(value: int | float | date | None, kind: DeltaType | None) -> _Value:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, date):
        return value.isoformat()
    if kind not in _TIMES or not isinstance(value, int):
        return value
    written = _utc(value)
    return written and (written if kind is DeltaType.TIMESTAMP else written.removesuffix("Z"))


def _utc(microseconds: int) -> str | None:
    """Write a time since 1970 as delta-rs does; None outside the years 1 to 9999, which Python can't hold."""
    try:
        return zulu(_EPOCH + timedelta(microseconds=microseconds))
    except OverflowError:
        return None


def zulu(time: datetime) -> str:
    """Write a time in UTC with microseconds and a Z."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
