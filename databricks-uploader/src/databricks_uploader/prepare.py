"""The first look at a pipeline's target table, before anything is claimed."""

import secrets

from databricks_uploader.errors import StateError, TransientError
from databricks_uploader.events import Began, TableCreated, Tell
from databricks_uploader.model.claim import OWNER_BITS, Head, Position
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.source import SourceTable, is_time, natural_schema, typed_columns
from databricks_uploader.model.table import TargetTable
from databricks_uploader.ports import Ports


def prepare(pipeline: Pipeline, ports: Ports, tell: Tell) -> Position | None:
    """Return where the pipeline stands; None while a source that was never read has no row.

    A pipeline that state does not know gets its table created if it isn't there. A table that has claims of
    this identity says where to go on: state was lost, and is rebuilt from it.
    """
    known = ports.state.position(pipeline.identity)
    if known is not None:
        return known
    source = ports.source.table()
    if ports.source.is_empty(source):
        return None
    timestamp_column = ports.source.timestamp_column(source)
    table = ports.destination.table()
    if table is None:
        ports.destination.create(natural_schema(source, timestamp_column))
        tell(TableCreated(pipeline.identity))
        table = ports.destination.table()
        if table is None:
            raise TransientError("the table that was just created can't be seen yet", hint="try again")
    typed = typed_columns(source, timestamp_column, table.schema)
    timestamp_column = next((c.name for c in typed.columns if is_time(c, timestamp_column)), None)
    head = ports.destination.head()
    position = (
        _beginning(table, timestamp_column) if head is None else _after(head, table, source, timestamp_column, ports)
    )
    ports.state.begin(pipeline.identity, position)
    tell(Began(pipeline.identity, position, rebuilt=head is not None))
    return position


def _beginning(table: TargetTable, timestamp_column: str | None) -> Position:
    return Position(
        owner=secrets.randbits(OWNER_BITS),
        incarnation=secrets.randbits(63),
        cursor=None,
        sequence=0,
        head=None,
        table_id=table.id,
        schema=table.schema,
        timestamp_column=timestamp_column,
    )


def _after(head: Head, table: TargetTable, source: SourceTable, timestamp_column: str | None, ports: Ports) -> Position:
    """Go on after the last row of the table's newest claim, if the source still has that row."""
    last = ports.destination.last_row(head, timestamp_column)
    if last is None:
        raise StateError(
            f"the table holds claim {head.sequence} of this node, state is lost, and the table can't tell the "
            "last row of that claim",
            hint="restore the state directory; or load into another table (--table) to begin anew",
        )
    try:
        time = None if timestamp_column is None else ports.source.time_of_row(source, last.key, timestamp_column)
    except KeyError:
        found = "is not in the source"
    else:
        found = "has another time in the source" if time != last.time else ""
    if found:
        raise StateError(
            f"the table holds claim {head.sequence} of this node, state is lost, and row {last.key}, the last one "
            f"of that claim, {found}: it is not the same database",
            hint="restore the state directory; or give this database its own --node-id to load it from the beginning",
        )
    return Position(
        owner=secrets.randbits(OWNER_BITS),
        incarnation=last.incarnation,
        cursor=last.key,
        sequence=head.sequence,
        head=head,
        table_id=table.id,
        schema=table.schema,
        timestamp_column=timestamp_column,
    )
