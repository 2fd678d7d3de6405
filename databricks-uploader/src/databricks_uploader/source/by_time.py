"""Pages in the order of the rows' times, for tables without rowids, for views, and where a person wants it so.

Times are compared as the source holds them, as text, so that an index serves; and then, parsed, one by one. Text in
ISO 8601 sorts like the times it stands for as long as the zone is the same and up to a second, as `Z` sorts after a
fraction: `slack` is how far the two orders may be apart.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from arro3.compute import take
from arro3.core import Array, DataType, RecordBatch

from databricks_uploader.errors import PermanentError
from databricks_uploader.model.table import DeltaType
from databricks_uploader.ports import TimedPage
from databricks_uploader.source.connection import identifier, text
from databricks_uploader.source.pages import PageSize, told
from databricks_uploader.source.rows import Rows
from databricks_uploader.source.typed import ARROW

MOST_TIES = 65_536
_ZONED = re.compile(r"[+-](?!00:?(00)?$)\d\d:?(\d\d)?$")
_ONE_ZONE, _ANY_ZONE, _DATES = timedelta(seconds=2), timedelta(hours=26, seconds=2), timedelta(days=1)


@dataclass(frozen=True)
class Sweep:
    """Reads the rows of one table from a time on, a page its own transaction."""

    rows: Rows
    time: str
    """The source's time column."""
    telling: Sequence[str]
    """Source columns that tell rows of the same time apart."""
    size: PageSize

    def pages(self, since: datetime | None) -> Iterator[TimedPage]:
        """Yield pages of all rows of the time `since` or later, and of some before."""
        ((newest, unreadable),) = self.rows.connection.rows(self._bounds())
        if unreadable:
            raise PermanentError(
                f"column {self.time!r} of {self.rows.table.name!r}, in whose order the table is read, holds NULL or "
                "what is no ISO-8601 time",
                hint="correct these rows in the source, or read a view without them",
            )
        away = timedelta() if newest is None else slack(newest)
        after = "" if since is None or newest is None else _bound(since - away, newest)
        limit, page = self.size.first_rows, None
        while newest is not None and (page is None or not page.last):
            read = self.rows.connection.consistent(partial(self._next, after, limit))
            if read is None:
                return
            page, after = self._page(read, away), read.up_to
            limit = self.size.next_rows(page.rows, page.size)
            yield page

    @property
    def _column(self) -> str:
        return identifier(self.time)

    def _bounds(self) -> str:
        """Select the last time, and whether there are values that are no text of digits."""
        c, source = self._column, self.rows.plan.source
        odd = f"EXISTS (SELECT 1 {source} WHERE {c} IS NULL) OR EXISTS (SELECT 1 {source} WHERE {c} < '0') OR "
        odd += f"EXISTS (SELECT 1 {source} WHERE {c} >= ':')"
        return f"SELECT (SELECT max({c}) {source}), {odd}"

    def _next(self, after: str, limit: int) -> "_Read | None":
        """Read the next rows in the order of text, all of the last one's time among them; None where there is none."""
        c, source, connection = self._column, self.rows.plan.source, self.rows.connection
        full = f"SELECT {c} {source} WHERE {c} > {text(after)} ORDER BY {c} LIMIT 1 OFFSET {limit - 1}"
        ((end, last),) = connection.rows(f"SELECT ({full}), (SELECT max({c}) {source} WHERE {c} > {text(after)})")
        up_to = last if end is None else end
        if up_to is None:
            return None
        where = f"{source} WHERE {c} > {text(after)} AND {c} <= {text(up_to)}"
        ((count,),) = connection.rows(f"SELECT count(*) {where}")
        if count > limit + MOST_TIES:
            raise PermanentError(
                f"more than {MOST_TIES:,} rows of {self.rows.table.name!r} are of one time",
                hint="a table with rowids is read without regard to times: set cursor to rowid",
            )
        return _Read(self.rows.raw(where, count), where, count, up_to, last=up_to == last)

    def _page(self, read: "_Read", away: timedelta) -> TimedPage:
        raw, where, count = read.raw, read.rows, read.count
        texts = raw[self.rows.plan.expression(self.time)]
        times = texts.cast(ARROW[DeltaType.TIMESTAMP]).cast(DataType.int64())
        if times.null_count:
            raise PermanentError(
                f"column {self.time!r} of {self.rows.table.name!r} holds what is no ISO-8601 time",
                hint="correct these rows in the source, or read a view without them",
            )
        telling = [raw[self.rows.plan.expression(name)] for name in self.telling]
        typed = self.rows.typed(raw, where, Array(range(1, count + 1), DataType.int64()))
        return TimedPage(
            list(zip(list(times.to_pylist()), told(telling, 0, count), strict=True)),
            typed.nbytes,
            read.last,
            lambda indices, first: _only(typed, indices, first),
            away,
        )


@dataclass(frozen=True)
class _Read:
    """The rows of a page as they are, read in one transaction."""

    raw: Mapping[str, Array]
    rows: str
    count: int
    up_to: str
    last: bool


def slack(newest: str) -> timedelta:
    """Return how far the order of text and that of times may be apart in a column whose last text is `newest`."""
    if len(newest) <= len("2026-01-01"):
        return _DATES
    return _ANY_ZONE if _ZONED.search(newest[10:]) else _ONE_ZONE


def _bound(time: datetime, like: str) -> str:
    """Return a text that sorts before those of all times from `time` on, `like` being one."""
    if len(like) <= len("2026-01-01"):
        return time.strftime("%Y-%m-%d")
    return time.strftime(f"%Y-%m-%d{like[10]}%H:%M:%S")


def _only(typed: RecordBatch, indices: Sequence[int], first: int) -> RecordBatch:
    """Return some of the rows, numbered from `first` on."""
    chosen = Array(list(indices), DataType.uint32())
    *columns, _ = (take(column, chosen) for column in typed.columns)
    numbers = Array(range(first, first + len(indices)), DataType.int64())
    return RecordBatch.from_arrays([*columns, numbers], schema=typed.schema)
