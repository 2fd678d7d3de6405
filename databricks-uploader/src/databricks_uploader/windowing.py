"""Rows → windows: which of them a span changes, and which are closed and emitted."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from databricks_uploader.claiming import Apart, claim_of
from databricks_uploader.errors import TransientError
from databricks_uploader.events import Claimed, Tell, WindowsLack, WindowsOpen
from databricks_uploader.model.aggregation import TimeToken
from databricks_uploader.model.claim import Counts, LateSpan, Settled
from databricks_uploader.model.layout import Layout
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.quarantine import QuarantinedRow
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.times import EPOCH
from databricks_uploader.model.touched import (
    FUTURE,
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
from databricks_uploader.ports import ArrowColumns, Lineage, Ports, RowsAtHand, Spooled, WindowsDestination

_MICROSECOND = timedelta(microseconds=1)
NO_TIME = "no time, so that the row is in no window"
FORGOTTEN = "a time of a window that is remembered no more"
LACKING = "a time of a window that the source lacks other rows of by now"


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
    """What is known of a span before its rows are looked at."""

    table: SourceTable
    layout: Layout
    lineage: Lineage
    before: Standing
    apart: Apart
    is_last: Callable[[], bool]
    """Tells, once all rows were read, whether no row came after them."""


def worked(batches: Iterator[ArrowColumns], span: Ahead, pipeline: Pipeline, ports: Ports) -> Worked:
    """Do what the pipeline does to rows: a file of them, or of the windows that are closed and wholly among them."""
    work = span.layout.aggregate
    if work is None:
        return Worked(ports.spool.write(batches, span.layout.work, span.lineage))
    known, since = ports.state.windows(pipeline.identity), span.before.position.windows_since
    with ports.spool.rows_at_hand(batches, span.layout.work, work, span.lineage) as rows:
        gone = of_forgotten(rows.looked.seen, known, since)
        seen = [one for one in rows.looked.seen if one not in gone]
        if gone or rows.looked.untimed:
            _set_apart(rows.keys([one.start for one in gone]), FORGOTTEN, span, ports)
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


def emit(span: Ahead, known_row: tuple[int, Values] | None, pipeline: Pipeline, ports: Ports, tell: Tell) -> bool:
    """Claim windows that are closed, computed anew over all their rows; tell whether there are more.

    `known_row` is one that tells whether the source is the one that the rows were read of.
    """
    work, identity = span.layout.aggregate, pipeline.identity
    known = ports.state.windows(identity)
    closed = [] if work is None else _due(work, known, latest(known.values(), _micros(span.lineage.claimed_at)))
    if work is None or not closed:
        return False
    some, position = portion(closed, pipeline.limits.span_rows), span.before.position
    ranges = without(rows_again(some), position.gaps.ranges)
    with (
        ports.source.within(span.table, span.layout.pairs, position, ranges, known_row) as batches,
        ports.spool.rows_at_hand(batches, span.layout.work, work, span.lineage) as rows,
    ):
        found = {one.start: one.rows for one in rows.looked.seen}
        lacking = [window for window in some if window.lacks(found.get(window.start, 0))]
        emitted = [window for window in some if window not in lacking]
        late = _waiting(rows, lacking)
        _check_alone(emitted, work, span, ports)
        spooled = rows.aggregate([w.start for w in emitted]) if emitted else Spooled(None)
    _set_apart(late, LACKING, span, ports)
    lost = sum(window.waiting for window in lacking) - len(late)
    settled = Settled(sum(window.waiting for window in emitted), len(late), max(0, lost))
    read = LateSpan(()), Counts(0, 0), None
    claim = replace(
        claim_of(pipeline, span.lineage, span.layout, replace(spooled, by_rule=ByRule()), read), settled=settled
    )
    changed = {w.start: w.emitted(span.lineage.sequence) for w in emitted}
    changed |= {w.start: w.settled() for w in lacking}
    windows, since = _forgotten(known, work.grid, position.windows_since, changed)
    after = replace(position, sequence=span.lineage.sequence, windows_since=since)
    ports.state.claim(claim, replace(span.before, position=after, windows=windows), span.apart.quarantined)
    tell(Claimed(claim, more=True))
    if lacking:
        tell(WindowsLack(identity, len(lacking), settled.quarantined, settled.lost))
    return len(closed) > len(some)


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


def _waiting(rows: RowsAtHand, lacking: Sequence[Window]) -> list[tuple[int | None, int]]:
    """Return the rows that lacking windows wait for: of each the newest ones, where it is not sure."""
    if not lacking:
        return []
    waiting = {window.start: window for window in lacking}
    found: dict[int, list[int]] = {}
    for start, key in rows.keys(list(waiting)):
        if start is not None and any(low <= key <= high for low, high in waiting[start].waits):
            found.setdefault(start, []).append(key)
    return [(start, key) for start, keys in found.items() for key in sorted(keys)[-waiting[start].waiting :]]


def _set_apart(keys: Sequence[tuple[int | None, int]], reason: str, span: Ahead, ports: Ports) -> None:
    """Put rows into quarantine: those of a window by a reason, those of none since they have no time."""
    time = span.before.position.witness_columns[0]
    found = ports.source.held(span.table, [key for _, key in keys]) if span.apart.keeps_values and keys else {}
    span.apart.also(
        [QuarantinedRow(key, {time: NO_TIME if start is None else reason}, found.get(key, {})) for start, key in keys]
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
