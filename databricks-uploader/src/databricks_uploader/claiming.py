"""What a fill, in whichever order it reads rows, makes of them: one file and one claim."""

from datetime import datetime

from databricks_uploader.model.claim import Claim, Counts, Identity, LateSpan, Span, SpoolFile, Statistics
from databricks_uploader.model.position import Position
from databricks_uploader.model.table import TableSchema
from databricks_uploader.ports import Clock, Lineage


def next_lineage(identity: Identity, position: Position, clock: Clock) -> Lineage:
    """Return what every row of the next claim carries."""
    return Lineage(identity.node_id, position.incarnation, position.owner, position.sequence + 1, clock.now())


def claim_of(
    identity: Identity,
    lineage: Lineage,
    columns: TableSchema,
    spooled: tuple[SpoolFile, Statistics],
    read: tuple[Span | LateSpan, int, datetime | None],
) -> Claim:
    """Return the claim of a file that holds all rows read: their span, their number, and the latest time."""
    (file, statistics), (span, rows, newest) = spooled, read
    return Claim(
        identity=identity,
        owner=lineage.owner,
        sequence=lineage.sequence,
        incarnation=lineage.incarnation,
        span=span,
        counts=Counts(read=rows, loaded=rows),
        file=file,
        columns=columns,
        statistics=statistics,
        newest=newest,
        claimed_at=lineage.claimed_at,
    )
