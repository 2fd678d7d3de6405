"""Steps and their rules as values: what a person asked for, before any table is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

Scalar = str | int | float | bool
"""A value of a rule as YAML and JSON have it; never NULL."""
Inside = tuple[str | int, ...]
"""The way from the top of a step's rules to a part of them."""
LONGEST_FRACTION = 15


class Operator(StrEnum):
    """How a filter compares a column with values."""

    EQUAL = "="
    NOT_EQUAL = "!="
    GREATER = ">"
    AT_LEAST = ">="
    LESS = "<"
    AT_MOST = "<="
    IN = "in"
    NOT_IN = "not_in"
    BETWEEN = "between"
    IS_NULL = "is_null"


class TimeUnit(StrEnum):
    """What times are cut to."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"
    MINUTE = "minute"
    SECOND = "second"


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What all rules have in common."""

    column: str
    inside: Inside = field(default=(), compare=False, repr=False)
    """Where it is written within its step's rules."""
    name: ClassVar[str]

    @property
    def label(self) -> str:
        """The rule's column and name, for counts; no value."""
        return f"{self.column} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Condition(_Rule):
    """Rows pass where the column compares with `values`; NULL does only with IS_NULL."""

    name = "condition"
    operator: Operator
    values: tuple[Scalar, ...]
    """One value; for BETWEEN the least and the greatest, for IN and NOT_IN some, for IS_NULL True or False."""

    def __post_init__(self) -> None:
        _check_values(self.operator, self.values)

    @property
    def label(self) -> str:
        """The rule's column and operator, for counts; no value."""
        return f"{self.column} {self.operator}"


def _check_values(operator: Operator, values: Sequence[object]) -> None:
    match operator:
        case Operator.IS_NULL if len(values) != 1 or not isinstance(values[0], bool):
            raise ValueError("takes true or false")
        case Operator.IN | Operator.NOT_IN if not values:
            raise ValueError("takes a list of at least one value")
        case Operator.BETWEEN if len(values) != 2:  # noqa: PLR2004  (the least and the greatest)
            raise ValueError("takes a list of two values")
    for value in values:
        check_value(value, "; NULL is matched by is_null: true")


def check_value(value: object, about_null: str = "") -> None:
    """Raise ValueError where a rule can't hold this value."""
    if value is None:
        raise ValueError(f"can't be null{about_null}")
    if not isinstance(value, str | int | float):
        raise ValueError("takes one value")  # noqa: TRY004  (a person wrote it)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("takes a number that is finite")


@dataclass(frozen=True, kw_only=True)
class Pattern(_Rule):
    """Every match of a pattern (RE2) is removed from a text."""

    name = "pattern"
    pattern: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.pattern:
            raise ValueError("has an empty pattern, which removes nothing")


@dataclass(frozen=True, kw_only=True)
class Replacement(_Rule):
    """Whole cells that have one of some values get another one, which may be NULL."""

    name = "replace"
    pairs: tuple[tuple[Scalar, Scalar | None], ...] = field(repr=False)
    """From, to; values of `from` that are texts are read as values of the column's type."""

    def __post_init__(self) -> None:
        if not self.pairs:
            raise ValueError("takes at least one value to replace")
        for before, after in self.pairs:
            check_value(before)
            if after is not None:
                check_value(after)


@dataclass(frozen=True, kw_only=True)
class RemoveNulls(_Rule):
    """Rows in which the column is NULL are excluded."""

    name = "remove_nulls"


@dataclass(frozen=True, kw_only=True)
class Hash(_Rule):
    """Values become their HMAC-SHA-256 in hexadecimal digits."""

    name = "hash"


@dataclass(frozen=True, kw_only=True)
class Mask(_Rule):
    """Every character but the last ones becomes an asterisk; all do where there are no more than that."""

    name = "mask"
    keep_last: int

    def __post_init__(self) -> None:
        if self.keep_last < 0:
            raise ValueError("takes a number of characters from 0 on")


@dataclass(frozen=True, kw_only=True)
class Redact(_Rule):
    """Values become one text."""

    name = "redact"
    text: str


@dataclass(frozen=True, kw_only=True)
class Drop(_Rule):
    """The column is withheld."""

    name = "drop"


@dataclass(frozen=True, kw_only=True)
class Round(_Rule):
    """Numbers are rounded to some decimals, halves away from zero."""

    name = "round"
    decimals: int

    def __post_init__(self) -> None:
        if not 0 <= self.decimals <= LONGEST_FRACTION:
            raise ValueError(f"takes a number of decimals from 0 to {LONGEST_FRACTION}")


@dataclass(frozen=True, kw_only=True)
class TruncateTime(_Rule):
    """Times are cut to the beginning of their hour, day, …, in UTC."""

    name = "truncate_time"
    unit: TimeUnit


LastRule = Hash | Mask | Redact | Drop | Round | TruncateTime
SanitizeRule = Pattern | Replacement | RemoveNulls | LastRule
Rule = Condition | SanitizeRule
_ORDER = (Pattern, Replacement, RemoveNulls)


@dataclass(frozen=True)
class FilterStep:
    """Rows pass that meet all conditions."""

    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        if not self.conditions:
            raise ValueError("takes at least one rule")

    @property
    def rules(self) -> tuple[Condition, ...]:
        """The conditions, in the order in which they are asked."""
        return self.conditions


@dataclass(frozen=True)
class SanitizeStep:
    """Values are altered or withheld; rows with NULL may be excluded."""

    written: tuple[SanitizeRule, ...] = ()
    allow: tuple[str, ...] | None = None
    """The only columns that pass; None: all that are judged."""

    def __post_init__(self) -> None:
        if not self.written and self.allow is None:
            raise ValueError("takes at least one rule")
        if self.allow is not None and not self.allow:
            raise ValueError("takes at least one column to allow")
        ruled: set[tuple[str, int]] = set()
        for rule in self.written:
            kind = (rule.column.casefold(), _rank(rule))
            if kind in ruled:
                raise ValueError(f"has two rules for {rule.column!r} that can't both count")
            ruled.add(kind)

    @property
    def rules(self) -> tuple[SanitizeRule, ...]:
        """The rules in the order in which they are applied: patterns, replacements, remove_nulls, the rest."""
        return tuple(sorted(self.written, key=_rank))


def _rank(rule: SanitizeRule) -> int:
    return next((rank for rank, kind in enumerate(_ORDER) if isinstance(rule, kind)), len(_ORDER))


Step = FilterStep | SanitizeStep


def is_secure(steps: Sequence[Step]) -> bool:
    """Tell whether steps make a secure pipeline: one with a sanitize step."""
    return any(isinstance(step, SanitizeStep) for step in steps)


def needs_key(steps: Sequence[Step]) -> bool:
    """Tell whether a rule needs the key of `hash`."""
    return any(isinstance(rule, Hash) for step in steps for rule in step.rules)
