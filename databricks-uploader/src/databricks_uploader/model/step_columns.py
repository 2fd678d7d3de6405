"""Which columns steps leave, which are withheld, and whether the source's key is among what rules touch."""

from collections.abc import Collection, Iterable, Sequence

from databricks_uploader.model.steps import (
    Drop,
    Hash,
    Mask,
    Pattern,
    Redact,
    Replacement,
    Round,
    SanitizeStep,
    Step,
    TruncateTime,
)
from databricks_uploader.model.table import Column, TableSchema

_TO_TEXT = (Hash, Mask, Redact)
_ALTERING = (Pattern, Replacement, Hash, Mask, Redact, Drop, Round, TruncateTime)
TEXT = "string"


def after(step: Step, columns: TableSchema) -> TableSchema:
    """Return the columns that one step leaves, with their types."""
    if not isinstance(step, SanitizeStep):
        return columns
    dropped = _names(rule.column for rule in step.rules if isinstance(rule, Drop))
    texts = _names(rule.column for rule in step.rules if isinstance(rule, _TO_TEXT))
    allowed = None if step.allow is None else _names(step.allow)
    return TableSchema.of(
        [
            Column(c.name, TEXT, c.nullable) if c.name.casefold() in texts else c
            for c in columns.columns
            if c.name.casefold() not in dropped and (allowed is None or c.name.casefold() in allowed)
        ]
    )


def output(steps: Sequence[Step], columns: TableSchema, judged: Collection[str] | None = None) -> TableSchema:
    """Return the columns of what `steps` make of a table, in the table's order.

    `judged` are the columns that a person has let out: others are withheld. None where that is not asked, as in
    a pipeline that is not secure.
    """
    for step in steps:
        columns = after(step, columns)
    if judged is None:
        return columns
    let_out = _names(judged)
    return TableSchema.of([c for c in columns.columns if c.name.casefold() in let_out])


def withheld(steps: Sequence[Step], columns: TableSchema, judged: Collection[str] | None = None) -> tuple[str, ...]:
    """Return the columns of a table that `output` lacks."""
    left = output(steps, columns, judged)
    return tuple(c.name for c in columns.columns if left.get(c.name) is None)


def allowed(steps: Sequence[Step]) -> tuple[str, ...] | None:
    """Return the columns that `allow` lets pass, where a step has it: they are the judged ones then."""
    lists = [step.allow for step in steps if isinstance(step, SanitizeStep) and step.allow is not None]
    if not lists:
        return None
    return tuple(name for name in lists[0] if all(name.casefold() in _names(other) for other in lists[1:]))


def judged_columns(steps: Sequence[Step], recorded: Collection[str]) -> frozenset[str]:
    """Return the judged columns of a secure pipeline: exactly those of `allow`; without it the recorded ones.

    `recorded`: the columns of the secure table where it exists, else those that the source had at the first start.
    """
    exactly = allowed(steps)
    return frozenset(recorded if exactly is None else exactly)


def touches(steps: Sequence[Step], columns: TableSchema, name: str, judged: Collection[str] | None = None) -> bool:
    """Tell whether column `name` is not loaded just as the source has it: some rule alters or withholds it."""
    altered = any(
        isinstance(rule, _ALTERING) and rule.column.casefold() == name.casefold()
        for step in steps
        for rule in step.rules
    )
    return altered or output(steps, columns, judged).get(name) is None


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)
