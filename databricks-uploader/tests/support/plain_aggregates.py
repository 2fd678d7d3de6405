"""What aggregations mean, in plain Python: a second way to the same groups, made without a look at the SQL."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

Cell = Any
Row = Mapping[str, Cell]


def instant(time: date) -> datetime:
    """Return a time of whatever type as one in UTC."""
    if not isinstance(time, datetime):
        return datetime(time.year, time.month, time.day, tzinfo=UTC)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _cut(time: datetime, unit: str, zone: ZoneInfo) -> Cell:
    local = time.astimezone(zone)
    if unit == "hour_of_day":
        return local.hour
    passed = timedelta(seconds=local.second, microseconds=local.microsecond)
    if unit != "minute":
        passed += timedelta(minutes=local.minute)
    if unit != "day":
        return time - passed
    first = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return first.astimezone(UTC)


def _numbers(cells: Sequence[Cell]) -> list[Fraction]:
    return [Fraction(cell) for cell in cells]


def _sum(cells: Sequence[Cell]) -> Cell:
    if any(isinstance(cell, float) and not math.isfinite(cell) for cell in cells):
        return sum(cells)
    exact = sum(_numbers(cells))
    if isinstance(cells[0], float):
        return float(exact)
    return exact  # integers and decimals compare with it as they are


def _avg(cells: Sequence[Cell]) -> Cell:
    if any(isinstance(cell, float) and not math.isfinite(cell) for cell in cells):
        return sum(cells)
    return float(sum(_numbers(cells)) / len(cells))


def _stddev(cells: Sequence[Cell]) -> Cell:
    numbers = [float(cell) for cell in cells]
    if len(numbers) == 1:
        return None
    if not all(map(math.isfinite, numbers)):
        return math.nan
    return math.sqrt(statistics.variance(_numbers(numbers)))


def _median(cells: Sequence[Cell]) -> Cell:
    return statistics.median([float(cell) for cell in cells])


_OF_VALUES: Mapping[str, Callable[[Sequence[Cell]], Cell]] = {
    "sum": _sum,
    "avg": _avg,
    "min": min,
    "max": max,
    "stddev": _stddev,
    "median": _median,
}


def value(function: str, cells: Sequence[Cell]) -> Cell:
    """Return what a function makes of cells, which are in the order of time and key."""
    given = [cell for cell in cells if cell is not None]
    if function in ("first", "last"):
        return cells[0 if function == "first" else -1]
    if function == "count":
        return len(given)
    if function == "count_distinct":
        return len(set(given))
    return _OF_VALUES[function](given) if given else None


def groups(
    rows: Iterable[Row], time: str, keys: Sequence[str], functions: Sequence[tuple[str, str]], zone: str
) -> dict[tuple[Cell, ...], list[Cell]]:
    """Return the values of each group, then its number of rows; `functions` are of columns, '' for rows.

    Rows are in the order of their keys.
    """
    found: dict[tuple[Cell, ...], list[Row]] = {}
    for row in sorted(rows, key=lambda row: instant(row[time])):
        moment, tokens = instant(row[time]), ("minute", "hour", "day", "hour_of_day")
        key = tuple(_cut(moment, name, ZoneInfo(zone)) if name in tokens else row[name] for name in keys)
        found.setdefault(key, []).append(row)
    return {
        key: [
            *(
                len(some) if not column else value(function, [row[column] for row in some])
                for column, function in functions
            ),
            len(some),
        ]
        for key, some in found.items()
    }
