"""What steps mean, in plain Python: a second way to the same rows, made without a look at the SQL."""

import hashlib
import hmac
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from databricks_uploader.model.steps import (
    Condition,
    Drop,
    FilterStep,
    Hash,
    Mask,
    Operator,
    Pattern,
    Redact,
    RemoveNulls,
    Replacement,
    Round,
    Rule,
    SanitizeStep,
    Step,
    TruncateTime,
)

Cell = Any
"""A value of whatever type a column has."""
Row = dict[str, Cell]
_COMPARED: Mapping[Operator, Callable[[Cell, tuple[Cell, ...]], bool]] = {
    Operator.EQUAL: lambda cell, values: cell == values[0],
    Operator.NOT_EQUAL: lambda cell, values: cell != values[0],
    Operator.GREATER: lambda cell, values: cell > values[0],
    Operator.AT_LEAST: lambda cell, values: cell >= values[0],
    Operator.LESS: lambda cell, values: cell < values[0],
    Operator.AT_MOST: lambda cell, values: cell <= values[0],
    Operator.IN: lambda cell, values: cell in values,
    Operator.NOT_IN: lambda cell, values: cell not in values,
    Operator.BETWEEN: lambda cell, values: values[0] <= cell <= values[1],
}


class Result:
    """The rows that are left, and what each rule did."""

    def __init__(self, steps: Sequence[Step], rows: Sequence[Row], types: Mapping[str, str], key: str) -> None:
        self.excluded: dict[int, int] = {}
        self.altered: dict[int, int] = {}
        self.rows: list[Row] = []
        self.numbers: list[int] = []
        """Which of the rows given those are."""
        self._types, self._key = dict(types), key.encode()
        rules = [rule for step in steps for rule in step.rules]
        for rule in rules:
            if not isinstance(rule, Drop):
                (self.excluded if isinstance(rule, Condition | RemoveNulls) else self.altered)[id(rule)] = 0
        for number, row in enumerate(rows):
            self._add(number, dict(row), steps)

    def _add(self, number: int, row: Row, steps: Sequence[Step]) -> None:
        types, altered = dict(self._types), []
        for step in steps:
            for rule in _in_order(step):
                if isinstance(rule, Condition | RemoveNulls):
                    if not _passes(rule, row[rule.column], types[rule.column]):
                        self.excluded[id(rule)] += 1
                        return
                elif isinstance(rule, Drop):
                    del row[rule.column]
                else:
                    before = row[rule.column]
                    row[rule.column] = after = self._cell(rule, before, types[rule.column])
                    if isinstance(rule, Hash | Mask | Redact):
                        types[rule.column] = "string"
                        before = str(before) if isinstance(before, int) else before
                    if after != before:
                        altered.append(rule)
            if isinstance(step, SanitizeStep) and step.allow is not None:
                row = {name: cell for name, cell in row.items() if name in step.allow}
        for rule in altered:
            self.altered[id(rule)] += 1
        self.rows.append(row)
        self.numbers.append(number)

    def _cell(self, rule: Rule, cell: Cell, kind: str) -> Cell:
        if isinstance(rule, Replacement):
            return _replaced(rule, cell, kind)
        return None if cell is None else _ALTERED[type(rule)](rule, cell, kind, self._key)


_ALTERED: Mapping[type[Rule], Callable[[Any, Cell, str, bytes], Cell]] = {
    Pattern: lambda rule, cell, kind, key: re.sub(rule.pattern, "", cell, flags=re.ASCII),
    Hash: lambda rule, cell, kind, key: hmac.new(key, hashed_bytes(cell, kind), hashlib.sha256).hexdigest(),
    Mask: lambda rule, cell, kind, key: _masked(str(cell), rule.keep_last),
    Redact: lambda rule, cell, kind, key: rule.text,
    Round: lambda rule, cell, kind, key: _rounded(cell, rule.decimals, kind),
    TruncateTime: lambda rule, cell, kind, key: _cut(cell, rule.unit),
}


def _masked(text: str, keep_last: int) -> str:
    kept = text[len(text) - keep_last :] if len(text) > keep_last else ""
    return "*" * (len(text) - len(kept)) + kept


def _in_order(step: Step) -> list[Rule]:
    if isinstance(step, FilterStep):
        return list(step.conditions)
    early = (Pattern, Replacement, RemoveNulls)
    found: list[Rule] = [rule for kind in early for rule in step.written if isinstance(rule, kind)]
    return [*found, *(rule for rule in step.written if not isinstance(rule, early))]


def _passes(rule: Condition | RemoveNulls, cell: Cell, kind: str) -> bool:
    if isinstance(rule, RemoveNulls):
        return cell is not None
    if rule.operator is Operator.IS_NULL:
        return (cell is None) == rule.values[0]
    return cell is not None and _COMPARED[rule.operator](cell, tuple(meant(v, kind) for v in rule.values))


def meant(value: Cell, kind: str) -> Cell:
    """Return the value of a column's type that a rule's value stands for."""
    return _MEANT.get(kind, _decimal)(value)


def _decimal(number: Cell) -> Decimal:
    return Decimal(str(number))


def _in_utc(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


_MEANT: Mapping[str, Callable[[Cell], Cell]] = {
    "double": float,
    "float": lambda value: single(float(value)),
    "string": str,
    "boolean": lambda value: value in (True, "true", "1"),
    "date": date.fromisoformat,
    "timestamp": _in_utc,
    "timestamp_ntz": datetime.fromisoformat,
}


def _replaced(rule: Replacement, cell: Cell, kind: str) -> Cell:
    for before, after in rule.pairs:
        if cell is not None and cell == meant(before, kind):
            return None if after is None else _stored(meant(after, kind), kind)
    return cell


def _stored(value: Cell, kind: str) -> Cell:
    if not isinstance(value, Decimal):
        return value
    return value.quantize(Decimal("0.01")) if kind.startswith("decimal") else int(value)


def single(number: float) -> float:
    """Return the nearest number of 32 bits."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


def _rounded(cell: Cell, decimals: int, kind: str) -> Cell:
    if isinstance(cell, Decimal):
        _, _, exponent = cell.as_tuple()
        return cell.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP).quantize(Decimal(1).scaleb(int(exponent)))
    moved = cell * 10.0**decimals
    if not math.isfinite(moved):
        return cell
    whole = math.trunc(moved)
    away = abs(whole) + (1 if abs(moved - whole) >= 0.5 else 0)
    rounded = math.copysign(away, moved) / 10.0**decimals
    return single(rounded) if kind == "float" else rounded


def _cut(cell: date, unit: str) -> date:
    units = ["year", "month", "day", "hour", "minute", "second", "microsecond"]
    first = {"month": 1, "day": 1}
    fields = [name for name in units[units.index(unit) + 1 :] if hasattr(cell, name)]
    return cell.replace(**{name: first.get(name, 0) for name in fields})


def hashed_bytes(cell: Cell, kind: str) -> bytes:
    """Return the bytes that a value's hash is of."""
    if isinstance(cell, bytes):
        return cell
    if kind == "float" and math.isfinite(cell):
        shortest = next(text for digits in range(1, 10) if single(float(text := f"{cell:.{digits}g}")) == cell)
        return plain_text(float(shortest)).encode()
    return plain_text(cell).encode()


def plain_text(cell: Cell) -> str:
    """Return a value as the text that it is hashed or masked as."""
    match cell:
        case bool():
            return str(cell).lower()
        case float():
            return repr(cell + 0.0)
        case datetime():
            text = cell.replace(tzinfo=None).isoformat(timespec="microseconds")
            return text + "Z" if cell.tzinfo else text
        case date():
            return cell.isoformat()
    return str(cell)
