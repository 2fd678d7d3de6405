"""Pages in the order of rowids."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, chain
from time import monotonic

from arro3.compute import max as largest
from arro3.compute import min as smallest
from arro3.core import Array, RecordBatch

from databricks_uploader.errors import TransientError
from databricks_uploader.model.gaps import LOWEST, Range, absent
from databricks_uploader.model.witness import MOST_DENSE, Values
from databricks_uploader.ports import Look, Page, Reading
from databricks_uploader.source import plan as plans
from databricks_uploader.source.connection import Connection
from databricks_uploader.source.diagnosis import damaged
from databricks_uploader.source.order import in_order
from databricks_uploader.source.rows import Raw, Rows, SortedOut, only, size_of
from databricks_uploader.source.tape import NO_ROWS, Asked, Recording, Tape


@dataclass(frozen=True)
class PageSize:
    """How much one page holds. Pages start small and grow, as the width of rows is not known before."""

    first_rows: int = 64
    rows: int = 8_192
    """A rollback-mode writer met SQLITE_BUSY in 144 of 59,052 writes beside pages of this size, in 3,370 of
    3,807 beside span-long reads."""
    size: int = 4 << 20

    def next_rows(self, rows: int, size: int) -> int:
        """Return the rows of the page after one of `rows` rows and `size` bytes."""
        fitting = self.size * max(rows, 1) // max(size, 1)
        return max(1, min(self.rows, 8 * max(rows, 1), fitting))

    def fitting(self, sizes: Sequence[int]) -> int:
        """Return how many rows of these bytes make a page: at least one."""
        return max(1, sum(size <= self.size for size in accumulate(sizes)))


@dataclass
class Care:
    """Whether rows may be wide: then their bytes are asked for before they are read, at a seventh of the time.

    Once so many rows in a row were narrow, the rest of a backlog is taken to be so.
    """

    narrow_rows: int = 0

    @property
    def needed(self) -> bool:
        """Whether to ask."""
        return self.narrow_rows < _MANY_ROWS

    def saw(self, sizes: Sequence[int]) -> None:
        """Take in the bytes of rows."""
        self.narrow_rows = self.narrow_rows + len(sizes) if max(sizes, default=0) <= _NARROW else 0


_MANY_ROWS = 100_000
_NARROW = 16 << 10
_TAILED = 2 << 10
"""Rows of more bytes give their witness values at once, rather than being kept for it."""


@dataclass(frozen=True)
class _Read:
    """The rows of a page as they are, read in one transaction."""

    raw: Raw
    up_to: int
    last: bool


@dataclass
class Reader:
    """Reads pages of one table, each read in a transaction that ends before the rows are looked at."""

    rows: Rows
    size: PageSize
    care: Care
    tape: Tape | None = None
    """Has what other pipelines read."""

    def reading(self, after: int | None, witnesses: Sequence[int], gaps: Sequence[Range]) -> Reading:
        """Look at the table, and read late rows, or else those after a rowid, in the same transaction."""
        asked = Asked.of(self.rows, after)
        kept = None if self.tape is None else self.tape.kept(asked)
        if kept is not None:
            same = self.rows.connection.consistent(partial(self._look_at, kept, witnesses, gaps))
            if same is not None:
                return Reading(same, self._played(kept, asked))

        def both() -> tuple[Look, _Read | None]:
            look = self._look(witnesses, gaps)
            return look, self._late(look.late) if look.late else self._following(after, self.size.first_rows)

        look, read = self.rows.connection.consistent(both)
        while read is not None and (sorted_out := self._sorted_out(read)) is None:
            del read  # rows may be wide
            look, read = self.rows.connection.consistent(both)
        if read is None or sorted_out is None:
            return Reading(look, iter(()))
        if look.late:
            return Reading(look, iter([self._page(read, sorted_out)]))
        page = self._following_page(after, read, sorted_out)
        pages = chain([page], self._rest(page))
        return Reading(look, pages if self.tape is None else _recorded(pages, self.tape.recording(asked)))

    def within(self, ranges: Sequence[Range], known: tuple[int, Values] | None) -> Iterator[Page]:
        """Yield the rows of ranges of rowids. Raises TransientError once row `known` is not as it was."""
        same = "1" if known is None else plans.still(self.rows.table, self.rows.told_by, *known)
        limit = self.size.first_rows
        for low, high in ranges:
            after = None if low <= LOWEST else low - 1
            while after is None or after < high:
                page = self._next(after, partial(self._following, after, limit, same, high))
                if page is None:
                    break
                yield page
                after, limit = page.up_to, self.size.next_rows(page.rows, page.size)

    def _rest(self, page: Page) -> Iterator[Page]:
        """Yield the pages after one, until there is no row, or the newest one read is not the same any more."""
        while not page.last:
            limit = self.size.next_rows(page.rows, page.size)
            ((newest, values),) = page.tail(1)
            same = plans.still(self.rows.table, self.rows.told_by, newest, values)
            following = self._next(page.up_to, partial(self._following, page.up_to, limit, same))
            if following is None:
                return
            yield (page := following)

    def _next(self, after: int | None, once: Callable[[], _Read | None]) -> Page | None:
        """Read a page, and again where it must be read more exactly."""
        while True:
            began_s = monotonic()
            read = self.rows.connection.consistent(once)
            self.rows.connection.give_way(monotonic() - began_s)
            sorted_out = None if read is None else self._sorted_out(read)
            if read is None:
                return None
            if sorted_out is not None:
                return self._following_page(after, read, sorted_out)
            del read  # rows may be wide

    def _look(self, witnesses: Sequence[int], gaps: Sequence[Range]) -> Look:
        connection, plan, table = self.rows.connection, self.rows.plan, self.rows.table
        ((oldest, counter, schema_version),) = connection.rows(plans.ids(table))
        if table.schema_version not in (None, schema_version):
            raise TransientError(f"{table.name!r} changes while it is read", hint="it is tried again")
        late = sorted(key for (key,) in connection.rows(plan.late(gaps, self.size.rows))) if gaps else []
        if late:
            sizes = dict(connection.rows(plan.sizes(plan.named(late), plan.key)))
            late = late[: self.size.fitting([sizes[key] for key in late])]
        return Look(self._found(witnesses), oldest, counter, schema_version, tuple(late))

    def _look_at(self, kept: Recording, witnesses: Sequence[int], gaps: Sequence[Range]) -> Look | None:
        """Look at the table; None where the rows that were kept are not those to be claimed next."""
        look = self._look(witnesses, gaps)
        ((newest, values),) = kept.pages[-1].tail(1)
        still = plans.still(self.rows.table, self.rows.told_by, newest, values)
        ((same,),) = self.rows.connection.rows(f"SELECT {still}")
        return look if same and not look.late else None

    def _played(self, kept: Recording, asked: Asked) -> Iterator[Page]:
        for page, sorted_out, _ in kept.played(asked):
            yield replace(
                page,
                columns=sorted_out.columns,
                newest=self.rows.newest(sorted_out.columns),
                altered=sorted_out.altered,
                quarantined=sorted_out.quarantined,
            )

    def _late(self, keys: Sequence[int]) -> _Read:
        return _Read(self.rows.read(self.rows.plan.named(keys), len(keys)), keys[-1], last=False)

    def _following(self, after: int | None, limit: int, same: str = "1", most: int | None = None) -> _Read | None:
        """Read the next `limit` rows after the rowid `after`; None where there is none, or `same` is not true.

        `most`: read again up to that rowid; then `same` must be true.
        """
        connection, plan = self.rows.connection, self.rows.plan
        full, newest, same_as_before = connection.rows(plan.end(after, limit, same, most))[0]
        if most is not None and not same_as_before:
            raise TransientError(f"{self.rows.table.name!r} changes while it is read", hint="it is tried again")
        if newest is None or not same_as_before:
            return None
        up_to, least = (newest, 1) if full is None else (full, limit)
        if self.care.needed:
            found = connection.rows(f"{plan.sizes(plan.following(after, up_to), plan.key)} ORDER BY {plan.key}")
            if not found:
                raise damaged(connection.path)
            sizes = [size for _, size in found]
            self.care.saw(sizes)
            least = self.size.fitting(sizes)
            up_to, _ = found[least - 1]
        raw = self.rows.read(plan.following(after, up_to), limit)
        if len(raw[plan.key]) < least or not in_order(raw[plan.key], after, up_to):
            raise damaged(connection.path)
        return _Read(raw, up_to, last=up_to == newest)

    def _sorted_out(self, read: _Read) -> SortedOut | None:
        return self.rows.sorted_out(read.raw, read.raw[self.rows.plan.key])

    def _following_page(self, after: int | None, read: _Read, sorted_out: SortedOut) -> Page:
        ranges, more = absent(after, _sorted(read.raw[self.rows.plan.key]))
        return replace(self._page(read, sorted_out), absent=ranges, absent_more=more)

    def _found(self, keys: Sequence[int]) -> Mapping[int, Values]:
        if not keys:
            return {}
        rows = plans.witnessed(self.rows.table, self.rows.told_by, self.rows.plan.named(keys))
        return dict(witness_values(self.rows.connection, rows, at_most=len(keys)))

    def _page(self, read: _Read, sorted_out: SortedOut) -> Page:
        keys, tail = read.raw[self.rows.plan.key], self.rows.telling(read.raw)

        def newest(count: int) -> Sequence[tuple[int, Values]]:
            start = max(0, len(keys) - count)
            return list(zip(list(keys.slice(start).to_pylist()), tail(start, len(keys)), strict=True))

        def of_wide(count: int, all_rows: Sequence[tuple[int, Values]]) -> Sequence[tuple[int, Values]]:
            return all_rows[-count:]

        # An array keeps all that were read with it in memory, and tails are kept of some thousand rows.
        wide = size_of(read.raw) > _TAILED * len(keys)
        return Page(
            sorted_out.columns,
            rows=len(keys),
            size=sorted_out.size,
            up_to=read.up_to,
            newest=self.rows.newest(sorted_out.columns),
            last=read.last,
            absent=(),
            absent_more=0,
            tail=partial(of_wide, all_rows=newest(len(keys))) if wide else newest,
            altered=sorted_out.altered,
            quarantined=sorted_out.quarantined,
            units=dict(self.rows.units),
        )


def _recorded(pages: Iterator[Page], recording: Recording) -> Iterator[Page]:
    """Yield pages as they are read. Of what is kept only the newest rows, and those of the first page, tell all.

    A tail keeps its page in memory; these are enough of which witnesses are made.
    """
    telling = 1
    kept = recording.pages
    for page in pages:
        rows = SortedOut(RecordBatch.from_arrow(page.columns), page.altered, page.quarantined)
        recording.add(replace(page, columns=NO_ROWS), rows)
        while sum(later.rows for later in kept[telling + 1 :]) >= MOST_DENSE:
            kept[telling] = replace(kept[telling], tail=partial(_of_last_row, kept[telling].tail(1)))
            telling += 1
        yield page


def _of_last_row(last: Sequence[tuple[int, Values]], rows: int) -> Sequence[tuple[int, Values]]:
    if rows != 1:
        raise RuntimeError("a pipeline ends a span where the one that read it did not")
    return last


def witness_values(connection: Connection, select: str, *, at_most: int) -> Iterator[tuple[int, Values]]:
    """Yield rowid and witness values of a `plan.witnessed` select, in its order."""
    _, *rows = connection.rows(select, at_most=at_most + 1)
    for key, *three in rows:
        yield key, tuple(only(three[i : i + 3]) for i in range(0, len(three), 3))


def _sorted(keys: Array) -> Sequence[int]:
    """Return rowids in order; where each follows the one before by one, without a look at each."""
    low, high = smallest(keys).as_py(), largest(keys).as_py()
    return range(low, high + 1) if high - low + 1 == len(keys) else sorted(keys.to_pylist())
