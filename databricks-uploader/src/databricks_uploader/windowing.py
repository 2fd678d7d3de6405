"""Rows → windows: which of them a span changes, and which are closed and emitted."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from databricks_uploader.claiming import Apart, claim_of
from databricks_uploader.errors import TransientError
from databricks_uploader.events import Claimed, Tell, WindowsLack, WindowsOpen
from databricks_uploader.model.aggregation import TimeToken
from databricks_uploader.model.claim import Counts, LateSpan, Settled
from databricks_uploader.model.gaps import Range
from databricks_uploader.model.layout import Layout
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.quarantine import QuarantinedRow, RawValue
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.times import EPOCH
from databricks_uploader.model.touched import (
    FUTURE,
    Seen,
    Window,
    among,
    closes_at,
    due,
    forgetting,
    in_new_life,
    latest,
    loaded_of,
    of_forgotten,
    one_by_one,
    portion,
    renumbered,
    rows_again,
    touched,
    without,
)
from databricks_uploader.model.upsert import NODE, check_ours
from databricks_uploader.model.windows import Grid, key_of
from databricks_uploader.model.witness import Values
from databricks_uploader.model.work import Aggregate
from databricks_uploader.ports import ArrowColumns, Lineage, Ports, RowsAtHand, Source, Spooled, WindowsDestination

_MICROSECOND = timedelta(microseconds=1)
NO_TIME = "no time, so that the row is in no window"
FORGOTTEN = "a time of a window that is remembered no more"
LACKING = "a time of a window that the source lacks other rows of by now"

RowKept = tuple[int | None, Mapping[str, RawValue]]
"""Of a row in quarantine its rowid, None where it has none, and its values."""


@dataclass(frozen=True)
class Worked:
    """What the rows of a span have become: a file, and windows that changed."""

    spooled: Spooled
    waiting: int = 0
    """Rows that no emitted window has yet."""
    windows: Mapping[int, Window] | None = None
    """All windows after it; None where there is no aggregation."""
    since: int | None = None
    more: bool = False
    """Whether windows are left that are due."""

    def standing(self, after: Standing) -> Standing:
        """Return where the pipeline stands after the claim, with the windows."""
        if self.windows is None:
            return after
        return replace(after, position=replace(after.position, windows_since=self.since), windows=self.windows)


@dataclass(frozen=True)
class Ahead:
    """What is known of a span before its rows are looked at, which are known by their rowids."""

    table: SourceTable
    layout: Layout
    lineage: Lineage
    before: Standing
    apart: Apart
    is_last: Callable[[], bool]
    """Tells, once all rows were read, whether no row came after them."""
    known_row: tuple[int, Values] | None = None
    """One that tells whether the source is the one that rows were read of."""

    def seen(self, rows: RowsAtHand) -> Sequence[Seen]:
        """Return the windows that rows are in, and the ranges that the source has them in."""
        return rows.looked.seen

    def again(
        self, windows: Sequence[Window], apart: Sequence[int], source: Source, /
    ) -> AbstractContextManager[Iterator[ArrowColumns]]:
        """Read the rows of windows again, without those in quarantine, whose rowids are given."""
        position = self.before.position
        ranges = read_again(windows, self.table, position, apart)
        return source.within(self.table, self.layout.pairs, position, ranges, self.known_row)

    def kept(self, keys: Sequence[int], _windows: Sequence[Window], source: Source, /) -> Sequence[RowKept]:
        """Return rows as the quarantine keeps them, of windows where they were found again."""
        found = source.held(self.table, keys) if self.apart.keeps_values and keys else {}
        return [(key, found.get(key, {})) for key in keys]


def worked(batches: Iterator[ArrowColumns], span: Ahead, pipeline: Pipeline, ports: Ports) -> Worked:
    """Do what the pipeline does to rows: a file of them, or of the windows that are closed and wholly among them."""
    work = span.layout.aggregate
    if work is None:
        return Worked(ports.spool.write(batches, span.layout.work, span.lineage))
    known, since = ports.state.windows(pipeline.identity), span.before.position.windows_since
    with ports.spool.rows_at_hand(batches, span.layout.work, work, span.lineage) as rows:
        all_seen = span.seen(rows)
        gone = of_forgotten(all_seen, known, since)
        seen = [one for one in all_seen if one not in gone]
        if gone or rows.looked.untimed:
            _set_apart(rows.keys([one.start for one in gone]), FORGOTTEN, span, (), ports)
        late = among(known, seen)
        after = {**known, **touched(known, one_by_one(seen, rows.keys(late)) if late else seen)}
        now = _micros(span.lineage.claimed_at)
        reached = latest(after.values(), now) if span.is_last() else _read_up_to(after.values(), now)
        closed = _due(work, after, reached)
        whole = {one.start for one in seen if after[one.start].rows == one.rows}
        emitted = [window for window in closed if window.start in whole]
        _check_alone(emitted, work, span, ports)
        spooled = rows.aggregate([w.start for w in emitted]) if emitted else Spooled(None)
        by_rule = rows.by_rule
    loaded = loaded_of(seen, emitted)
    left = _forgotten(after, work.grid, since, {w.start: w.emitted(span.lineage.sequence) for w in emitted})
    return Worked(
        replace(spooled, by_rule=by_rule),
        sum(one.rows for one in seen) - loaded,
        left[0],
        left[1],
        more=len(closed) > len(emitted),
    )


def are_due(pipeline: Pipeline, ports: Ports) -> bool:
    """Tell whether windows wait that are closed by now."""
    step = pipeline.aggregate
    if step is None:
        return False
    windows = ports.state.windows(pipeline.identity)
    reached = latest(windows.values(), _micros(ports.clock.now()))
    return bool(due(windows.values(), Grid.of(step), step.allowed_lateness // _MICROSECOND, reached))


def tell_open(pipeline: Pipeline, ports: Ports, tell: Tell) -> None:
    """Tell of windows that wait, and when the next of them closes."""
    step = pipeline.aggregate
    if step is None:
        return
    waiting = [window for window in ports.state.windows(pipeline.identity).values() if window.waiting]
    if waiting:
        lateness = step.allowed_lateness // _MICROSECOND
        closes = min(closes_at(window, Grid.of(step), lateness) for window in waiting)
        rows = sum(window.waiting for window in waiting)
        tell(WindowsOpen(pipeline.identity, len(waiting), rows, EPOCH + timedelta(microseconds=closes)))


def emit(span: Ahead, pipeline: Pipeline, ports: Ports, tell: Tell) -> bool:
    """Claim windows that are closed, computed anew over all their rows; tell whether there are more.

    Where the cursor is a time, they may have rows that came too late to be read with a span: those are read now.
    """
    work, identity = span.layout.aggregate, pipeline.identity
    known = ports.state.windows(identity)
    closed = [] if work is None else _due(work, known, latest(known.values(), _micros(span.lineage.claimed_at)))
    if work is None or not closed:
        return False
    some, position = portion(closed, pipeline.limits.span_rows), span.before.position
    apart = ports.state.keys_apart(identity, position.incarnation)
    with (
        span.again(some, apart, ports.source) as batches,
        ports.spool.rows_at_hand(batches, span.layout.work, work, span.lineage) as rows,
    ):
        found = {one.start: one.rows for one in rows.looked.seen}
        lacking = [window for window in some if window.lacks(found.get(window.start, 0))]
        emitted = [window for window in some if window not in lacking]
        more = {w.start: max(0, found[w.start] - w.rows) if work.by_time else 0 for w in emitted}
        late = _waiting(rows, lacking, work)
        _check_alone(emitted, work, span, ports)
        spooled = rows.aggregate([w.start for w in emitted]) if emitted else Spooled(None)
    _set_apart(late, LACKING, span, lacking, ports)
    lost = sum(window.waiting for window in lacking) - len(late)
    settled = Settled(sum(window.waiting for window in emitted), len(late), max(0, lost))
    read = LateSpan(()), Counts(sum(more.values()), sum(more.values())), None
    claim = replace(
        claim_of(pipeline, span.lineage, span.layout, replace(spooled, by_rule=ByRule()), read), settled=settled
    )
    changed = {w.start: w.emitted(span.lineage.sequence, more[w.start]) for w in emitted}
    changed |= {w.start: w.settled() for w in lacking}
    windows, since = _forgotten(known, work.grid, position.windows_since, changed)
    after = replace(position, sequence=span.lineage.sequence, windows_since=since)
    ports.state.claim(claim, replace(span.before, position=after, windows=windows), span.apart.quarantined)
    tell(Claimed(claim, more=True))
    if lacking:
        tell(WindowsLack(identity, len(lacking), settled.quarantined, settled.lost))
    return len(closed) > len(some)


def read_again(windows: Sequence[Window], table: SourceTable, position: Position, apart: Iterable[int]) -> list[Range]:
    """Return where the rows of windows are that were counted for them.

    Neither what comes into gaps nor what is in quarantine was, which may fit by now. Where VACUUM may have renumbered
    rows, those in quarantine can't be told.
    """
    keys = [] if table.renumbered_by_vacuum else [(key, key) for key in apart]
    return without(rows_again(windows), [*position.gaps.ranges, *keys])


def moved_with(before: Position, after: Position, windows: Mapping[int, Window]) -> Mapping[int, Window]:
    """Return windows once the source table is not the one that it was, or its rows have other keys."""
    if after.incarnation != before.incarnation:
        return in_new_life(windows.values(), after.cursor)
    return windows if after.cursor == before.cursor else renumbered(windows.values(), after.cursor)


def _due(work: Aggregate, windows: Mapping[int, Window], reached: int) -> list[Window]:
    return due(windows.values(), work.grid, work.step.allowed_lateness // _MICROSECOND, reached)


def _check_alone(emitted: Sequence[Window], work: Aggregate, span: Ahead, ports: Ports) -> None:
    """Raise StateError where a table that can't tell nodes has one of the windows, which we never loaded."""
    new = [window.start for window in emitted if not window.loaded]
    if span.before.position.schema.get(NODE) is not None or not new:
        return
    destination = ports.destination
    if not isinstance(destination, WindowsDestination) or (table := destination.table()) is None:
        raise TransientError("the target table can't be looked at", hint="it is tried again")
    tokens = work.step.tokens
    order = sorted(range(len(tokens)), key=lambda place: tokens[place] == TimeToken.HOUR_OF_DAY)
    ours = [tuple(key_of(work.step, start)[place] for place in order) for start in new]
    bounds = (EPOCH + find(key[0] for key in ours) * _MICROSECOND for find in (min, max))
    there = destination.windows_between([tokens[place] for place in order], *bounds)
    check_ours(table.schema, there, ours, ())


def _read_up_to(windows: Collection[Window], now: int) -> int:
    """Return the time that windows are closed by while more rows are there to be read: that of the newest row."""
    return max((w.newest for w in windows if w.newest <= now + FUTURE), default=now)


def _waiting(rows: RowsAtHand, lacking: Sequence[Window], work: Aggregate) -> list[tuple[int | None, int]]:
    """Return the rows of lacking windows that wait, by window and key."""
    if not lacking:
        return []
    found: dict[int, list[int]] = {}
    for start, key in rows.keys([window.start for window in lacking]):
        if start is not None:
            found.setdefault(start, []).append(key)
    return [(w.start, key) for w in lacking for key in w.waiting_of(found.get(w.start, []), by_time=work.by_time)]


def _set_apart(
    keys: Sequence[tuple[int | None, int]], reason: str, span: Ahead, windows: Sequence[Window], ports: Ports
) -> None:
    """Put rows into quarantine: those of a window by a reason, those of none since they have no time."""
    time = span.before.position.witness_columns[0]
    kept = span.kept([key for _, key in keys], windows, ports.source)
    span.apart.also(
        [
            QuarantinedRow(key, {time: NO_TIME if start is None else reason}, values)
            for (start, _), (key, values) in zip(keys, kept, strict=True)
        ]
    )


def _forgotten(
    windows: Mapping[int, Window], grid: Grid, since: int | None, changed: Mapping[int, Window]
) -> tuple[Mapping[int, Window], int | None]:
    """Return windows with some changed and the oldest ones forgotten, and the time before which that may be so."""
    after = {**windows, **changed}
    gone = forgetting(list(after.values()), grid, since)
    return {start: window for start, window in after.items() if start not in set(gone.starts)}, gone.since


def _micros(time: datetime) -> int:
    return (time - EPOCH) // _MICROSECOND
