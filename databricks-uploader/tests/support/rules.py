"""The rules of `docs/types.md` in plain Python: what becomes of one value of SQLite in one target type.

Written from the document alone, value by value, to be compared with what the program does.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RANGES = {"byte": 7, "short": 15, "integer": 31, "long": 63}
DAY = 86_400 * 10**6
FIRST, LAST = (
    (datetime(*day, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)  # type: ignore[misc]  # year, month, …
    for day in ((1, 1, 1), (9999, 12, 31, 23, 59, 59, 999_999))
)
FACTORS = {"s": Fraction(10**6), "ms": Fraction(1000), "us": Fraction(1), "ns": Fraction(1, 1000)}
NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?[ \t\n\v\f\r]*", re.ASCII)
MOMENT = re.compile(
    r"\s*(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](?:(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)\s*(Z|z|UTC|[+-]\d\d:?\d\d|[+-]\d\d)?)?\s*",
    re.ASCII,
)


@dataclass(frozen=True)
class Stored:
    """A value as SQLite holds it: its storage class, and an int, a float or the bytes of TEXT and BLOB."""

    kind: str
    value: Any


@dataclass(frozen=True)
class Arrives:
    """What arrives: times in µs since 1970, dates in days; `altered`: it tells less than the source's value."""

    value: Any
    altered: bool = False


@dataclass(frozen=True)
class Column:
    """A target column, and what is known of the source's times."""

    type: str
    nullable: bool = True
    unit: str | None = None
    zone: str = "UTC"


def becomes(stored: Stored, column: Column) -> Arrives | str:
    """Return what arrives, or why the row goes into quarantine."""
    if stored.kind == "null":
        return Arrives(None) if column.nullable else "NULL, and the target column is NOT NULL"
    if column.type == "binary":
        return _binary(stored)
    if stored.kind == "text" and _utf8(stored.value) is None:
        return "TEXT that is not UTF-8"
    if column.type == "string":
        return _string(stored)
    return "BLOB" if stored.kind == "blob" else _single(stored, column)


def _single(stored: Stored, column: Column) -> Arrives | str:
    if column.type in ("date", "timestamp", "timestamp_ntz"):
        return _time(stored, column)
    return _boolean(stored) if column.type == "boolean" else _number(stored, column)


def unit_of(numbers: Sequence[float]) -> str | None:
    """Return the unit that the middle one of a column's numbers is in."""
    sizes = [abs(n) for n in numbers if n and abs(n) != float("inf")]
    if not sizes:
        return None
    middle = median(sizes)
    if 2_086_308 <= middle < 2_816_788:
        return "julian day"
    return next((unit for unit, end in (("s", 1e11), ("ms", 1e14), ("us", 1e17)) if middle < end), "ns")


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _binary(stored: Stored) -> Arrives | str:
    taken = stored.kind in ("blob", "text")
    return Arrives(stored.value, stored.kind == "text") if taken else f"{stored.kind.upper()} is no BLOB"


def _string(stored: Stored) -> Arrives | str:
    if stored.kind in ("text", "blob"):
        text = _utf8(stored.value)
        return "BLOB that is not UTF-8" if text is None else Arrives(text, stored.kind == "blob")
    return Arrives(
        stored.value + 0, altered=True
    )  # its text is SQLite's affair: it must mean the number (0.0 for -0.0)


def _boolean(stored: Stored) -> Arrives | str:
    if stored.kind != "text":
        neither = f"{stored.kind.upper()} that is neither 0 nor 1"
        return Arrives(stored.value == 1) if stored.value in (0, 1) else neither
    word = stored.value.decode().strip().lower()
    if word not in ("true", "t", "yes", "y", "1", "false", "f", "no", "n", "0"):
        return "TEXT that is neither true nor false"
    return Arrives(word in ("true", "t", "yes", "y", "1"))


def _number(stored: Stored, column: Column) -> Arrives | str:
    shortest = repr(stored.value) if stored.kind != "text" else stored.value.decode()
    infinite = stored.kind == "real" and abs(stored.value) == float("inf")
    exact = None if infinite else _fraction(shortest)
    if exact is None and not infinite:
        return "TEXT that is no number"
    if column.type in ("double", "float"):
        return _floating(stored, column.type, exact)
    if exact is None:
        return "infinite"
    if column.type in RANGES:
        return _whole(Fraction(stored.value) if stored.kind == "real" else exact, column.type)
    precision, scale = (int(part) for part in column.type.removeprefix("decimal(").removesuffix(")").split(","))
    size = (abs(exact) * 10**scale + Fraction(1, 2)).__floor__()
    rounded = Fraction(size, 10**scale) * (-1 if exact < 0 else 1)
    return (
        f"outside the range of DECIMAL({precision},{scale})"
        if size >= 10**precision
        else Arrives(rounded, rounded != exact)
    )


def _whole(exact: Fraction, kind: str) -> Arrives | str:
    bits, name = RANGES[kind], {"byte": "TINYINT", "short": "SMALLINT", "integer": "INT", "long": "BIGINT"}[kind]
    if -(2**bits) <= exact < 2**bits:
        return Arrives(int(exact)) if exact.denominator == 1 else "a number with a fraction"
    near = exact.denominator != 1 and -(2 ** (bits + 1)) < exact < 2 ** (bits + 1)
    return "a number with a fraction" if near else f"outside the range of {name}"


def _floating(stored: Stored, kind: str, exact: Fraction | None) -> Arrives | str:
    if exact is None:
        return Arrives(stored.value)
    try:
        number = float(stored.value) if stored.kind != "text" else float(stored.value.decode())
        arrives = number if kind == "double" else struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return f"outside the range of {kind.upper()}"
    if abs(arrives) == float("inf"):
        return f"outside the range of {kind.upper()}"
    shortest = _fraction(repr(number)) if stored.kind == "text" else None
    told = stored.kind == "real" or exact in (Fraction(number), shortest)
    return Arrives(arrives, not told or arrives != number)


def _fraction(text: str) -> Fraction | None:
    found = NUMBER.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        return None
    whole = int((found[2] or "") + (found[3] or ""))
    exponent = int(found[4] or 0) - len(found[3] or "")
    return Fraction(whole) * Fraction(10) ** exponent * (-1 if found[1] == "-" else 1)


def _time(stored: Stored, column: Column) -> Arrives | str:
    cut = False
    if stored.kind == "text":
        read = _moment(stored.value.decode(), column)
        if read is None:
            return "TEXT that is no time"
        moment, cut, zoned = read
    elif stored.kind == "real" and abs(stored.value) == float("inf"):
        return "infinite"
    elif column.unit is None:
        return f"{stored.kind.upper()}, in a column of times of unknown unit"
    else:
        moment, cut = _counted(stored.value, column.unit)
        zoned = True
    if zoned and column.type != "timestamp" and FIRST + 2 * DAY < moment < LAST - 2 * DAY:
        shown = (EPOCH + timedelta(microseconds=moment)).astimezone(ZoneInfo(column.zone))
        moment = (shown.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    if not FIRST <= moment <= LAST:
        return "outside the years 1 to 9999"
    if column.type == "date":
        return Arrives(moment // DAY, moment % DAY != 0 or cut)
    return Arrives(moment, cut)


def _counted(number: float, unit: str) -> tuple[int, bool]:
    """Floating numbers are taken times their unit as floating numbers are, and rounded."""
    if unit == "julian day":
        return (_floor(number * 86_400_000 + 0.5) - 210_866_760_000_000) * 1000, False
    if isinstance(number, int):
        exact = number * FACTORS[unit]
        return exact.__floor__(), exact.denominator != 1
    return _floor(number / 1000 + 0.5 if unit == "ns" else number * float(FACTORS[unit]) + 0.5), False


def _floor(number: float) -> int:
    """Beyond what a floating number holds there is no time either."""
    return number.__floor__() if abs(number) != float("inf") else 10**40 * (1 if number > 0 else -1)


def _moment(text: str, column: Column) -> tuple[int, bool, bool] | None:
    """Return µs, whether digits were cut, and whether the text names its zone."""
    found = MOMENT.fullmatch(text)
    if found is None or int(found[6] or 0) > 60:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    fraction, zone = found[7] or "", found[8]
    try:
        shown = datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=second)
        if zone is None and column.type == "timestamp":
            shown = _there(shown, ZoneInfo(column.zone))
    except (ValueError, OverflowError):
        return None
    micros = (shown - EPOCH) // timedelta(microseconds=1) + int(f"{fraction[:6]:0<6}")
    if zone not in (None, "Z", "z", "UTC"):
        digits = zone[1:].replace(":", "")
        ahead = int(digits[:2]) * 60 + int(digits[2:] or 0)
        if ahead >= 24 * 60:
            return None
        micros -= ahead * 60 * 10**6 * (-1 if zone[0] == "-" else 1)
    return micros, bool(fraction[6:9].strip("0")), zone is not None


def _there(shown: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which clocks there show what `shown` says: the first of two; ValueError for none."""
    local = shown.replace(tzinfo=zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise ValueError("the clocks jumped over it")
    return instant
