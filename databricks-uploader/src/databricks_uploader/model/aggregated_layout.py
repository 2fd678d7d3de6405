"""How rows go from a source table into whatever target table: of their own columns, or of an aggregation's."""

from collections.abc import Mapping
from dataclasses import replace

from databricks_uploader.errors import PermanentError
from databricks_uploader.model import layout
from databricks_uploader.model.aggregation import AggregateStep, Into, is_window, written
from databricks_uploader.model.columns import columns_of
from databricks_uploader.model.layout import Layout, Rules
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.table import LINEAGE, TableSchema
from databricks_uploader.model.work import Aggregate, Work


def laid_out(
    table: SourceTable, time: str | None, target: TableSchema, rules: Rules, recorded: tuple[str, ...] = ()
) -> Layout:
    """Return how rows go from a source table into a target table; `time` is the source column of their times.

    `recorded`: what told the target table's rows apart so far, where an aggregation has filled it. Raises ConfigError
    where a rule or an aggregation does not fit.
    """
    if rules.aggregate is None:
        return layout.laid_out(table, time, target, rules)
    found = _aggregated(table, time, target, rules, Into(target, recorded))
    empty = [c.name for c in target.columns if not c.nullable and _filled(found).get(c.name) is None]
    if empty:
        raise PermanentError(
            f"column {empty[0]!r} of the target table is NOT NULL, and the aggregation has no such column",
            hint=f"run ALTER TABLE … ALTER COLUMN `{empty[0]}` DROP NOT NULL, then start again",
        )
    return found


def made_for(table: SourceTable, time: str | None, rules: Rules) -> TableSchema:
    """Return the schema of a target table made for a source table; the lineage columns come last."""
    if rules.aggregate is None:
        return layout.made_for(table, time, rules)
    return _filled(_aggregated(table, time, TableSchema(()), rules, None))


def _aggregated(table: SourceTable, time: str | None, target: TableSchema, rules: Rules, into: Into | None) -> Layout:
    """Lay out rows as if into a table made for them; of what is left of them, only what the aggregation needs.

    Nothing else leaves the node: what it groups by and aggregates was named by a person.
    """
    natural = TableSchema.of([pair.target for pair in layout.laid_out(table, time, TableSchema(()), rules).missing])
    rows = layout.laid_out(table, time, natural, rules)
    names = {pair.source.name: pair.target.name for pair in rows.pairs}
    step, of_time = _renamed(rules.aggregate, names), None if time is None else names.get(time)
    columns = rows.work.output
    rules.check_aggregate(len(rules.steps), step, columns, of_time, into)
    of_rows = columns.get(of_time or "")
    if of_rows is None:
        raise ValueError("an aggregation that fits has a column of time")
    used = {of_rows.name.casefold(), *(name.casefold() for name in step.groups)}
    used |= {one.column.casefold() for one in step.aggregations}
    ruled = {rule.column.casefold() for each in rows.work.steps for rule in each.rules}
    pairs = tuple(pair for pair in rows.pairs if pair.target.name.casefold() in used | ruled)
    judged = frozenset(column.name for column in columns.columns if column.name.casefold() in used)
    work = Work(rows.work.steps, columns_of(pairs), judged if rows.work.steps else None, key=rules.key)
    aggregate = Aggregate(step, work.output, of_rows.name, written(step, work.output, target))
    return replace(rows, pairs=pairs, missing=(), work=work, aggregate=aggregate)


def _filled(found: Layout) -> TableSchema:
    if found.aggregate is None:
        raise ValueError("no aggregation")
    return TableSchema.of([*found.aggregate.output.columns, *LINEAGE.columns])


def _renamed(step: AggregateStep | None, names: Mapping[str, str]) -> AggregateStep:
    """Return an aggregation of target columns, where a person wrote the names of source columns."""
    if step is None:
        raise ValueError("no aggregation")
    folded = {name.casefold(): target for name, target in reversed(list(names.items()))}

    def to_target(name: str) -> str:
        return names.get(name) or folded.get(name.casefold(), name)

    groups = tuple(name if is_window(name) else to_target(name) for name in step.group_by)
    aggregations = tuple(replace(one, column=to_target(one.column)) for one in step.aggregations)
    return replace(step, group_by=groups, aggregations=aggregations)
