"""Source → claims."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from databricks_uploader.events import Claimed
from databricks_uploader.model.claim import Claim, Counts, Position, Span
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.model.source import typed_columns
from databricks_uploader.ports import Lineage, Page, Ports


def fill(pipeline: Pipeline, position: Position, ports: Ports) -> Claimed | None:
    """Turn the next span into one file and claim it; None when there is no row after the cursor."""
    source = ports.source.table()
    columns = typed_columns(source, position.timestamp_column, position.schema)
    lineage = Lineage(
        node_id=pipeline.identity.node_id,
        incarnation=position.incarnation,
        owner=position.owner,
        sequence=position.sequence + 1,
        claimed_at=ports.clock.now(),
    )
    seen = _Seen()
    with ports.source.pages(source, columns, position.timestamp_column, position.cursor) as pages:
        first = next(pages, None)
        if first is None:
            return None
        span = seen.until(pipeline.limits, chain([first], pages))
        file, statistics = ports.spool.write(span, columns, lineage)
    claim = Claim(
        identity=pipeline.identity,
        owner=lineage.owner,
        sequence=lineage.sequence,
        incarnation=lineage.incarnation,
        span=Span(position.cursor, seen.up_to),
        counts=Counts(read=seen.rows, loaded=seen.rows),
        file=file,
        columns=columns,
        statistics=statistics,
        newest=seen.newest,
        claimed_at=lineage.claimed_at,
    )
    ports.state.claim(claim)
    return Claimed(claim, more=seen.limited)


@dataclass
class _Seen:
    """What has passed on the way from the source to the file."""

    rows: int = 0
    size: int = 0
    up_to: int = 0
    newest: datetime | None = None
    limited: bool = False

    def until(self, limits: Limits, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            self.rows += page.rows
            self.size += page.size
            self.up_to = page.up_to
            self.newest = max(filter(None, (self.newest, page.newest)), default=None)
            yield page
            self.limited = self.rows >= limits.span_rows or self.size >= limits.span_bytes
            if self.limited:
                return
