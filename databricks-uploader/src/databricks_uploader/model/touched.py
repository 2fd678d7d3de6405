"""What is remembered of windows: rows read and not yet in an emitted row, and where the source has them.

A window is emitted when no more rows are expected, computed anew over all its rows; a row that comes later makes it
wait again. Its rows are read again by ranges of rowids, or of times in µs since 1970 where the cursor is a time, which
need not be those of no other window.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from databricks_uploader.model.gaps import HIGHEST, LOWEST, Range
from databricks_uploader.model.windows import DAY, Grid

MOST_RANGES = 4
"""Ranges of keys that are kept of a window, so that a late row does not make it as long as the table."""
MOST_WINDOWS = 50_000
"""Windows that are remembered of a pipeline: 5 years of hours, 34 days of minutes; some 150 bytes each at most."""
MOST_LATE = 1_000
"""Late rows whose keys are kept of a window, where keys don't tell which came last; others stand in for more."""
FUTURE = DAY
"""How far beyond the clock a row's time may be to be believed."""


@dataclass(frozen=True)
class Seen:
    """The rows of one span that are in one window: their number, the range that they are in, and their latest time."""

    start: int
    rows: int
    lowest: int
    highest: int
    newest: int
    keys: tuple[int, ...] = ()
    """What all are known by, where that is not the rowid."""


@dataclass(frozen=True)
class Window:
    """A window that rows were read of, known by its beginning in µs since 1970."""

    start: int
    rows: int = 0
    """Rows that were ever read of it."""
    waiting: int = 0
    """Rows that were read since it was emitted."""
    newest: int = 0
    """The latest time of its rows."""
    ranges: tuple[Range, ...] = ()
    """Where its rows are, in order."""
    loaded: int = 0
    """The sequence of the claim that it was emitted by last; 0: by none."""
    waits: tuple[Range, ...] = ()
    """Where the rows that wait are, in order, if keys are rowids."""
    late: tuple[int, ...] = ()
    """Keys of rows that were read since it was emitted, if they are none."""

    def touched(self, seen: Seen) -> "Window":
        """Return the window with the rows of one more span."""
        new = seen.lowest, seen.highest
        return replace(
            self,
            rows=self.rows + seen.rows,
            waiting=self.waiting + seen.rows,
            newest=max(self.newest, seen.newest) if self.rows else seen.newest,
            ranges=covering(self.ranges, new),
            waits=() if seen.keys else covering(self.waits, new),
            late=(*self.late, *seen.keys)[:MOST_LATE] if self.loaded else (),
        )

    def emitted(self, sequence: int, more: int = 0) -> "Window":
        """Return the window after a claim has its rows, and so many more that were found with them."""
        return replace(self.settled(), rows=self.rows + more, loaded=sequence)

    def settled(self) -> "Window":
        """Return the window once none of its rows waits any more."""
        return replace(self, waiting=0, waits=(), late=())

    def lacks(self, found: int) -> int:
        """Return how many of its rows the source has no more, when so many were read again."""
        return max(0, self.rows - found)

    def waiting_of(self, found: Iterable[int], *, by_time: bool) -> list[int]:
        """Return which of the rows that were found again wait, by their keys: where that is not sure the last ones."""
        if not self.waiting:
            return []
        if not by_time:
            return sorted(key for key in found if holds(self.waits, key))[-self.waiting :]
        late = set(self.late)
        if len(late) == self.waiting:
            return sorted(key for key in found if key in late)
        return sorted(found, key=lambda key: (key in late, key))[-self.waiting :]


def touched(known: Mapping[int, Window], seen: Iterable[Seen]) -> Mapping[int, Window]:
    """Return the windows that a span changes, as they are after it, by their beginnings."""
    after: dict[int, Window] = {}
    for one in seen:
        before = after.get(one.start) or known.get(one.start, Window(one.start))
        after[one.start] = before.touched(one)
    return after


def among(known: Mapping[int, Window], seen: Iterable[Seen]) -> list[int]:
    """Return the windows of a span whose rows, known by rowids, lie among others that were read of them before."""
    before = {one: known[one.start].ranges for one in seen if one.start in known and not one.keys}
    return [one.start for one, ranges in before.items() if ranges and one.lowest < ranges[-1][1]]


def one_by_one(seen: Iterable[Seen], keys: Iterable[tuple[int | None, int]]) -> list[Seen]:
    """Return the rows of a span, each by itself where its window and key are given."""
    by_start = {one.start: one for one in seen}
    alone = [replace(by_start[start], rows=1, lowest=key, highest=key) for start, key in keys if start is not None]
    found = {one.start for one in alone}
    return [*(one for start, one in by_start.items() if start not in found), *alone]


def covering(ranges: Sequence[Range], new: Range, most: int = MOST_RANGES) -> tuple[Range, ...]:
    """Return ranges with one more, at most so many: those with the fewest keys between them become one."""
    merged: list[Range] = []
    for low, high in sorted([*ranges, new]):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    while len(merged) > most:
        near = min(range(1, len(merged)), key=lambda i: merged[i][0] - merged[i - 1][1])
        merged[near - 1 : near + 1] = [(merged[near - 1][0], merged[near][1])]
    return tuple(merged)


def rows_again(windows: Iterable[Window], before: int | None = None) -> tuple[Range, ...]:
    """Return the ranges that have all rows of some windows, in order and apart; only keys up to `before`, if given."""
    found: tuple[Range, ...] = ()
    for low, high in sorted(one for window in windows for one in up_to(before, window.ranges)):
        if found and low <= found[-1][1] + 1:
            found = (*found[:-1], (found[-1][0], max(found[-1][1], high)))
        else:
            found = (*found, (low, high))
    return found


def holds(ranges: Sequence[Range], key: int) -> bool:
    """Tell whether a key is in one of some ranges, which are in order and apart."""
    place = bisect_right(ranges, (key, HIGHEST))
    return place > 0 and key <= ranges[place - 1][1]


def up_to(key: int | None, ranges: Sequence[Range]) -> tuple[Range, ...]:
    """Return what of ranges is not beyond a key (None: all)."""
    return tuple(ranges) if key is None else tuple((low, min(high, key)) for low, high in ranges if low <= key)


def without(ranges: Sequence[Range], gaps: Sequence[Range]) -> list[Range]:
    """Return ranges, in order and apart, without the keys of gaps: rows that come into them were not read yet."""
    found: list[Range] = []
    in_order = sorted(gaps)
    for low, high in ranges:
        for first, last in in_order:
            if first > high:
                break
            if low <= last:
                if low < first:
                    found.append((low, first - 1))
                low = last + 1  # noqa: PLW2901  (what is left of the range)
        if low <= high:
            found.append((low, high))
    return found


def in_new_life(windows: Iterable[Window], after: int | None) -> dict[int, Window]:
    """Return windows when the source goes on after that key (None: at its beginning): what was beyond is gone.

    They have as many rows as ever, so that one of which rows are gone is seen to lack them.
    """
    last = LOWEST - 1 if after is None else after
    return {w.start: replace(w, ranges=up_to(last, w.ranges), waits=up_to(last, w.waits)) for w in windows}


def renumbered(windows: Iterable[Window], last: int | None) -> dict[int, Window]:
    """Return windows when the source has given its rows other keys: each may be anywhere up to that one."""
    anywhere = ((LOWEST, LOWEST if last is None else last),)
    return {window.start: replace(window, ranges=anywhere, waits=anywhere) for window in windows}


def portion(windows: Sequence[Window], rows: int) -> list[Window]:
    """Return the first windows that have about so many rows together; at least one."""
    found: list[Window] = []
    for window in windows:
        if found and sum(w.rows for w in found) + window.rows > rows:
            break
        found.append(window)
    return found


def latest(windows: Iterable[Window], now: int) -> int:
    """Return the time that windows are closed by: the clock's, or that of the newest row where it is later.

    Rows more than a day ahead of the clock don't count, as they close nothing. A clock that is behind by more than that
    closes nothing either that is not as old.
    """
    return max([now, *(window.newest for window in windows if window.newest <= now + FUTURE)])


def closes_at(window: Window, grid: Grid, lateness: int) -> int:
    """Return when a window is to be emitted: its end, and how long its rows may be late, both in µs."""
    return grid.end(window.start) + lateness


def due(windows: Iterable[Window], grid: Grid, lateness: int, latest_time: int) -> list[Window]:
    """Return the windows that have rows waiting and are closed, in order."""
    found = [w for w in windows if w.waiting and closes_at(w, grid, lateness) <= latest_time]
    return sorted(found, key=lambda window: window.start)


def loaded_of(seen: Iterable[Seen], emitted: Iterable[Window]) -> int:
    """Return how many rows of a span are in the windows that its claim emits; its other rows wait."""
    starts = {window.start for window in emitted}
    return sum(one.rows for one in seen if one.start in starts)


@dataclass(frozen=True)
class Forgetting:
    """Which windows are remembered no more, and from which time on all are."""

    starts: tuple[int, ...]
    since: int | None
    """A row before it that is of no remembered window can't be loaded: earlier rows of its window may be."""


def forgetting(windows: Sequence[Window], grid: Grid, since: int | None, most: int = MOST_WINDOWS) -> Forgetting:
    """Return what is to be forgotten so that no more than `most` windows are left: the oldest that nothing waits in."""
    idle = sorted(window.start for window in windows if not window.waiting)
    starts = tuple(idle[: max(0, len(windows) - most)])
    if not starts:
        return Forgetting((), since)
    return Forgetting(starts, max(grid.end(starts[-1]), grid.end(starts[-1]) if since is None else since))


def of_forgotten(seen: Iterable[Seen], known: Mapping[int, Window], since: int | None) -> list[Seen]:
    """Return the rows of a span whose windows were forgotten: they go into quarantine."""
    return [one for one in seen if since is not None and one.start < since and one.start not in known]
