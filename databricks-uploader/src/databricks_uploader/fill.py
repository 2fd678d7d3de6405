"""Source → claims."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain

from databricks_uploader.errors import PermanentError
from databricks_uploader.events import Claimed, GapsGivenUp, Missed, Tell
from databricks_uploader.model.claim import Claim, Counts, LateSpan, Span
from databricks_uploader.model.gaps import Gaps
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.source import SourceTable, typed_columns
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.witness import MOST_DENSE, Values, Witness, Witnesses, fingerprint
from databricks_uploader.ports import Lineage, Look, Page, Ports
from databricks_uploader.recognise import recognised, told_by


def fill(pipeline: Pipeline, position: Position, ports: Ports, tell: Tell) -> bool:
    """Turn the next span into one file and claim it; tell whether there may be more."""
    if ports.source.unchanged():
        return False
    table = ports.source.table()
    position, columns = _typed(table, position, ports)
    standing = told_by(table, Standing(position, ports.state.witnesses(pipeline.identity)))
    keys = [w.key for w in standing.witnesses.rows]
    with ports.source.reading(table, columns, standing.position, keys) as reading:
        moved = recognised(table, standing, reading.look, ports.source, tell)
        if moved != standing:
            ports.state.stand(pipeline.identity, moved)
            return True
        first = next(reading.pages, None)
        if first is None:
            return False
        _tell_missed(standing, first, tell)
        lineage = _lineage(pipeline, position, ports)
        seen = _Seen()
        pages = seen.until(pipeline.limits, chain([first], reading.pages))
        file, statistics = ports.spool.write(pages, columns, lineage)
    late = reading.look.late
    claim = Claim(
        identity=pipeline.identity,
        owner=lineage.owner,
        sequence=lineage.sequence,
        incarnation=lineage.incarnation,
        span=LateSpan(late) if late else Span(position.cursor, seen.up_to),
        counts=Counts(read=seen.rows, loaded=seen.rows),
        file=file,
        columns=columns,
        statistics=statistics,
        newest=seen.newest,
        claimed_at=lineage.claimed_at,
    )
    after = seen.standing(standing, reading.look)
    ports.state.claim(claim, after)
    tell(Claimed(claim, more=not seen.last))
    if after.position.gaps.given_up and not position.gaps.given_up:
        tell(GapsGivenUp(pipeline.identity))
    return not seen.last


def _typed(table: SourceTable, position: Position, ports: Ports) -> tuple[Position, TableSchema]:
    """Return the columns that the target table takes; where it did not take all, look whether it does by now."""
    try:
        return position, typed_columns(table, position.timestamp_column, position.schema)
    except PermanentError:
        target = ports.destination.table()
        if target is None or target.id != position.table_id or target.schema == position.schema:
            raise
    return replace(position, schema=target.schema), typed_columns(table, position.timestamp_column, target.schema)


def _lineage(pipeline: Pipeline, position: Position, ports: Ports) -> Lineage:
    return Lineage(
        node_id=pipeline.identity.node_id,
        incarnation=position.incarnation,
        owner=position.owner,
        sequence=position.sequence + 1,
        claimed_at=ports.clock.now(),
    )


def _tell_missed(standing: Standing, first: Page, tell: Tell) -> None:
    """Tell of rowids that are skipped right after the cursor, in a table whose rowids count up."""
    cursor = standing.position.cursor
    skipped = [high - low + 1 for low, high in first.absent if cursor is not None and low == cursor + 1]
    if skipped and standing.witnesses.count_up:
        tell(Missed(skipped[0]))


@dataclass
class _Seen:
    """What has passed on the way from the source to the file."""

    rows: int = 0
    size: int = 0
    up_to: int = 0
    newest: datetime | None = None
    last: bool = False
    gaps: Gaps = field(default_factory=Gaps)
    pages: list[Page] = field(default_factory=list)
    """The newest ones, of which a claim's complete witnesses are made."""
    marks: list[tuple[int, Values]] = field(default_factory=list)
    """The first row, and the last one of each page."""

    def until(self, limits: Limits, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            self._add(page)
            yield page
            if self.rows >= limits.span_rows or self.size >= limits.span_bytes:
                return

    def _add(self, page: Page) -> None:
        self.rows += page.rows
        self.size += page.size
        self.up_to = page.up_to
        self.newest = max(filter(None, (self.newest, page.newest)), default=None)
        self.last = page.last
        self.gaps = self.gaps.grown(page.absent, page.absent_more)
        self.marks += page.tail(1) if self.marks else [page.tail(page.rows)[0], *page.tail(1)]
        self.pages.append(page)
        while sum(p.rows for p in self.pages[1:]) >= MOST_DENSE:
            del self.pages[0]

    def standing(self, before: Standing, look: Look) -> Standing:
        """Return where the pipeline stands after the claim."""
        position, late = before.position, look.late
        gaps = position.gaps.without(late) if late else position.gaps.grown(self.gaps.ranges, self.gaps.given_up)
        after = replace(
            position,
            cursor=position.cursor if late else self.up_to,
            sequence=position.sequence + 1,
            gaps=gaps,
            counter=look.counter,
            schema_version=look.schema_version,
        )
        return Standing(after, self._witnesses(position, before.witnesses, late=bool(late)))

    def _witnesses(self, position: Position, known: Witnesses, *, late: bool) -> Witnesses:
        complete = [row for page in self.pages for row in page.tail(MOST_DENSE)]
        whole = len(complete) == self.rows
        told = [
            Witness(k, fingerprint(position.secret, v)) for k, v in (complete if whole else [*self.marks, *complete])
        ]
        if late:
            told = [w for w in told if w.key >= known.dense_from]
        return known.grown(told, None if whole else complete[0][0])
