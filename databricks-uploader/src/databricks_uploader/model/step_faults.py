"""Whether rules fit a table's columns: all faults at once, before anything is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from databricks_uploader.model.column_kinds import Kind, exact, kind_of, shown
from databricks_uploader.model.literals import literal, typed_condition
from databricks_uploader.model.step_columns import after
from databricks_uploader.model.steps import (
    Condition,
    Drop,
    Inside,
    Mask,
    Pattern,
    RemoveNulls,
    Replacement,
    Round,
    Rule,
    SanitizeStep,
    Step,
    TimeUnit,
    TruncateTime,
)
from databricks_uploader.model.table import Column, TableSchema

_OF_DATES = {TimeUnit.YEAR, TimeUnit.MONTH}


@dataclass(frozen=True)
class StepFault:
    """What is wrong with a rule of the step with that number (the first is 0), and where it is written there."""

    step: int
    inside: Inside
    text: str


def step_faults(steps: Sequence[Step], columns: TableSchema) -> list[StepFault]:
    """Return everything that keeps steps from being applied, in order, to a table of these columns."""
    found: list[StepFault] = []
    for number, step in enumerate(steps):
        found += (StepFault(number, inside, text) for inside, text in _of_step(step, columns))
        columns = after(step, columns)
    return found


def _of_step(step: Step, columns: TableSchema) -> Iterator[tuple[Inside, str]]:
    for rule in step.rules:
        column = columns.get(rule.column)
        if column is None:
            yield rule.inside, _no_column(rule.column, columns)
            continue
        try:
            _check(rule, column)
        except ValueError as error:
            yield rule.inside, str(error)
    if isinstance(step, SanitizeStep):
        yield from _of_allow(step, columns)
        if columns.columns and not after(step, columns).columns:
            yield (), "lets no column pass"


def _of_allow(step: SanitizeStep, columns: TableSchema) -> Iterator[tuple[Inside, str]]:
    if step.allow is None:
        return
    allowed = {name.casefold() for name in step.allow}
    for rule in step.rules:
        passes = rule.column.casefold() in allowed
        if isinstance(rule, Drop) and passes:
            yield rule.inside, f"withholds {rule.column!r}, which allow lets pass"
        elif not isinstance(rule, Drop | RemoveNulls) and not passes:
            what = f"alters {rule.column!r}, which allow does not let pass"
            yield rule.inside, f"{what}: put it there, or leave the rule out"
    for number, name in enumerate(step.allow):
        if columns.get(name) is None:
            yield ("allow", number), _no_column(name, columns)


def _no_column(name: str, columns: TableSchema) -> str:
    names = {c.name.lower(): c.name for c in columns.columns}
    close = get_close_matches(name.lower(), names, n=1)
    near = f", did you mean {names[close[0]]!r}?" if close else f"; there are {', '.join(names.values()) or 'none'}"
    return f"is about {name!r}, which is no column there{near}"


def _check(rule: Rule, column: Column) -> None:
    """Raise ValueError, in words that go on from the rule's place, where a rule does not fit its column."""
    kind = kind_of(column.type)
    match rule:
        case Condition():
            typed_condition(rule, column.type)
        case Pattern() if kind is not Kind.TEXT:
            raise ValueError(f"is {shown(column.type)}, and a pattern is for STRING")
        case Replacement():
            _check_pairs(rule, column.type)
        case Mask() if kind is not Kind.TEXT and not (kind is Kind.EXACT and exact(column.type).whole_numbers):
            raise ValueError(f"is {shown(column.type)}, and mask is for STRING and integers")
        case Round() if kind is not Kind.FLOATING and not (kind is Kind.EXACT and exact(column.type).scale):
            raise ValueError(f"is {shown(column.type)}, which has no decimals to round")
        case TruncateTime() if kind is Kind.DATE and rule.unit not in _OF_DATES:
            raise ValueError(f"is DATE, which can be cut to month or year, not to {rule.unit}")
        case TruncateTime() if kind not in (Kind.DATE, Kind.INSTANT, Kind.LOCAL_TIME):
            raise ValueError(f"is {shown(column.type)}, and truncate_time is for times")


def _check_pairs(rule: Replacement, delta_type: str) -> None:
    before = [literal(value, delta_type, from_text=True) for value, _ in rule.pairs]
    for value, _ in rule.pairs:
        if before.count(literal(value, delta_type, from_text=True)) > 1:
            raise ValueError(f"replaces {value!r} twice")
    for _, after_it in rule.pairs:
        if after_it is not None:
            literal(after_it, delta_type)
