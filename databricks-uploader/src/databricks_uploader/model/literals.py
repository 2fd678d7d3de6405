"""Values of rules as values of a column's type, exactly or not at all."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation

from databricks_uploader.model.column_kinds import Kind, exact, kind_of, shown
from databricks_uploader.model.steps import Condition, Operator, Scalar

Literal = str | int | float | bool | Decimal | date | datetime
_ORDERED = {Operator.GREATER, Operator.AT_LEAST, Operator.LESS, Operator.AT_MOST, Operator.BETWEEN}
_EXACTLY = Context(prec=100)


@dataclass(frozen=True)
class TypedCondition:
    """A condition whose values are of the column's type; for exact numbers `operator` may be another one."""

    operator: Operator
    values: tuple[Literal, ...]


def literal(value: Scalar, delta_type: str, *, from_text: bool = False) -> Literal:
    """Return a rule's value in a column's type; ValueError, in words, where it is none.

    `from_text`: the value is a key of a mapping, which is always a text, and is read as the type has it.
    """
    kind = kind_of(delta_type)
    match kind:
        case Kind.EXACT:
            number = _decimal(value, delta_type, from_text=from_text)
            scale = exact(delta_type).scale
            if number != _quantized(number, scale, ROUND_FLOOR):
                raise ValueError(f"is {shown(delta_type)}, which has no value {value!r}")
            return _in_bounds(number, delta_type)
        case Kind.FLOATING:
            return _floating(value, delta_type, from_text=from_text)
        case Kind.TEXT if isinstance(value, str):
            return value
        case Kind.TEXT:
            raise ValueError(f"is STRING, and {_shown(value)} is no text: put it in quotes")
        case Kind.BOOLEAN:
            return _boolean(value, from_text=from_text)
        case Kind.BYTES:
            raise ValueError("is BINARY, whose values can't be written in a rule")
    return _time(value, kind, delta_type)


def typed_condition(condition: Condition, delta_type: str) -> TypedCondition:
    """Return a condition in a column's type; ValueError, in words, where they don't go together.

    A bound with more decimals than the type has is moved to the next value inside: > 1.5 is >= 2 of integers.
    """
    operator, values = condition.operator, condition.values
    kind = kind_of(delta_type)
    if operator is Operator.IS_NULL:
        return TypedCondition(operator, values)
    if kind is Kind.BYTES:
        raise ValueError("is BINARY, which only is_null can tell")
    if kind is Kind.BOOLEAN and operator in _ORDERED:
        raise ValueError(f"is BOOLEAN, which has no order for {operator}")
    if kind is Kind.EXACT and operator in _ORDERED:
        return _moved(operator, values, delta_type)
    typed = tuple(literal(value, delta_type) for value in values)
    if operator is Operator.BETWEEN:
        _check_between(typed)
    return TypedCondition(operator, typed)


def _moved(operator: Operator, values: Sequence[Scalar], delta_type: str) -> TypedCondition:
    numbers = [_decimal(value, delta_type, from_text=False) for value in values]
    scale = exact(delta_type).scale
    down = [_in_bounds(_quantized(number, scale, ROUND_FLOOR), delta_type) for number in numbers]
    up = [_in_bounds(_quantized(number, scale, ROUND_CEILING), delta_type) for number in numbers]
    if operator is Operator.BETWEEN:
        if numbers[0] > numbers[1]:
            raise ValueError("takes the least value first")
        return TypedCondition(operator, (up[0], down[1]))
    whole = down == up
    if operator in (Operator.GREATER, Operator.AT_LEAST):
        return TypedCondition(operator if whole else Operator.AT_LEAST, tuple(up))
    return TypedCondition(operator if whole else Operator.AT_MOST, tuple(down))


def _check_between(values: Sequence[Literal]) -> None:
    least, greatest = values
    if least > greatest:  # type: ignore[operator]  # both are of one type
        raise ValueError("takes the least value first")


def _decimal(value: Scalar, delta_type: str, *, from_text: bool) -> Decimal:
    readable = from_text or exact(delta_type).scale > 0  # a float of YAML may have fewer digits than a decimal
    if isinstance(value, bool) or (isinstance(value, str) and not readable):
        raise ValueError(f"is {shown(delta_type)}, and {_shown(value)} is no number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"is {shown(delta_type)}, and {value!r} is no number")
    return number


def _quantized(number: Decimal, scale: int, rounding: str) -> Decimal:
    try:
        return number.quantize(Decimal(1).scaleb(-scale), rounding, _EXACTLY)
    except InvalidOperation as error:
        raise ValueError("takes a smaller number") from error


def _in_bounds(number: Decimal, delta_type: str) -> Decimal:
    bounds = exact(delta_type)
    if not bounds.least <= number.scaleb(bounds.scale, _EXACTLY) <= bounds.limit:
        raise ValueError(f"is {shown(delta_type)}, which {number} is out of the range of")
    return number


def _floating(value: Scalar, delta_type: str, *, from_text: bool) -> float:
    if isinstance(value, bool) or (isinstance(value, str) and not from_text):
        raise ValueError(f"is {shown(delta_type)}, and {_shown(value)} is no number")
    try:
        number = float(value)
        if delta_type == "float":
            (number,) = struct.unpack("f", struct.pack("f", number))
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"is {shown(delta_type)}, which has no value {value!r}")
    return number


_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def _boolean(value: Scalar, *, from_text: bool) -> bool:
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if from_text and isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise ValueError(f"is BOOLEAN, and {_shown(value)} is neither true nor false")


def _time(value: Scalar, kind: Kind, delta_type: str) -> date | datetime:
    example = "2026-01-31" if kind is Kind.DATE else "2026-01-31T08:00:00"
    try:
        if kind is Kind.DATE:
            return date.fromisoformat(str(value))
        time = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError(f"is {shown(delta_type)}, and {_shown(value)} is none such as {example}") from error
    if kind is Kind.LOCAL_TIME:
        if time.tzinfo is not None:
            raise ValueError(f"is {shown(delta_type)}, which has no zone, and {value!r} has one")
        return time
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"is {shown(delta_type)}, which {value!r} is out of the range of") from error


def _shown(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
