"""What becomes of rows that are aggregated, whatever happens to their source, in plain Python: a second way to it.

A window is in the table as it was when it was last computed: closed, and with all rows that were ever read of it still
in the source. Of one that lacks some, no other row is loaded: those that wait are set apart, or lost where they are
gone too.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from tests.support import plain_aggregates

HOUR = timedelta(hours=1)
BELIEVED = timedelta(days=1)
"""How far ahead of the clock a time may be to close windows."""
Group = tuple[str | None, datetime]
Table = Mapping[Group, list[Any]]
"""Site and hour → the values of their row."""


@dataclass(frozen=True)
class Row:
    """A row of the source, known by its number; without a time it is in no window."""

    number: int
    time: datetime | None
    site: str | None

    @cached_property
    def value(self) -> int:
        """A value by whose sum rows can be told."""
        return self.number**3

    @property
    def excluded(self) -> bool:
        """Whether a rule leaves it out."""
        return self.site == "x"

    @property
    def window(self) -> datetime:
        """The beginning of its window."""
        assert self.time is not None
        return self.time.replace(minute=0, second=0, microsecond=0)


FUNCTIONS = (("", "count"), ("v", "sum"), ("v", "min"), ("v", "last"))
Rows = frozenset[Row]


def groups(rows: Iterable[Row]) -> dict[Group, list[Any]]:
    """Return the table of some rows: count of rows, sum, least and last value, and the number of rows."""
    cells = [{"ts": row.time, "site": row.site, "v": row.value} for row in rows]
    found = plain_aggregates.groups(cells, "ts", ("site", "hour"), FUNCTIONS, "UTC")
    return {(site, hour): values for (site, hour), values in found.items()}


@dataclass(frozen=True)
class Told:
    """What the uploader says of a pipeline, with its claims that are not loaded yet."""

    loaded: int
    waiting: int
    excluded: int
    lost: int
    apart: Counter[int]
    """Numbers of rows in quarantine."""

    @property
    def rows(self) -> int:
        return self.loaded + self.waiting + self.excluded + self.lost + self.apart.total()


@dataclass
class PlainWindows:
    """One uploader's table, and what it has read since its state was last made."""

    lateness: timedelta
    read: set[Row] = field(default_factory=set)
    _life: int = 0
    """Of state."""
    _shown: dict[Group, tuple[int, Rows]] = field(default_factory=dict)
    """What the table shows, and the life of state that computed it."""
    _emitted: dict[datetime, Rows] = field(default_factory=dict)
    """The rows of each window when it was last computed in this life of state."""
    _perhaps: dict[datetime, list[Rows]] = field(default_factory=dict)
    """Those that it may have been computed of since, as uploads were cut short."""

    def claimed(self, rows: Iterable[Row], here: Set[Row], now: datetime) -> None:
        """Take in that these rows were read, while the source held `here`: their windows may be computed by now."""
        new = set(rows)
        assert not new & self.read, "a row is read once"
        self.read |= new
        for start, of_window in self._windows().items():
            if self._closed(start, now) and of_window <= here:
                self._perhaps.setdefault(start, []).append(of_window)

    def uploaded(self, here: Set[Row], now: datetime, table: Table, told: Told) -> None:
        """See that the table, and what is told, are right after an upload that nothing cut short."""
        by_number = {row.number: row for row in self.read}
        apart = {by_number[number] for number in told.apart}
        assert told.apart.total() == len(apart), "a row is set apart once"
        left_out = {row for row in self.read if row.time is None or row.excluded}
        assert {row for row in apart if row in left_out} == {row for row in left_out if not row.excluded}
        assert told.excluded == sum(row.excluded for row in self.read)
        waiting = lost = 0
        for start, rows in self._windows().items():
            closed, set_apart = self._closed(start, now), apart & rows
            options = [rows] if closed and rows <= here else self._options(start)
            fitting = (
                some for some in options
                if self._fits(start, some, table) and not set_apart & some
                and (not (rows - some - set_apart) & here if closed else not set_apart)
            )  # fmt: skip
            emitted = next(fitting, None)
            assert emitted is not None, self._misfit(start, options, table, set_apart)
            self._now(start, emitted)
            left = len(rows - emitted - set_apart)
            waiting, lost = waiting + left * (not closed), lost + left * closed
        assert (told.loaded, told.waiting, told.lost) == (sum(map(len, self._emitted.values())), waiting, lost)
        assert {group: groups(rows)[group] for group, (_, rows) in self._shown.items()} == table
        self._perhaps.clear()

    def forgotten(self, table: Table) -> None:
        """Take in that state is lost: what is in the table stays, and all rows are read again."""
        for start in [*self._perhaps]:
            self._now(start, next(some for some in self._options(start) if self._fits(start, some, table)))
        self.read.clear()
        self._emitted.clear()
        self._perhaps.clear()
        self._life += 1

    def _windows(self) -> dict[datetime, Rows]:
        found: dict[datetime, set[Row]] = {}
        for row in self.read:
            if row.time is not None and not row.excluded:
                found.setdefault(row.window, set()).add(row)
        return {start: frozenset(rows) for start, rows in sorted(found.items())}

    def _closed(self, start: datetime, now: datetime) -> bool:
        """Tell whether a window is past by the clock, or by the newest row that was read."""
        times = [row.time for row in self.read if row.time is not None and not row.excluded]
        reached = max([now, *(time for time in times if time <= now + BELIEVED)])
        return start + HOUR + self.lateness <= reached

    def _options(self, start: datetime) -> list[Rows]:
        """Return the rows that a window may have been computed of last, the likeliest first."""
        return [*reversed(self._perhaps.get(start, [])), self._emitted.get(start, frozenset())]

    def _fits(self, start: datetime, emitted: Rows, table: Table) -> bool:
        there = {group: values for group, values in table.items() if group[1] == start}
        return there == {group: groups(rows)[group] for group, (_, rows) in self._showing(start, emitted)}

    def _showing(self, start: datetime, emitted: Rows) -> Iterator[tuple[Group, tuple[int, Rows]]]:
        """Yield what the table shows of a window that was last computed of these rows.

        What another life of state has computed is replaced only by what is of as many rows.
        """
        for site in {*(row.site for row in emitted), *(site for site, hour in self._shown if hour == start)}:
            before = self._shown.get((site, start))
            rows = frozenset(row for row in emitted if row.site == site)
            if before is not None and (not rows or (before[0] != self._life and len(rows) < len(before[1]))):
                yield (site, start), before
            else:
                yield (site, start), (self._life, rows)

    def _now(self, start: datetime, emitted: Rows) -> None:
        self._shown |= dict(self._showing(start, emitted))
        self._emitted[start] = emitted

    def _misfit(self, start: datetime, options: list[Rows], table: Table, apart: Set[Row]) -> str:
        there = {group: values for group, values in table.items() if group[1] == start}
        numbers = [sorted(row.number for row in some) for some in (*options, apart)]
        return f"window {start}: {there} is of none of {numbers[:-1]}, with {numbers[-1]} set apart"
