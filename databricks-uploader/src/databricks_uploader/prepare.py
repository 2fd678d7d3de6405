"""The first look at a pipeline's target table, before anything is claimed."""

import secrets
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from databricks_uploader.drift import rules_of
from databricks_uploader.errors import ConfigError, StateError, TransientError
from databricks_uploader.events import Began, Judged, TableCreated, Tell
from databricks_uploader.model.aggregated_layout import laid_out, made_for
from databricks_uploader.model.claim import OWNER_BITS, Head
from databricks_uploader.model.gaps import LOWEST
from databricks_uploader.model.layout import Layout
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.source import SourceTable, witness_columns
from databricks_uploader.model.table import TargetTable
from databricks_uploader.model.times import EPOCH, TimeColumn
from databricks_uploader.model.witness import MOST_DENSE, Values, Witness, Witnesses, fingerprint
from databricks_uploader.ports import Ports


def prepare(pipeline: Pipeline, ports: Ports, tell: Tell) -> Position | None:
    """Return where the pipeline stands; None while a source that was never read has no row.

    A pipeline that state does not know gets its table created if it isn't there. A table that has claims of
    this identity says where to go on: state was lost, and is rebuilt from it.
    """
    known = ports.state.position(pipeline.identity)
    if known is not None:
        if pipeline.order not in ("auto", known.order):
            raise ConfigError(
                f"cursor is set to {pipeline.order}, and {pipeline.identity.source_table!r} was begun by {known.order}",
                hint="leave it as it was, or load into another table (--table)",
            )
        return known
    source = ports.source.table()
    if pipeline.start != "now" and ports.source.is_empty(source):
        return None
    time = ports.source.time_column(source)
    time_name = None if time is None else time.name
    table, rules = ports.destination.table(), rules_of(pipeline, ports)
    if table is None:
        made = made_for(source, time_name, rules)
        ports.destination.create(made, time_name if pipeline.aggregate is None else pipeline.aggregate.tokens[0])
        tell(TableCreated(pipeline.identity))
        table = ports.destination.table()
        if table is None:
            raise TransientError("the table that was just created can't be seen yet", hint="try again")
    layout = laid_out(source, time_name, table.schema, rules)
    first = _first(pipeline, source, time, table, layout)
    head = ports.destination.head()
    if head is None:
        standing = _started(first, pipeline, source, ports)
    elif pipeline.aggregate is not None:  # all windows are computed anew: the table keeps those of more rows
        begun = replace(first, sequence=head.sequence, head=head)
        # When "now" was is not known any more.
        standing = Standing(begun, Witnesses()) if pipeline.start == "now" else _started(begun, pipeline, source, ports)
    else:
        standing = _after(head, first, source, ports)
    ports.state.stand(pipeline.identity, standing)
    if pipeline.secure:
        withheld = (*layout.withheld, *(pair.source.name for pair in layout.missing))
        tell(Judged(pipeline.identity, tuple(c.name for c in layout.output.columns), withheld))
    tell(Began(pipeline.identity, standing.position, rebuilt=head is not None))
    return standing.position


def _first(
    pipeline: Pipeline, source: SourceTable, time: TimeColumn | None, table: TargetTable, layout: Layout
) -> Position:
    """Return a position before all rows, with what was just seen of both tables."""
    time_name = None if time is None else time.name
    return Position(
        owner=secrets.randbits(OWNER_BITS),
        incarnation=secrets.randbits(63),
        cursor=None,
        sequence=0,
        head=None,
        table_id=table.id,
        schema=table.schema,
        timestamp_column=layout.time_as_read,
        witness_columns=witness_columns(source, time_name),
        timed=time is not None,
        secret=secrets.token_bytes(16),
        order=_order(pipeline, source, time_name),
        units={} if time is None or time.unit is None else {time.name: time.unit},
        numbered=layout.work.numbered,
        group_keys=() if layout.aggregate is None else layout.aggregate.step.keys,
    )


def _order(pipeline: Pipeline, source: SourceTable, time: str | None) -> Literal["rowid", "time"]:
    """Choose what the cursor is of: the rowid, wherever there is one."""
    order = pipeline.order
    if order == "auto":
        order = "time" if source.rowid is None else "rowid"
    if order == "rowid" and source.rowid is None:
        raise ConfigError(f"{source.name!r} has no rowids", hint="leave cursor unset, or set it to timestamp")
    if order == "time" and time is None:
        raise ConfigError(
            f"{source.name!r} is read in the order of times, and no column holds them",
            hint="name the column with --timestamp-col (timestamp_col in YAML)",
        )
    return order


def _started(first: Position, pipeline: Pipeline, source: SourceTable, ports: Ports) -> Standing:
    """Begin where the pipeline is set to."""
    if pipeline.start == "beginning":
        return Standing(first, Witnesses())
    if pipeline.start != "now" and not first.timed:
        raise ConfigError(
            f"start is a time, and no column of {source.name!r} holds the rows' time",
            hint="set start to beginning or now, or name the column with --timestamp-col",
        )
    time = None if pipeline.start == "now" else pipeline.start
    if first.order == "time":
        floor = time or ports.clock.now()
        return Standing(replace(first, floor=(floor - EPOCH) // timedelta(microseconds=1)), Witnesses())
    key = ports.source.row_before(source, first.time_column, time)
    return Standing(first, Witnesses()) if key is None else _standing_after(key, first, source, ports)[0]


def _after(head: Head, first: Position, source: SourceTable, ports: Ports) -> Standing:
    """Go on after the newest row of the table's newest incarnation, if the source still has that row."""
    if first.numbered:
        raise StateError(
            f"the table holds claim {head.sequence} of this node, state is lost, and a rule touches the source's key: "
            "the table can't tell which row was loaded last",
            hint="restore the state directory; or load into another table (--table, or the pipeline's target) to begin "
            "anew; or have the table's rows of this node deleted, and give the uploader its own --node-id",
        )
    last = ports.destination.last_row(head, first.timestamp_column) if first.order == "rowid" else None
    if last is None:
        raise StateError(
            f"the table holds claim {head.sequence} of this node, state is lost, and the table can't tell the "
            "last row of that claim",
            hint="restore the state directory; or load into another table (--table) to begin anew",
        )
    begun = replace(first, incarnation=last.incarnation, sequence=head.sequence, head=head)
    try:
        standing, time = _standing_after(last.key, begun, source, ports)
    except KeyError:
        found = "is not in the source"
    else:
        if time == last.time:
            return standing
        found = "has another time in the source"
    raise StateError(
        f"the table holds claim {head.sequence} of this node, state is lost, and row {last.key}, the newest one "
        f"that was loaded, {found}: it is not the same database",
        hint="restore the state directory; or give this database its own --node-id to load it from the beginning",
    )


def _standing_after(
    key: int, position: Position, source: SourceTable, ports: Ports
) -> tuple[Standing, datetime | None]:
    """Stand after the row with that rowid; KeyError where there is no such row.

    It and those before it are witnesses, as if they had been claimed; the oldest row is always one, as a table made
    anew is known from an older copy of this one by it.
    """

    def witness(key: int, values: Values) -> Witness:
        return Witness(key, fingerprint(position.secret, values))

    columns = position.witness_columns
    time_column = None if position.timestamp_column is None else position.time_column
    values, time = ports.source.row(source, key, columns, time_column)
    before = ports.source.newest_first(source, columns, MOST_DENSE)
    dense = {witness(key, values), *(witness(k, v) for k, v in before if k < key)}
    dense_from, oldest = min(dense).key, ports.source.oldest(source)
    if oldest is None or oldest >= dense_from:
        return Standing(replace(position, cursor=key), Witnesses(tuple(sorted(dense)), LOWEST)), time
    rows = sorted(dense)
    with suppress(KeyError):  # deleted just now
        rows.insert(0, witness(oldest, ports.source.row(source, oldest, columns, None)[0]))
    return Standing(replace(position, cursor=key), Witnesses(tuple(rows), dense_from)), time
