"""Pages in the order of rowids."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from arro3.compute import max as largest
from arro3.compute import min as smallest
from arro3.core import Array

from databricks_uploader.model.gaps import Range, absent
from databricks_uploader.model.witness import WITNESSED_TEXT, Values
from databricks_uploader.ports import Look, Page
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
class Reader:
    """Reads pages of one table; for all but `rest` the caller holds the transaction."""

    rows: Rows
    witness_columns: Sequence[str]
    size: PageSize

    def look(self, witnesses: Sequence[int], gaps: Sequence[Range]) -> Look:
        """Look for the witnesses, for rows that came into gaps, and at what tells the table's rowids."""
        connection, plan = self.rows.connection, self.rows.plan
        ((oldest, counter, schema_version),) = connection.rows(plans.ids(self.rows.table))
        late = connection.rows(plan.late(gaps, self.size.rows)) if gaps else []
        return Look(self._found(witnesses), oldest, counter, schema_version, tuple(sorted(key for (key,) in late)))

    def late(self, keys: Sequence[int]) -> Page:
        """Read the rows with these rowids, which are in order."""
        return self._page(self.rows.plan.named(keys), len(keys), keys[-1], last=False)[0]

    def following(self, after: int | None, limit: int) -> Page | None:
        """Read the next `limit` rows after the rowid `after`; None where there is none."""
        full, newest = self.rows.connection.rows(self.rows.plan.end(after, limit))[0]
        if newest is None:
            return None
        up_to = newest if full is None else full
        page, keys = self._page(self.rows.plan.following(after, up_to), limit, up_to, last=full is None)
        ranges, more = absent(after, _sorted(keys))
        return replace(page, absent=ranges, absent_more=more)

    def rest(self, page: Page) -> Iterator[Page]:
        """Yield the pages after one, until there is no row, or the newest one read is not the same any more."""
        while not page.last:
            with self.rows.connection.transaction():
                if self._found([page.up_to]) != dict(page.tail(1)):
                    return
                following = self.following(page.up_to, self.size.next_rows(page.rows, page.size))
            if following is None:
                return
            yield (page := following)

    def _found(self, keys: Sequence[int]) -> Mapping[int, Values]:
        if not keys:
            return {}
        rows = plans.witnessed(self.rows.table, self.witness_columns, self.rows.plan.named(keys))
        return dict(witness_values(self.rows.connection, rows, at_most=len(keys)))

    def _page(self, rows: str, limit: int, up_to: int, *, last: bool) -> tuple[Page, Array]:
        """Return a page, and its rowids."""
        raw = self.rows.raw(rows, limit)
        keys = raw[self.rows.plan.key]
        typed = self.rows.typed(raw, rows, keys)
        telling = [raw[self.rows.plan.expression(name)] for name in self.witness_columns]

        def tail(count: int) -> Sequence[tuple[int, Values]]:
            start = max(0, len(keys) - count)
            return list(zip(list(keys.slice(start).to_pylist()), told(telling, start, len(keys)), strict=True))

        return Page(typed, len(keys), typed.nbytes, up_to, self.rows.newest(typed), last, (), 0, tail), keys


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
    return value[:WITNESSED_TEXT].encode() if isinstance(value, str) else value


def _sorted(keys: Array) -> Sequence[int]:
    """Return rowids in order; where each follows the one before by one, without a look at each."""
    low, high = smallest(keys).as_py(), largest(keys).as_py()
    return range(low, high + 1) if high - low + 1 == len(keys) else sorted(keys.to_pylist())
