"""Source → claims, where rows are read in the order of their times.

The cursor is a time. Each fill looks back from it: what is there and was not claimed came late. A row is remembered
as long as a look back may meet it again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import reduce
from itertools import chain

from databricks_uploader.claiming import ALONE, Apart, apart, claim_of, next_lineage
from databricks_uploader.events import Claimed, Tell
from databricks_uploader.model.claim import Span
from databricks_uploader.model.gaps import Range
from databricks_uploader.model.layout import Layout
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.quarantine import QuarantinedRow, RawValue
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.times import EPOCH, LATEST
from databricks_uploader.model.touched import Seen, Window, covering, holds, rows_again
from databricks_uploader.model.witness import Values, Witnesses, fingerprint
from databricks_uploader.ports import ArrowColumns, Ports, RowsAtHand, Source, TimedPage
from databricks_uploader.windowing import Ahead, RowKept, emit, worked

NEVER = LATEST + 1
"""Stands for the time of a row that has none: it is remembered for ever."""
FUTURE = timedelta(days=1)
"""A row that is further ahead of the clock is claimed, but does not move the cursor."""


def fill_by_time(
    pipeline: Pipeline, position: Position, table: SourceTable, layout: Layout, ports: Ports, tell: Tell
) -> bool:
    """Turn the next span into one file and claim it; tell whether there may be more."""
    lineage = next_lineage(pipeline.identity, position, ports.clock)
    before = Standing(position, Witnesses(), ports.state.seen(pipeline.identity))
    latest = _microseconds(lineage.claimed_at + FUTURE - EPOCH)
    new = _New(position, dict(before.seen), pipeline.limits, latest, position.cursor, apart(pipeline, position, ports))
    if layout.aggregate is not None:
        new.numbered, layout = False, replace(layout, aggregate=replace(layout.aggregate, by_time=True))
    ahead = AheadByTime(table, layout, lineage, before, new.apart, lambda: not new.limited, times=new.seen)
    since = None if position.cursor is None else EPOCH + timedelta(microseconds=position.cursor) - pipeline.late_arrival
    with ports.source.sweep(table, layout.pairs, position, since) as pages:
        rows = new.rows(pages)
        first = next(rows, None)
        if first is None:
            ports.source.nothing_new()
            return emit(ahead, pipeline, ports, tell)
        made = worked(chain([first], rows), ahead, pipeline, ports)
    newest = max(new.times, default=None)
    span = Span(position.cursor, newest or 0 if new.cursor is None else new.cursor)
    newest_time = None if newest is None else EPOCH + timedelta(microseconds=newest)
    read = span, new.apart.counts(new.claimed, made.spooled, made.waiting), newest_time
    claim = claim_of(pipeline, lineage, layout, made.spooled, read)
    floor = _floor(position.floor, new.cursor, pipeline.late_arrival + 2 * new.slack)
    remembered = {row: time for row, time in new.seen.items() if floor is None or time >= floor}
    after = replace(new.apart.position(position), cursor=new.cursor, sequence=lineage.sequence, floor=floor)
    ports.state.claim(claim, made.standing(Standing(after, Witnesses(), remembered)), new.apart.quarantined)
    tell(Claimed(claim, more=new.limited))
    new.apart.told(claim, position, tell)
    return made.more or new.limited


@dataclass(frozen=True)
class AheadByTime(Ahead):
    """The same where the cursor is a time: rows are known by their fingerprints.

    A window has the rows that the source has of its time when it is computed, except those that a look back has yet
    to claim.
    """

    times: Mapping[int, int] = field(default_factory=dict)
    """Fingerprint → time of the rows that are remembered, and of those that were read."""

    def seen(self, rows: RowsAtHand) -> Sequence[Seen]:
        """Return the windows that rows are in, and the times that they are to be looked for at."""
        keys: dict[int | None, list[int]] = {}
        for start, key in rows.keys([one.start for one in rows.looked.seen]):
            keys.setdefault(start, []).append(key)
        return [self._placed(one, keys[one.start]) for one in rows.looked.seen]

    @contextmanager
    def again(
        self, windows: Sequence[Window], _apart: Sequence[int], source: Source, /
    ) -> Iterator[Iterator[ArrowColumns]]:
        """Read the rows of windows again; rows in quarantine have no rowids here."""
        ranges = rows_again(windows)
        with source.between(self.table, self.layout.pairs, self.before.position, ranges) as pages:
            yield self._read_again(pages, ranges)

    def kept(self, keys: Sequence[int], windows: Sequence[Window], source: Source, /) -> Sequence[RowKept]:
        """Return rows as the quarantine keeps them, of windows where they were found again, or else just read."""
        if not keys or not self.apart.keeps_values:
            return [(None, {}) for _ in keys]
        at = [self.times[key] for key in keys if key in self.times]
        ranges = rows_again(windows) or reduce(covering, zip(at, at, strict=True), ())
        found = dict(held(set(keys), ranges, self.table, self.before.position, source))
        return [(None, found.get(key, {})) for key in keys]

    def _placed(self, one: Seen, keys: Sequence[int]) -> Seen:
        times, floor = [self.times[key] for key in keys], self.before.position.floor
        aggregate = self.layout.aggregate
        if aggregate is None:
            raise RuntimeError("windows, and no aggregation")
        lowest = min(one.start, *times)
        return replace(
            one,
            lowest=lowest if floor is None else max(lowest, floor),
            highest=max(aggregate.grid.end(one.start) - 1, *times),
            keys=tuple(keys),
        )

    def _read_again(self, pages: Iterator[TimedPage], ranges: Sequence[Range]) -> Iterator[ArrowColumns]:
        floor = self.before.position.floor
        for page in pages:
            told = fingerprints(self.before.position.secret, page.told)
            chosen = [
                i
                for i, (time, _) in enumerate(page.told)
                if time is not None and holds(ranges, time) and (told[i] in self.times or _is_past(time, floor))
            ]
            if chosen:
                yield page.only(chosen, [told[i] for i in chosen]).columns


def _is_past(time: int, floor: int | None) -> bool:
    """Tell whether a row of that time is never claimed with a span, if it was not."""
    return floor is not None and time < floor


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
    numbered: bool = True
    """Whether `_row` counts rows; else it is what tells them."""
    times: list[int] = field(default_factory=list)
    """Of the rows that have one."""
    claimed: int = 0
    limited: bool = False
    slack: timedelta = timedelta()
    _size: int = 0

    def rows(self, pages: Iterator[TimedPage]) -> Iterator[ArrowColumns]:
        for page in pages:
            told, self.slack = fingerprints(self.position.secret, page.told), page.slack
            times = [NEVER if time is None else time for time, _ in page.told]
            floor = self.position.floor
            new = [i for i, row in enumerate(told) if row not in self.seen and not _is_past(times[i], floor)]
            if new and self.claimed and page.size > ALONE:
                self.limited = True
                return
            reached = [time for time in times if page.ordered and time <= self.latest]
            self.cursor = max(reached if self.cursor is None else [self.cursor, *reached], default=None)
            if new:
                numbers = range(self.claimed + 1, self.claimed + 1 + len(new))
                picked = page.only(new, numbers if self.numbered else [told[i] for i in new])
                self.apart.units = page.units
                self.apart.add(len(new), picked.altered, self._known(picked.quarantined, new, told, times))
                self.claimed += len(new)
                self.times += [times[i] for i in new if times[i] != NEVER]
                self.seen |= {told[i]: times[i] for i in new}
                self._size += page.size * len(new) // page.rows
                yield picked.columns
            full = self.claimed >= self.limits.span_rows or self._size >= self.limits.span_bytes
            if full or (new and page.size > ALONE):
                self.limited = not page.last
                return

    def _known(
        self, quarantined: Mapping[int, QuarantinedRow], new: Sequence[int], told: Sequence[int], times: Sequence[int]
    ) -> Mapping[int, QuarantinedRow]:
        """Return rows that are set apart with what finds them in the source again."""
        found = {}
        for index, row in quarantined.items():
            time = times[new[index]]
            found[index] = replace(row, fingerprint=told[new[index]], time=None if time == NEVER else time)
        return found


def held(
    keys: Set[int], ranges: Sequence[Range], table: SourceTable, position: Position, source: Source
) -> Iterator[tuple[int, Mapping[str, RawValue]]]:
    """Yield fingerprint and all values of those of some rows that the source has at some times, or at none."""
    with source.between(table, (), position, ranges) as pages:
        for page in pages:
            told = fingerprints(position.secret, page.told)
            if keys & set(told):
                yield from ((key, row) for key, row in zip(told, page.held(), strict=True) if key in keys)


def fingerprints(secret: bytes, told: Sequence[tuple[int | None, Values]]) -> Sequence[int]:
    """Return what tells each row; rows alike in all (of one page, as they are of one time) are numbered."""
    alike: Counter[tuple[int | None, Values]] = Counter()
    found = []
    for time, values in told:
        number = alike[time, values]
        alike[time, values] += 1
        found.append(fingerprint(secret, (*values, time, number)))
    return found


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
