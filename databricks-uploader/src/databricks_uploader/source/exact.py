"""The exact way: what becomes of one value in one target column, as a rule of its storage class and the type.

The fast ways of `typed` give the same wherever they give anything.
"""

import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC as ZULU
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from zoneinfo import ZoneInfo

from arro3.core import Array, DataType

from databricks_uploader.model import times
from databricks_uploader.model.quarantine import RawValue, Undecodable, storage_class
from databricks_uploader.model.table import Column, DeltaType
from databricks_uploader.model.times import Unit
from databricks_uploader.source.typed import FLOATS, INTEGERS, TIMES, UTC, ZONES_END, arrow

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (wall clock times, without a zone)
_DAY = 86_400_000_000
_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[ \t\n\v\f\r]*", re.ASCII)
"""What SQLite takes for a number in text (https://sqlite.org/lang_expr.html, "Literal Values"), with a sign."""
_TIME = re.compile(
    r"\s*(?P<date>\d{4}-\d\d-\d\d)(?:[Tt ](?P<clock>(?:[01]\d|2[0-3]):[0-5]\d)"
    r"(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?\s*(?P<zone>[Zz]|UTC|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?\s*",
    re.ASCII,
)
"""ISO 8601 as programs write it, further than Arrow reads it: without seconds, with blanks or a comma."""
_TRUE, _FALSE = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}
"""The words that Databricks casts to BOOLEAN (https://docs.databricks.com/sql/language-manual/functions/cast.html)."""
_BITS: Mapping[DeltaType | None, int] = dict(zip(INTEGERS, (8, 16, 32, 64), strict=True))


@dataclass(frozen=True)
class Fit:
    """A value as it goes into the target column; `altered`: it tells less than the source's."""

    value: object
    altered: bool = False


Outcome = Fit | str
"""What arrives, or why nothing can."""
Rule = Callable[[RawValue, str | None], Outcome]
"""Of a value and SQLite's text of it (None where that is not asked for)."""


def rule(target: Column, unit: Unit | None, zone: str, texts: Sequence[RawValue]) -> Rule:
    """Return the rule of a target column. `texts` are the values that will be asked for, to be parsed at once."""

    def ruled(value: RawValue, text: str | None) -> Outcome:
        if value is None:
            return Fit(None) if target.nullable else "NULL, and the target column is NOT NULL"
        if kind is DeltaType.BINARY:
            return _binary(value)
        if kind is DeltaType.STRING:
            return _string(value, text)
        if isinstance(value, bytes | Undecodable):
            return "BLOB" if isinstance(value, bytes) else "TEXT that is not UTF-8"
        return convert(value)

    kind, convert = target.kind, _converter(target, unit, zone, texts)
    return ruled


def column(target: Column, values: Sequence[object]) -> Array:
    """Return values that fit as a column of a file."""
    if target.kind is DeltaType.DECIMAL:
        return Array([None if v is None else f"{v:f}" for v in values], DataType.utf8()).cast(arrow(target))
    if target.kind in (DeltaType.TIMESTAMP, DeltaType.TIMESTAMP_NTZ):
        return Array(values, DataType.int64()).cast(arrow(target))
    if target.kind is DeltaType.DATE:
        return Array(values, DataType.int32()).cast(arrow(target))
    return Array(values, arrow(target))


_Converter = Callable[[int | float | str], Outcome]


def _converter(target: Column, unit: Unit | None, zone: str, texts: Sequence[RawValue]) -> _Converter:
    kind = target.kind
    if kind in INTEGERS:
        return _numeric(_integer(target))
    if kind in FLOATS:
        return _numeric(_single if kind is DeltaType.FLOAT else _double)
    if kind is DeltaType.DECIMAL:
        return _numeric(_decimal(target))
    if kind is DeltaType.BOOLEAN:
        return _boolean
    return _time(target, unit, zone, texts) if kind in TIMES else _nothing


def _nothing(value: int | float | str) -> Outcome:
    return f"{_class(value)} into a type that takes none"


def _binary(value: RawValue) -> Outcome:
    if isinstance(value, bytes):
        return Fit(value)
    if isinstance(value, Undecodable):
        return Fit(value.data, altered=True)
    return Fit(value.encode(), altered=True) if isinstance(value, str) else f"{_class(value)} is no BLOB"


def _string(value: RawValue, text: str | None) -> Outcome:
    if isinstance(value, str):
        return Fit(value)
    if isinstance(value, Undecodable):
        return "TEXT that is not UTF-8"
    if isinstance(value, bytes):
        try:
            return Fit(value.decode(), altered=True)
        except UnicodeDecodeError:
            return "BLOB that is not UTF-8"
    return Fit(text, altered=True)


_Number = Callable[[int | float | Decimal], Outcome]


def _numeric(convert: _Number) -> _Converter:
    """Take numbers, and text that SQLite takes for one."""

    def converted(value: int | float | str) -> Outcome:
        if not isinstance(value, str):
            return convert(value)
        found = _NUMBER.fullmatch(value)
        try:
            return "TEXT that is no number" if found is None else convert(Decimal(found[1]))
        except InvalidOperation:
            return "TEXT of a number beyond all ranges"

    return converted


def _integer(target: Column) -> _Number:
    bits = _BITS[target.kind]

    def converted(value: int | float | Decimal) -> Outcome:
        if _infinite(value):
            return "infinite"
        if not -(1 << bits) < value < 1 << bits:
            return f"outside the range of {target.sql_type}"
        if value != int(value):
            return "a number with a fraction"
        fits = -(1 << bits - 1) <= value < 1 << bits - 1
        return Fit(int(value)) if fits else f"outside the range of {target.sql_type}"

    return converted


def _double(value: int | float | Decimal) -> Outcome:
    number = float(value)
    if math.isinf(number) and not isinstance(value, float):
        return "outside the range of DOUBLE"
    if isinstance(value, Decimal):
        return Fit(number, altered=value not in (Decimal(number), Decimal(repr(number))))
    return Fit(number, altered=isinstance(value, int) and int(number) != value)


def _single(value: int | float | Decimal) -> Outcome:
    double = _double(value)
    if isinstance(double, str):
        return "outside the range of FLOAT"
    number = float(value)
    try:
        (single,) = struct.unpack("f", struct.pack("f", number))
    except OverflowError:
        single = math.inf
    if math.isinf(single) and not math.isinf(number):
        return "outside the range of FLOAT"
    return Fit(single, altered=double.altered or single != number)


def _decimal(target: Column) -> _Number:
    precision, scale = target.precision_and_scale

    def converted(value: int | float | Decimal) -> Outcome:
        if _infinite(value):
            return "infinite"
        exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        with localcontext(prec=precision):
            try:
                rounded = exact.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
            except InvalidOperation:
                return f"outside the range of {target.sql_type}"
        return Fit(rounded, altered=rounded != exact)

    return converted


def _boolean(value: int | float | str) -> Outcome:
    if isinstance(value, str):
        word = value.strip().lower()
        return Fit(word in _TRUE) if word in _TRUE | _FALSE else "TEXT that is neither true nor false"
    return Fit(bool(value)) if value in (0, 1) else f"{_class(value)} that is neither 0 nor 1"


def _time(target: Column, unit: Unit | None, zone: str, texts: Sequence[RawValue]) -> _Converter:
    local = zone if target.kind is DeltaType.TIMESTAMP else UTC
    parsed = _instants([text for text in texts if isinstance(text, str)], local)

    def converted(value: int | float | str) -> Outcome:
        if isinstance(value, str):
            found = parsed[value]
            if found is None:
                return "TEXT that is no time"
        elif _infinite(value):
            return "infinite"
        elif unit is None:
            return f"{_class(value)}, in a column of times of unknown unit"
        else:
            microseconds, cut = times.microseconds(value, unit)
            found = _Instant(microseconds, cut, zoned=True)
        if found.zoned and target.kind is not DeltaType.TIMESTAMP and zone != UTC:
            found = _wall_clock(found, ZoneInfo(zone))
        if not times.EARLIEST <= found.microseconds <= times.LATEST:
            return "outside the years 1 to 9999"
        if target.kind is DeltaType.DATE:
            return Fit(found.microseconds // _DAY, altered=found.cut or found.microseconds % _DAY != 0)
        return Fit(found.microseconds, altered=found.cut)

    return converted


@dataclass(frozen=True)
class _Instant:
    """A moment in µs since 1970; whether something was cut from it, and whether it is one of a zone of its own."""

    microseconds: int
    cut: bool
    zoned: bool


def _instants(texts: Sequence[str], local: str) -> Mapping[str, _Instant | None]:
    """Parse texts, those without a zone as of `local`: as Arrow does, and where it does not, in some more forms."""
    distinct = list(dict.fromkeys(texts))
    read = list(
        Array(distinct, DataType.utf8()).cast(DataType.timestamp("us", tz=local)).cast(DataType.int64()).to_pylist()
    )
    seen = [_seen(text) for text in distinct]
    return {
        text: _parsed(text, local)
        if moment is None or (moment >= ZONES_END and local != UTC and not zoned)
        else _Instant(moment, cut, zoned)
        for text, moment, (cut, zoned) in zip(distinct, read, seen, strict=True)
    }


_CLOCK = re.compile(r"\d\d:?\d\d:?\d\d(?:\.(\d+))?(.*)", re.ASCII)


def _seen(text: str) -> tuple[bool, bool]:
    """Tell of a text that Arrow reads whether it has nanoseconds, and whether it names a zone."""
    clock = _CLOCK.match(text, len("2026-01-01T"))
    return (False, False) if clock is None else (_nanoseconds(clock[1] or ""), bool(clock[2].strip()))


def _nanoseconds(fraction: str) -> bool:
    """Tell whether there are nanoseconds in a fraction of a second; Arrow reads no digit behind them."""
    return bool(fraction[6:9].strip("0"))


def _parsed(text: str, local: str) -> _Instant | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    fraction = found["fraction"] or ""
    second, zone = int(found["second"] or 0), found["zone"]
    try:
        naive = datetime.fromisoformat(f"{found['date']}T{found['clock'] or '00:00'}") + timedelta(seconds=second)
    except (ValueError, OverflowError):
        return None
    if second > 60:  # noqa: PLR2004  (a leap second)
        return None
    if zone is None and local != UTC:
        shifted = _in_zone(naive, ZoneInfo(local))
        if shifted is None:
            return None
        naive = shifted
    moment = (naive - _EPOCH) // timedelta(microseconds=1) + int(f"{fraction[:6]:0<6}")
    return _Instant(moment - _offset(zone), _nanoseconds(fraction), zone is not None)


def _in_zone(naive: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the UTC of a local time: the earlier of two, None for one that the clocks jumped over."""
    utc = naive.replace(tzinfo=zone).astimezone(ZULU)
    there = utc.astimezone(zone).replace(tzinfo=None)
    return utc.replace(tzinfo=None) if there == naive else None


def _offset(zone: str | None) -> int:
    """Return the µs that a zone like `+05:30` is ahead of UTC."""
    if zone is None or zone in ("Z", "z", "UTC"):
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return minutes * 60_000_000 * (-1 if zone[0] == "-" else 1)


def _wall_clock(instant: _Instant, zone: ZoneInfo) -> _Instant:
    """Return what clocks in the zone show at an instant; the instant itself where Python's years end."""
    try:
        utc = _EPOCH.replace(tzinfo=ZULU) + timedelta(microseconds=instant.microseconds)
        shown = utc.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        return instant
    return _Instant((shown - _EPOCH) // timedelta(microseconds=1), instant.cut, zoned=False)


def _infinite(value: int | float | Decimal) -> bool:
    return isinstance(value, float) and math.isinf(value)


def _class(value: RawValue) -> str:
    return storage_class(value).upper()
