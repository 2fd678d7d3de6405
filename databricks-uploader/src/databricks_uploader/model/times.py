"""Numbers that stand for times: which unit a column holds, and the instant that each of its numbers means."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from statistics import median


class Unit(StrEnum):
    """What the numbers of a column count: since 1970-01-01T00:00Z, or Julian days as SQLite has them."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"
    JULIAN_DAY = "julian day"


@dataclass(frozen=True)
class TimeColumn:
    """The source column that holds the rows' time; `unit` is that of its numbers, None where they are text."""

    name: str
    unit: Unit | None = None


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999 in µs since 1970: what Delta's readers can show."""
JULIAN_EPOCH_MS = 210_866_760_000_000
"""1970-01-01 in milliseconds since the Julian epoch (https://sqlite.org/src, date.c)."""
DAY_MS = 86_400_000
_JULIAN_DAYS = 2_086_308, 2_816_788
"""The years 1000 to 3000; as seconds since 1970 they would be days of January and February 1970."""
_LARGEST = {Unit.SECONDS: 1e11, Unit.MILLISECONDS: 1e14, Unit.MICROSECONDS: 1e17}
"""The year 5138 in each unit; numbers below are of that unit, if not of the one before."""
_PLAUSIBLE = 86_400_000_000 * 365, 7_258_118_400_000_000
"""The years 1971 to 2199 in µs since 1970."""


def unit_of(numbers: Sequence[int | float]) -> Unit | None:
    """Return the unit that most of a column's numbers are in, by their middle one; None of no numbers.

    Zeros count for nothing: they stand for "no time" more often than for 1970.
    """
    sizes = [abs(n) for n in numbers if n and math.isfinite(n)]
    if not sizes:
        return None
    middle = median(sizes)
    if _JULIAN_DAYS[0] <= middle < _JULIAN_DAYS[1]:
        return Unit.JULIAN_DAY
    return next((unit for unit, largest in _LARGEST.items() if middle < largest), Unit.NANOSECONDS)


def plausible(number: int | float, unit: Unit) -> bool:
    """Tell whether a number is likely to be meant as a time: one of the years 1971 to 2199."""
    return math.isfinite(number) and _PLAUSIBLE[0] <= microseconds(number, unit)[0] < _PLAUSIBLE[1]


def microseconds(number: int | float, unit: Unit) -> tuple[int, bool]:
    """Return the µs since 1970 that a finite number means, and whether it told more than that.

    Integers are exact, nanoseconds cut. A floating number of seconds has no exact microsecond, so it is rounded to
    the nearest; Julian days are rounded to milliseconds, as SQLite's date functions do.
    """
    if unit is Unit.JULIAN_DAY:
        return (_rounded(number * DAY_MS) - JULIAN_EPOCH_MS) * 1_000, False
    if isinstance(number, int):
        if unit is Unit.NANOSECONDS:
            return number // 1_000, number % 1_000 != 0
        return number * FACTOR[unit], False
    return _rounded(number / 1_000 if unit is Unit.NANOSECONDS else number * FACTOR[unit]), False


def _rounded(number: float) -> int:
    """Round to the nearest integer; beyond all times, where the product is infinite, to one that is so too."""
    return math.floor(number + 0.5) if math.isfinite(number) else BEYOND * (1 if number > 0 else -1)


BEYOND = 1 << 80
FACTOR = {Unit.SECONDS: 1_000_000, Unit.MILLISECONDS: 1_000, Unit.MICROSECONDS: 1}
"""Microseconds in each unit."""
