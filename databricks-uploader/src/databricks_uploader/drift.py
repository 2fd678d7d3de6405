"""What became of the columns since they were seen last: of the source's, and of the target table's."""

from collections.abc import Sequence
from dataclasses import replace

from databricks_uploader.errors import ConfigError, PermanentError
from databricks_uploader.events import ColumnsAdded, Notice, Tell
from databricks_uploader.model.aggregated_layout import laid_out
from databricks_uploader.model.columns import Pair
from databricks_uploader.model.layout import Layout, Rules
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.position import Position
from databricks_uploader.model.source import SourceTable
from databricks_uploader.ports import Ports


def columns_now(
    pipeline: Pipeline, table: SourceTable, position: Position, ports: Ports, tell: Tell
) -> tuple[Position, Layout]:
    """Return which target column takes what of which source column now; what it lacks is added, withheld or refused.

    A column that is gone is told once: its target column is NULL from now on.
    """
    of_rows = position.time_column
    time = None if of_rows is None else of_rows.name
    names = tuple(column.name for column in table.columns)
    new = [name for name in names if name not in position.source_columns]
    rules, target = rules_of(pipeline, ports), pipeline.identity.target_table
    position, found = _matched(table, time, position, rules, ports)
    unheard = [pair for pair in found.missing if pair.source.name in new]
    if unheard and pipeline.on_new_column == "add":
        ports.destination.add_columns([pair.target for pair in found.missing])
        tell(ColumnsAdded(pipeline.identity, tuple(pair.target.name for pair in found.missing)))
        position, found = _looked_again(table, time, position, rules, ports)
    elif unheard and pipeline.on_new_column == "stop":
        raise PermanentError(
            f"the target table lacks {_named(found.missing)} (on_new_column is stop)",
            hint=f"run {found.ddl(target)}, then start again",
        )
    elif unheard:
        tell(Notice(f"the target table lacks {_named(unheard)}, withheld until you run {found.ddl(target)}"))
    gone = [name for name in position.source_columns if table.get(name) is None]
    for name in gone:
        tell(Notice(f"column {name!r} of {table.name!r} is gone: it is NULL in rows from now on"))
    of_time = position.timestamp_column or found.time_as_read
    return replace(position, source_columns=names, timestamp_column=of_time, numbered=found.work.numbered), found


def rules_of(pipeline: Pipeline, ports: Ports) -> Rules:
    """Return what a pipeline does to rows, and how that is checked."""
    if ports.steps is None:
        return Rules()
    return Rules(pipeline.steps, pipeline.key, ports.steps.check, pipeline.aggregate, ports.steps.check_aggregate)


def _matched(
    table: SourceTable, time: str | None, position: Position, rules: Rules, ports: Ports
) -> tuple[Position, Layout]:
    """Match against the target table as it was; where that did not take all, look what it is now."""
    try:
        found = laid_out(table, time, position.schema, rules, position.group_keys)
    except (ConfigError, PermanentError):
        return _looked_again(table, time, position, rules, ports)
    asked_for = [pair for pair in found.missing if pair.source.name not in position.source_columns]
    return _looked_again(table, time, position, rules, ports) if asked_for else (position, found)


def _looked_again(
    table: SourceTable, time: str | None, position: Position, rules: Rules, ports: Ports
) -> tuple[Position, Layout]:
    target = ports.destination.table()
    if target is not None and target.id == position.table_id:
        position = replace(position, schema=target.schema)
    return position, laid_out(table, time, position.schema, rules, position.group_keys)


def _named(pairs: Sequence[Pair]) -> str:
    return f"the column {', '.join(repr(pair.target.name) for pair in pairs)}"
