"""Claims → target table."""

from collections.abc import Sequence

from databricks_uploader.errors import PermanentError
from databricks_uploader.events import Loaded
from databricks_uploader.model.claim import Claim
from databricks_uploader.model.head import table_gone
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.position import Position
from databricks_uploader.model.table import TargetTable
from databricks_uploader.ports import Ports


def flush(pipeline: Pipeline, position: Position, ports: Ports, *, at_once: bool = False) -> Loaded | None:
    """Load everything claimed, in order; call it again after any fault. None when nothing is due.

    `at_once`: also what is not due yet.
    """
    pending = ports.state.pending(pipeline.identity)
    if not pending or not (at_once or _due(pipeline, pending, ports)):
        return None
    claims = pending[: pipeline.limits.claims_per_load]
    with_rows = [claim for claim in claims if claim.file is not None]
    if with_rows:
        _load(pipeline, position, ports, with_rows)
    ports.state.commit(claims)
    ports.spool.discard([claim.file.name for claim in claims if claim.file is not None])
    return Loaded(pipeline.identity, tuple(claims))


def _load(pipeline: Pipeline, position: Position, ports: Ports, claims: Sequence[Claim]) -> None:
    """Load claims that have a file, and see them loaded."""
    missing = ports.destination.not_loaded(position.head, claims)
    if missing:
        ports.state.sending(missing)
        for claim in missing:
            ports.destination.stage(claim, ports.spool.path(claim))
        table = _same_table(position, ports.destination.table(), claims)
        if table.schema != position.schema:
            ports.state.target_is(pipeline.identity, table.schema)
        ports.destination.load(missing)
    ports.destination.prove(claims)


def _due(pipeline: Pipeline, pending: Sequence[Claim], ports: Ports) -> bool:
    rows = sum(claim.rows_loaded for claim in pending)
    return pipeline.limits.due(rows, ports.clock.now() - pending[0].claimed_at)


def _same_table(position: Position, table: TargetTable | None, claims: Sequence[Claim]) -> TargetTable:
    if table is None or table.id != position.table_id:
        raise table_gone(made_anew=table is not None)
    for column in (column for claim in claims for column in claim.columns.columns):
        found = table.schema.get(column.name)
        if found is None or found.type != column.type:
            now = "gone" if found is None else f"{found.type} now"
            raise PermanentError(
                f"column {column.name!r} of the target table was {column.type} when rows were claimed, and is {now}",
                hint=f"give the target table the column {column.sql} again",
            )
    return table
