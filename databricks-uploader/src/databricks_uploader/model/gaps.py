"""Rowids below the cursor that no row had when they were passed: a row may still come there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LOWEST, HIGHEST = -(2**63), 2**63 - 1
"""The rowids that SQLite can give (https://sqlite.org/autoinc.html)."""
MOST_GAPS = 1_000

Range = tuple[int, int]
"""The first and the last of some consecutive rowids."""


@dataclass(frozen=True)
class Gaps:
    """The newest ranges of absent rowids, in order; `given_up` of the oldest are not looked at any more."""

    ranges: tuple[Range, ...] = ()
    given_up: int = 0

    def grown(self, absent: Sequence[Range], given_up: int = 0) -> "Gaps":
        """Return the gaps with those of a span above them, whose own oldest may be given up already."""
        ranges = (*self.ranges, *absent)
        return Gaps(ranges[-MOST_GAPS:], self.given_up + given_up + max(0, len(ranges) - MOST_GAPS))

    def without(self, keys: Iterable[int]) -> "Gaps":
        """Return the gaps after rows have come with these rowids."""
        ranges = list(self.ranges)
        for key in keys:
            i = next(i for i, (low, high) in enumerate(ranges) if low <= key <= high)
            low, high = ranges[i]
            ranges[i : i + 1] = [part for part in ((low, key - 1), (key + 1, high)) if part[0] <= part[1]]
        return Gaps().grown(ranges, self.given_up)

    def up_to(self, key: int) -> "Gaps":
        """Return the gaps below and at `key`."""
        return Gaps(tuple((low, min(high, key)) for low, high in self.ranges if low <= key), self.given_up)


def absent(after: int | None, keys: Sequence[int]) -> tuple[tuple[Range, ...], int]:
    """Return the newest gaps between `after` (None: the lowest rowid) and sorted `keys`, and how many older there are.

    Where keys are times, each of them leaves a gap: so no more are made than are kept.
    """
    before = LOWEST if after is None else after + 1
    if keys[0] == before and keys[-1] - before + 1 == len(keys):
        return (), 0
    starts = (before, *(key + 1 for key in keys[:-1]))
    ranges = [(start, key - 1) for start, key in zip(starts, keys, strict=True) if start < key]
    return tuple(ranges[-MOST_GAPS:]), max(0, len(ranges) - MOST_GAPS)
