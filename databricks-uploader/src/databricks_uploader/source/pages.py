"""Pages in the order of rowids."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from time import monotonic

from arro3.compute import max as largest
from arro3.compute import min as smallest
from arro3.core import Array

from databricks_uploader.model.gaps import Range, absent
from databricks_uploader.model.witness import WITNESSED_TEXT, Values
from databricks_uploader.ports import Look, Page, Reading
from databricks_uploader.source import plan as plans
from databricks_uploader.source.connection import Connection
from databricks_uploader.source.rows import Rows


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


@dataclass(frozen=True)
class _Read:
    """The rows of a page as they are, read in one transaction."""

    raw: Mapping[str, Array]
    rows: str
    """FROM and WHERE."""
    up_to: int
    last: bool


@dataclass(frozen=True)
class Reader:
    """Reads pages of one table, each read in a transaction that ends before the rows are looked at."""

    rows: Rows
    witness_columns: Sequence[str]
    size: PageSize

    def reading(self, after: int | None, witnesses: Sequence[int], gaps: Sequence[Range]) -> Reading:
        """Look at the table, and read late rows, or else those after a rowid, in the same transaction."""

        def both() -> tuple[Look, _Read | None]:
            look = self._look(witnesses, gaps)
            return look, self._late(look.late) if look.late else self._following(after, self.size.first_rows)

        look, read = self.rows.connection.consistent(both)
        if read is None:
            return Reading(look, iter(()))
        if look.late:
            return Reading(look, iter([self._page(read)[0]]))
        page = self._following_page(after, read)
        return Reading(look, chain([page], self._rest(page)))

    def _rest(self, page: Page) -> Iterator[Page]:
        """Yield the pages after one, until there is no row, or the newest one read is not the same any more."""
        while not page.last:
            limit = self.size.next_rows(page.rows, page.size)
            ((newest, values),) = page.tail(1)
            same = plans.still(self.rows.table, self.witness_columns, newest, values)
            began_s = monotonic()
            read = self.rows.connection.consistent(partial(self._following, page.up_to, limit, same))
            self.rows.connection.give_way(monotonic() - began_s)
            if read is None:
                return
            yield (page := self._following_page(page.up_to, read))

    def _look(self, witnesses: Sequence[int], gaps: Sequence[Range]) -> Look:
        connection, plan = self.rows.connection, self.rows.plan
        ((oldest, counter, schema_version),) = connection.rows(plans.ids(self.rows.table))
        late = connection.rows(plan.late(gaps, self.size.rows)) if gaps else []
        return Look(self._found(witnesses), oldest, counter, schema_version, tuple(sorted(key for (key,) in late)))

    def _late(self, keys: Sequence[int]) -> _Read:
        rows = self.rows.plan.named(keys)
        return _Read(self.rows.raw(rows, len(keys)), rows, keys[-1], last=False)

    def _following(self, after: int | None, limit: int, same: str = "1") -> _Read | None:
        """Read the next `limit` rows after the rowid `after`; None where there is none, or `same` is not true."""
        full, newest, same_as_before = self.rows.connection.rows(self.rows.plan.end(after, limit, same))[0]
        if newest is None or not same_as_before:
            return None
        up_to = newest if full is None else full
        rows = self.rows.plan.following(after, up_to)
        return _Read(self.rows.raw(rows, limit), rows, up_to, last=full is None)

    def _following_page(self, after: int | None, read: _Read) -> Page:
        page, keys = self._page(read)
        ranges, more = absent(after, _sorted(keys))
        return replace(page, absent=ranges, absent_more=more)

    def _found(self, keys: Sequence[int]) -> Mapping[int, Values]:
        if not keys:
            return {}
        rows = plans.witnessed(self.rows.table, self.witness_columns, self.rows.plan.named(keys))
        return dict(witness_values(self.rows.connection, rows, at_most=len(keys)))

    def _page(self, read: _Read) -> tuple[Page, Array]:
        """Return a page, and its rowids."""
        raw, keys = read.raw, read.raw[self.rows.plan.key]
        typed = self.rows.typed(raw, read.rows, keys)
        telling = [raw[self.rows.plan.expression(name)] for name in self.witness_columns]

        def tail(count: int) -> Sequence[tuple[int, Values]]:
            start = max(0, len(keys) - count)
            return list(zip(list(keys.slice(start).to_pylist()), told(telling, start, len(keys)), strict=True))

        newest = self.rows.newest(typed)
        return Page(typed, len(keys), typed.nbytes, read.up_to, newest, read.last, (), 0, tail), keys


def told(columns: Sequence[Array], start: int, end: int) -> Sequence[Values]:
    """Return the values of some rows as witnesses hold them."""
    values = [[_as_witnessed(v) for v in column.slice(start, end - start).to_pylist()] for column in columns]
    return list(zip(*values, strict=True)) if values else [()] * (end - start)


def witness_values(connection: Connection, select: str, *, at_most: int) -> Iterator[tuple[int, Values]]:
    """Yield rowid and witness values of a `plan.witnessed` select, in its order."""
    _, *rows = connection.rows(select, at_most=at_most + 1)
    for key, *three in rows:
        yield key, tuple(_only(three[i : i + 3]) for i in range(0, len(three), 3))


def _only(values: Sequence[bytes | int | float | None]) -> bytes | int | float | None:
    return next((value for value in values if value is not None), None)


def _as_witnessed(value: str | bytes | int | float | None) -> bytes | int | float | None:
    if isinstance(value, str):
        return value[:WITNESSED_TEXT].encode()
    return value[:WITNESSED_TEXT] if isinstance(value, bytes) else value


def _sorted(keys: Array) -> Sequence[int]:
    """Return rowids in order; where each follows the one before by one, without a look at each."""
    low, high = smallest(keys).as_py(), largest(keys).as_py()
    return range(low, high + 1) if high - low + 1 == len(keys) else sorted(keys.to_pylist())
