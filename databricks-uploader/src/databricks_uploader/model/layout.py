"""Which source columns are read, in which types, and what of them goes into which target column."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from databricks_uploader.errors import PermanentError
from databricks_uploader.model.aggregation import AggregateStep, Into
from databricks_uploader.model.columns import (
    Pair,
    addition,
    check_takes,
    columns_of,
    natural_type,
    side_by_side,
)
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.step_columns import allowed, output, touches
from databricks_uploader.model.steps import (
    Condition,
    FilterStep,
    Hash,
    Mask,
    Operator,
    Redact,
    RemoveNulls,
    Replacement,
    Rule,
    SanitizeStep,
    Step,
    is_secure,
)
from databricks_uploader.model.table import LINEAGE, Column, DeltaType, TableSchema
from databricks_uploader.model.work import Aggregate, Work

CheckRules = Callable[[Sequence[Step], TableSchema], None]
"""Raises ConfigError where steps can't be applied to a table of these columns."""

CheckAggregate = Callable[[int, AggregateStep, TableSchema, str | None, Into | None], None]
"""Raises ConfigError where an aggregation can't be applied to rows of these columns and that time, or not into that."""


@dataclass(frozen=True)
class Rules:
    """What a pipeline does to rows, and who tells whether that can be done."""

    steps: tuple[Step, ...] = ()
    key: Secret | None = None
    check: CheckRules = lambda _steps, _columns: None
    aggregate: AggregateStep | None = None
    check_aggregate: CheckAggregate = lambda _number, _step, _columns, _time, _into: None


@dataclass(frozen=True)
class Layout:
    """The columns of a source table on their way into a target table."""

    pairs: tuple[Pair, ...]
    """What is read, each column in the type in which steps see it."""
    missing: tuple[Pair, ...]
    """What would go out and has no target column, with what that would be."""
    withheld: tuple[str, ...]
    """Source columns that steps let not out."""
    work: Work
    time: str | None = None
    """The written column that holds the rows' time as TIMESTAMP, as the source has it or cut by a rule."""
    time_as_read: str | None = None
    """The same, where no rule touches it."""
    aggregate: Aggregate | None = None
    """What becomes of rows after the work."""

    @property
    def output(self) -> TableSchema:
        """The columns of a claim's file, without the lineage columns."""
        return self.work.output if self.aggregate is None else self.aggregate.output

    def ddl(self, table: str) -> str:
        """What to run so that no column is missing."""
        return addition(self.missing, table)


def laid_out(table: SourceTable, time: str | None, target: TableSchema, rules: Rules) -> Layout:
    """Return how rows go from a source table into a target table; `time` is the source column of their times.

    A column has the target table's type, except where steps make it text or withhold it: then it is read in the type
    that its declared one stands for. Raises ConfigError where a rule does not fit, PermanentError where a value can't.
    """
    found = side_by_side(table, time, target)
    if not rules.steps:
        check_takes(found.pairs, target)
        return _with_time(Layout(found.pairs, found.missing, (), Work((), columns_of(found.pairs))), time)
    ways = {pair.source.name: pair for pair in (*found.pairs, *found.missing)}
    steps = renamed(rules.steps, {name: pair.target.name for name, pair in ways.items()})
    there = {pair.source.name for pair in found.pairs}
    typed = [_typed(ways[c.name], time, steps, found=c.name in there) for c in table.columns]
    columns = columns_of(typed)
    rules.check(steps, columns)
    passing = output(steps, columns, allowed(steps))
    out = {p.target.name: Pair(p.source, left) for p in typed if (left := passing.get(p.target.name)) is not None}
    _check_fits(out, target, steps)
    judged = frozenset(name for name in out if target.get(name) is not None)
    ruled = {rule.column.casefold() for step in steps for rule in step.rules}
    read = tuple(p for p in typed if p.target.name in judged or p.target.name.casefold() in ruled)
    key = [p.target.name for p in typed if table.rowid is not None and _same(p.source.name, table.rowid)]
    numbered = is_secure(steps) and any(touches(steps, columns, name, judged) for name in key)
    return _with_time(
        Layout(
            read,
            tuple(pair for name, pair in out.items() if name not in judged),
            tuple(p.source.name for p in typed if p.target.name not in out),
            Work(steps, columns_of(read), judged, numbered, rules.key),
        ),
        time,
    )


def made_for(table: SourceTable, time: str | None, rules: Rules) -> TableSchema:
    """Return the schema of a target table made for a source table: what steps leave of it, then the lineage columns."""
    layout = laid_out(table, time, TableSchema(()), rules)
    return TableSchema.of([*(pair.target for pair in layout.missing), *LINEAGE.columns])


def renamed(steps: Sequence[Step], names: Mapping[str, str]) -> tuple[Step, ...]:
    """Return steps whose rules are about target columns, where a person wrote the names of source columns."""
    folded = {name.casefold(): target for name, target in reversed(list(names.items()))}

    def to_target(name: str) -> str:
        return names.get(name) or folded.get(name.casefold(), name)

    found: list[Step] = []
    for step in steps:
        if isinstance(step, FilterStep):
            found.append(FilterStep(tuple(replace(rule, column=to_target(rule.column)) for rule in step.conditions)))
        else:
            rules = tuple(replace(rule, column=to_target(rule.column)) for rule in step.written)
            allow = None if step.allow is None else tuple(map(to_target, step.allow))
            found.append(SanitizeStep(rules, allow))
    return tuple(found)


def _typed(pair: Pair, time: str | None, steps: Sequence[Step], *, found: bool) -> Pair:
    """Return a column in the type in which steps see it."""
    rules = [rule for step in steps for rule in step.rules if _same(rule.column, pair.target.name)]
    if not found or pair.target.kind is None or any(isinstance(rule, Hash | Mask | Redact) for rule in rules):
        return Pair(pair.source, Column(pair.target.name, natural_type(pair.source, time)))
    nullable = pair.target.nullable or any(map(_without_null, rules))  # rows with NULL are excluded, not quarantined
    return Pair(pair.source, replace(pair.target, nullable=nullable))


def _without_null(rule: Rule) -> bool:
    """Tell whether a rule leaves no row with NULL in its column."""
    if isinstance(rule, Condition):
        return rule.operator is not Operator.IS_NULL or rule.values == (False,)
    return isinstance(rule, RemoveNulls)


def _check_fits(out: Mapping[str, Pair], target: TableSchema, steps: Sequence[Step]) -> None:
    """Raise PermanentError where the target table can't take what steps leave of a column."""
    there = [Pair(pair.source, column) for name, pair in out.items() if (column := target.get(name)) is not None]
    check_takes(there, target)
    if target.columns and not there:
        raise PermanentError(
            "the target table has no column for what the steps let out",
            hint="give it one, or load into another table (--table)",
        )
    for pair in there:
        made = out[pair.target.name].target
        if made.type != pair.target.type:
            raise PermanentError(
                f"column {pair.target.name!r} of the target table is {pair.target.sql_type}, and the rules make it "
                f"{made.sql_type}",
                hint=f"give the target table the column as {made.sql_type}, or load into another table (--table)",
            )
        if not pair.target.nullable and _may_become_null(steps, pair.target.name):
            raise PermanentError(
                f"column {pair.target.name!r} of the target table is NOT NULL, and a rule replaces values by NULL",
                hint="add remove_nulls for it, or load into another table (--table)",
            )


def _may_become_null(steps: Sequence[Step], name: str) -> bool:
    null = False
    for rule in (rule for step in steps for rule in step.rules if _same(rule.column, name)):
        null = (null or (isinstance(rule, Replacement) and None in [to for _, to in rule.pairs])) and not (
            _without_null(rule)
        )
    return null


def _with_time(layout: Layout, time: str | None) -> Layout:
    of_time = next((pair.target.name for pair in layout.pairs if pair.source.name == time), None)
    written = None if of_time is None else layout.work.output.get(of_time)
    if written is None or written.kind is not DeltaType.TIMESTAMP:
        return layout
    untouched = not touches(layout.work.steps, layout.work.columns, written.name)
    return replace(layout, time=written.name, time_as_read=written.name if untouched else None)


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
