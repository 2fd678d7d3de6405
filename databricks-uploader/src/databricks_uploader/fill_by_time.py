"""Source → claims, where rows are read in the order of their times.

The cursor is a time. Each fill looks back from it: what is there and was not claimed came late. A row is remembered
as long as a look back may meet it again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain

from databricks_uploader.claiming import ALONE, Apart, apart, claim_of, next_lineage
from databricks_uploader.events import Claimed, Tell
from databricks_uploader.model.claim import Span
from databricks_uploader.model.layout import Layout
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.times import EPOCH, LATEST
from databricks_uploader.model.witness import Values, Witnesses, fingerprint
from databricks_uploader.ports import ArrowColumns, Ports, TimedPage

NEVER = LATEST + 1
"""Stands for the time of a row that has none: it is remembered for ever."""
FUTURE = timedelta(days=1)
"""A row that is further ahead of the clock is claimed, but does not move the cursor."""


def fill_by_time(
    pipeline: Pipeline, position: Position, table: SourceTable, layout: Layout, ports: Ports, tell: Tell
) -> bool:
    """Turn the next span into one file and claim it; tell whether there may be more."""
    lineage = next_lineage(pipeline.identity, position, ports.clock)
    seen = dict(ports.state.seen(pipeline.identity))
    latest = _microseconds(lineage.claimed_at + FUTURE - EPOCH)
    new = _New(position, seen, pipeline.limits, latest, position.cursor, apart(pipeline, position, ports))
    since = None if position.cursor is None else EPOCH + timedelta(microseconds=position.cursor) - pipeline.late_arrival
    with ports.source.sweep(table, layout.pairs, position, since) as pages:
        rows = new.rows(pages)
        first = next(rows, None)
        if first is None:
            ports.source.nothing_new()
            return False
        spooled = ports.spool.write(chain([first], rows), layout.work, lineage)
    newest = max(new.times, default=None)
    span = Span(position.cursor, newest or 0 if new.cursor is None else new.cursor)
    newest_time = None if newest is None else EPOCH + timedelta(microseconds=newest)
    read = span, new.apart.counts(new.claimed, spooled), newest_time
    claim = claim_of(pipeline, lineage, layout, spooled, read)
    floor = _floor(position.floor, new.cursor, pipeline.late_arrival + 2 * new.slack)
    remembered = {row: time for row, time in seen.items() if floor is None or time >= floor}
    after = replace(new.apart.position(position), cursor=new.cursor, sequence=lineage.sequence, floor=floor)
    ports.state.claim(claim, Standing(after, Witnesses(), remembered), new.apart.quarantined)
    tell(Claimed(claim, more=new.limited))
    new.apart.told(claim, position, tell)
    return new.limited


def _floor(before: int | None, cursor: int | None, look_back: timedelta) -> int | None:
    """Return the time from which on rows are remembered, and so can be told from new ones; it never goes back."""
    if cursor is None:
        return before
    reach = cursor - _microseconds(look_back)
    return reach if before is None else max(before, reach)


@dataclass
class _New:
    """The rows that were not claimed yet, picked out of the pages of a sweep."""

    position: Position
    seen: dict[int, int]
    """Fingerprint → time in µs since 1970, of rows claimed."""
    limits: Limits
    latest: int
    """The time up to which a row moves the cursor."""
    cursor: int | None
    apart: Apart
    times: list[int] = field(default_factory=list)
    """Of the rows that have one."""
    claimed: int = 0
    limited: bool = False
    slack: timedelta = timedelta()
    _size: int = 0

    def rows(self, pages: Iterator[TimedPage]) -> Iterator[ArrowColumns]:
        for page in pages:
            fingerprints, self.slack = self._fingerprints(page.told), page.slack
            times = [NEVER if time is None else time for time, _ in page.told]
            new = [i for i, row in enumerate(fingerprints) if row not in self.seen and self._wanted(times[i])]
            if new and self.claimed and page.size > ALONE:
                self.limited = True
                return
            reached = [time for time in times if page.ordered and time <= self.latest]
            self.cursor = max(reached if self.cursor is None else [self.cursor, *reached], default=None)
            if new:
                picked = page.only(new, self.claimed + 1)
                self.apart.units = page.units
                self.apart.add(len(new), picked.altered, picked.quarantined)
                self.claimed += len(new)
                self.times += [times[i] for i in new if times[i] != NEVER]
                self.seen |= {fingerprints[i]: times[i] for i in new}
                self._size += page.size * len(new) // page.rows
                yield picked.columns
            full = self.claimed >= self.limits.span_rows or self._size >= self.limits.span_bytes
            if full or (new and page.size > ALONE):
                self.limited = not page.last
                return

    def _wanted(self, time: int) -> bool:
        return self.position.floor is None or time >= self.position.floor

    def _fingerprints(self, told: Sequence[tuple[int | None, Values]]) -> Sequence[int]:
        """Return what tells each row; rows alike in all (of one page, as they are of one time) are numbered."""
        alike: Counter[tuple[int | None, Values]] = Counter()
        found = []
        for time, values in told:
            number = alike[time, values]
            alike[time, values] += 1
            found.append(fingerprint(self.position.secret, (*values, time, number)))
        return found


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
