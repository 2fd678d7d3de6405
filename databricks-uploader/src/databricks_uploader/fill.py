"""Source → claims."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain

from databricks_uploader.claiming import ALONE, Apart, apart, claim_of, next_lineage
from databricks_uploader.drift import columns_now
from databricks_uploader.events import Claimed, GapsGivenUp, Missed, Tell
from databricks_uploader.fill_by_time import fill_by_time
from databricks_uploader.model.claim import LateSpan, Span
from databricks_uploader.model.gaps import Gaps
from databricks_uploader.model.layout import Layout
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.witness import MOST_DENSE, Values, Witness, Witnesses, fingerprint
from databricks_uploader.ports import Look, Page, Ports, Tail
from databricks_uploader.recognise import newest_is_there, recognised, told_by
from databricks_uploader.windowing import Ahead, are_due, emit, moved_with, worked


def fill(pipeline: Pipeline, position: Position, ports: Ports, tell: Tell, *, continued: bool = False) -> bool:
    """Turn the next span into one file and claim it; tell whether there may be more.

    `continued`: right after another fill, when it is enough to see the newest witness.
    """
    if ports.source.unchanged() and not are_due(pipeline, ports):
        return False
    table = ports.source.table()
    position, layout = _columns(pipeline, table, position, ports, tell)
    if position.order == "time":
        return fill_by_time(pipeline, position, table, layout, ports, tell)
    standing = told_by(table, Standing(position, ports.state.witnesses(pipeline.identity)))
    witnesses = standing.witnesses.rows[-1:] if continued else standing.witnesses.rows
    asked = {w.key for w in (*witnesses, *position.former)}
    with ports.source.reading(table, layout.pairs, standing.position, sorted(asked)) as reading:
        if continued and not newest_is_there(standing, reading.look):
            return fill(pipeline, position, ports, tell)
        moved = recognised(table, standing, reading.look, ports.source, tell)
        if moved != standing:
            ports.state.stand(pipeline.identity, _with_windows(pipeline, position, moved, ports))
            return fill(pipeline, moved.position, ports, tell)
        lineage = next_lineage(pipeline.identity, position, ports.clock)
        seen = _Seen(apart(pipeline, position, ports))
        ahead = Ahead(table, layout, lineage, standing, seen.apart, lambda: seen.last)
        first = next(reading.pages, None)
        if first is None:
            ports.source.nothing_new()
            ahead = replace(ahead, known_row=_newest_found(standing, reading.look))
            return emit(ahead, pipeline, ports, tell)
        _tell_missed(standing, first, tell)
        pages = seen.until(pipeline.limits, chain([first], reading.pages))
        made = worked((page.columns for page in pages), ahead, pipeline, ports)
    late = reading.look.late
    span = LateSpan(late) if late else Span(position.cursor, seen.up_to)
    read = span, seen.apart.counts(seen.rows, made.spooled, made.waiting), seen.newest
    claim = claim_of(pipeline, lineage, layout, made.spooled, read)
    after = made.standing(seen.standing(standing, reading.look))
    ports.state.claim(claim, after, seen.apart.quarantined)
    tell(Claimed(claim, more=not seen.last))
    seen.apart.told(claim, position, tell)
    if after.position.gaps.given_up and not position.gaps.given_up:
        tell(GapsGivenUp(pipeline.identity))
    return made.more or not seen.last


def _newest_found(standing: Standing, look: Look) -> tuple[int, Values] | None:
    """Return the newest witness that is there, with its values."""
    there = (w.key for w in reversed(standing.witnesses.rows) if w.key in look.found)
    return next(((key, look.found[key]) for key in there), None)


def _with_windows(pipeline: Pipeline, before: Position, moved: Standing, ports: Ports) -> Standing:
    """Return where to go on, with windows whose rows are to be read again where they are now."""
    if pipeline.aggregate is None:
        return moved
    windows = moved_with(before, moved.position, ports.state.windows(pipeline.identity))
    return replace(moved, windows=windows)


def _columns(
    pipeline: Pipeline, table: SourceTable, position: Position, ports: Ports, tell: Tell
) -> tuple[Position, Layout]:
    """Return which target column takes what of which source column; what changed is recorded at once, told once."""
    now, layout = columns_now(pipeline, table, position, ports, tell)
    if now != position:
        identity = pipeline.identity
        ports.state.stand(identity, Standing(now, ports.state.witnesses(identity), ports.state.seen(identity)))
    return now, layout


def _tell_missed(standing: Standing, first: Page, tell: Tell) -> None:
    """Tell of rowids that are skipped right after the cursor, in a table whose rowids count up."""
    cursor = standing.position.cursor
    skipped = [high - low + 1 for low, high in first.absent if cursor is not None and low == cursor + 1]
    if skipped and standing.witnesses.count_up:
        tell(Missed(skipped[0]))


@dataclass
class _Seen:
    """What has passed on the way from the source to the file."""

    apart: Apart
    rows: int = 0
    size: int = 0
    up_to: int = 0
    newest: datetime | None = None
    last: bool = False
    gaps: Gaps = field(default_factory=Gaps)
    tails: list[tuple[int, Tail]] = field(default_factory=list)
    """Rows and tail of the newest pages, of which a claim's complete witnesses are made; not their columns."""
    marks: list[tuple[int, Values]] = field(default_factory=list)
    """The first row, and the last one of each page."""

    def until(self, limits: Limits, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            if self.rows and page.size > ALONE:
                self.last = False
                return
            self._add(page)
            yield page
            if self.rows >= limits.span_rows or self.size >= limits.span_bytes or page.size > ALONE:
                return

    def _add(self, page: Page) -> None:
        self.apart.add(page.rows, page.altered, page.quarantined)
        self.apart.units = page.units
        self.rows += page.rows
        self.size += page.size
        self.up_to = page.up_to
        self.newest = max(filter(None, (self.newest, page.newest)), default=None)
        self.last = page.last
        self.gaps = self.gaps.grown(page.absent, page.absent_more)
        self.marks += page.tail(1) if self.marks else [page.tail(page.rows)[0], *page.tail(1)]
        self.tails.append((page.rows, page.tail))
        while sum(rows for rows, _ in self.tails[1:]) >= MOST_DENSE:
            del self.tails[0]

    def standing(self, before: Standing, look: Look) -> Standing:
        """Return where the pipeline stands after the claim."""
        position, late = before.position, look.late
        gaps = position.gaps.without(late) if late else position.gaps.grown(self.gaps.ranges, self.gaps.given_up)
        after = replace(
            self.apart.position(position),
            cursor=position.cursor if late else self.up_to,
            sequence=position.sequence + 1,
            gaps=gaps,
            counter=look.counter,
            schema_version=look.schema_version,
        )
        return Standing(after, self._witnesses(position, before.witnesses, late=bool(late)))

    def _witnesses(self, position: Position, known: Witnesses, *, late: bool) -> Witnesses:
        complete = [row for _, tail in self.tails for row in tail(MOST_DENSE)]
        whole = len(complete) == self.rows
        told = [
            Witness(k, fingerprint(position.secret, v)) for k, v in (complete if whole else [*self.marks, *complete])
        ]
        if late:
            told = [w for w in told if w.key >= known.dense_from]
        return known.grown(told, None if whole else complete[0][0])
