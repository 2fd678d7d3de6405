"""Pages in the order of the rows' times, for tables without rowids, for views, and where a person wants it so.

Times are compared as the source holds them, so that an index serves; and then, parsed, one by one. Numbers sort like
the times that they stand for. Text in ISO 8601 does as long as the zone is the same and up to a second, as `Z` sorts
after a fraction; local time does where clocks are not set back: `slack` is how far the two orders may be apart.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from itertools import chain
from typing import Any

from arro3.compute import take
from arro3.core import Array, DataType, RecordBatch

from databricks_uploader.errors import PermanentError, TransientError
from databricks_uploader.model.columns import Pair
from databricks_uploader.model.gaps import Range
from databricks_uploader.model.quarantine import RawValue
from databricks_uploader.model.source import SourceColumn
from databricks_uploader.model.table import Column, DeltaType
from databricks_uploader.model.times import DAY_MS, EPOCH, FACTOR, JULIAN_EPOCH_MS, Unit
from databricks_uploader.ports import Picked, TimedPage
from databricks_uploader.source import exact
from databricks_uploader.source.connection import identifier, text
from databricks_uploader.source.diagnosis import damaged
from databricks_uploader.source.order import within
from databricks_uploader.source.pages import Care, PageSize
from databricks_uploader.source.plan import value_forms
from databricks_uploader.source.rows import Raw, Rows, SortedOut, Unfit, size_of, values_of
from databricks_uploader.source.tape import WIDE, Asked, Recording, Tape
from databricks_uploader.source.time_texts import AFTER_ALL, BEFORE_ALL, slack, text_bound
from databricks_uploader.source.typed import Way, way

MOST_TIES = 65_536
MOST_ODD = 10_000
_MICROSECOND = timedelta(microseconds=1)
_MARGIN = 3_000
"""µs by which a number may be off the time that it stands for."""
_FAR = 3 * 86_400_000_000
"""µs by which a text of a time sorts behind those of all that are so much earlier, in whichever zones."""
Moment = str | int | float
"""A time as the source holds it."""


@dataclass(frozen=True)
class _Read:
    """The rows of a page as they are, read in one transaction."""

    raw: Raw
    count: int
    last: bool
    reached: Moment | None
    """The last row's time, as the source has it."""


@dataclass(frozen=True)
class _Found:
    """A page, its rows typed, and how far it reaches."""

    page: TimedPage
    sorted_out: SortedOut | None
    """None where rows are typed as they are picked: wide ones, and where a value was altered of one or another."""
    reached: Moment | None

    @property
    def without_rows(self) -> "_Found":
        return replace(self, page=replace(self.page, told=(), only=_nothing, held=_nothing), sorted_out=None)


@dataclass
class Sweep:
    """Reads the rows of one table from a time on, a page its own transaction."""

    rows: Rows
    time: SourceColumn
    size: PageSize
    care: Care
    tape: Tape | None = None
    """Has what other pipelines read."""
    exactly: bool = field(default=False, init=False)
    """Whether times are looked at one by one."""

    def pages(self, since: datetime | None) -> Iterator[TimedPage]:
        """Yield pages of all rows of the time `since` or later, and of some before; first the rows out of order.

        Those are NULL, and what is neither text that begins like a time nor, where times are numbers, a number.
        """
        asked = Asked.of(self.rows, since)
        kept = None if self.tape is None else self.tape.kept(asked)
        if kept is not None:
            yield from self._played(kept, asked, since)
            return
        recording = None if self.tape is None else self.tape.recording(asked)
        for found in chain(self._out_of_order(), self._on(since, None)):
            if recording is not None and found.sorted_out is not None:
                recording.add(found.without_rows, found.sorted_out, found.page.told)
            else:
                recording = None
            yield found.page

    def _played(self, kept: Recording, asked: Asked, since: datetime | None) -> Iterator[TimedPage]:
        """Yield the pages that were kept; where they end before the rows do, those after them are read."""
        reached, last = None, False
        for found, sorted_out, told in kept.played(asked):
            reached, last = found.reached, found.page.last
            yield replace(found.page, told=told, only=partial(_some, sorted_out))
        if not last:
            yield from (found.page for found in self._on(since, reached))

    def _on(self, since: datetime | None, reached: Moment | None) -> Iterator[_Found]:
        """Yield pages of the rows in order, from a time on, or after what was reached."""
        if since is None:
            away = max((self._slack(like) for like in self._ends()), default=timedelta())
            yield from self._through(reached, None, away)
        elif (like := self._like((since - EPOCH) // _MICROSECOND)) is not None:
            away = self._slack(like)
            after = self._bound((since - away - EPOCH) // _MICROSECOND, like) if reached is None else reached
            yield from self._through(after, None, away)

    def between(self, ranges: Sequence[Range]) -> Iterator[TimedPage]:
        """Yield pages of all rows of ranges of times in µs since 1970, and of some around; first the rows out of order.

        The ranges are in order and apart.
        """
        yield from (found.page for found in self._out_of_order())
        for after, most in self._around(ranges):
            yield from (found.page for found in self._through(after, most, timedelta()))

    def _around(self, ranges: Sequence[Range]) -> Sequence[tuple[Any, Any]]:
        """Return what sorts around all rows of ranges, in order and apart."""
        bounds = []
        for low, high in ranges:
            if (like := self._like(high)) is not None:
                away = self._slack(like) // _MICROSECOND
                bounds.append((self._bound(low - away, like), self._bound(high + away + _MARGIN, like)))
        found: list[tuple[Any, Any]] = []
        for after, most in sorted(bounds):
            if found and after <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], most))
            else:
                found.append((after, most))
        return found

    def _through(self, after: Moment | None, most: Moment | None, away: timedelta) -> Iterator[_Found]:
        limit, last = self.size.first_rows, False
        while not last:
            found = self._page(partial(self._next, after, most, limit), away)
            if found is None:
                return
            after = found.reached
            limit, last = self.size.next_rows(found.page.rows, found.page.size), found.page.last
            yield found

    @cached_property
    def _unit(self) -> Unit | None:
        return self.rows.units.get(self.time.name)

    @cached_property
    def _pair(self) -> Pair:
        return Pair(self.time, Column(self.time.name, DeltaType.TIMESTAMP, nullable=False))

    @cached_property
    def _way(self) -> Way:
        return way(self._pair, self._unit, self.rows.zone)

    @property
    def _column(self) -> str:
        return identifier(self.time.name)

    # No literal here is one that the column's affinity would make a number.

    def _in_order(self, after: Moment | None, most: Moment | None) -> str:
        """FROM and WHERE of the rows that sort by time, those after one time and up to another."""
        # One bound on each side: of two, SQLite begins its search at the first, and reads on to the other.
        c, textual = self._column, self._unit is None
        low = f"{c} > {_literal(BEFORE_ALL if after is None else after)}" if textual or after is not None else "1"
        high = f"{c} < '{AFTER_ALL if textual else ''}'" if most is None else f"{c} <= {_literal(most)}"
        return f"{self.rows.plan.source} WHERE {low} AND {high}"

    def _out_of_order(self) -> Iterator[_Found]:
        c = self._column
        odd = [f"{c} <= '{BEFORE_ALL}'", f"{c} >= '{AFTER_ALL}'"] if self._unit is None else [f"{c} >= ''"]
        for each in [f"{c} IS NULL", *odd]:  # one by one, as SQLite scans a table without rowids for an OR
            where = f"{self.rows.plan.source} WHERE {each}"
            found = self._page(partial(self._read, where, MOST_ODD, last=False, reached=None), timedelta())
            if found is not None:
                yield found

    def _like(self, time: int) -> Moment | None:
        """Return a time as it was written then, or else later; the last of all may be one that stands for none."""
        up_to = self._in_order(None, self._bound(time + _FAR, "2026-01-01"))
        ((then,),) = self.rows.connection.rows(f"SELECT max({self._column}) {up_to}")
        return then if then is not None else next(self._ends(), None)

    def _ends(self) -> Iterator[Moment]:
        """Yield the last time in order and the first one, where there are any."""
        for end in ("max", "min"):
            ((found,),) = self.rows.connection.rows(f"SELECT {end}({self._column}) {self._in_order(None, None)}")
            if found is not None:
                yield found

    def _slack(self, newest: Moment) -> timedelta:
        return slack(str(newest), self.rows.zone) if self._unit is None else timedelta()

    def _bound(self, time: int, like: Moment) -> Moment:
        """Return what sorts before all times from that one on, in µs since 1970; `like` is one of the column."""
        if self._unit is None:
            return text_bound(time, str(like), self.rows.zone)
        if self._unit is Unit.JULIAN_DAY:
            return ((time - 1) / 1_000 - 1 + JULIAN_EPOCH_MS) / DAY_MS
        return (time - 1) * 1_000 if self._unit is Unit.NANOSECONDS else (time - 1) / FACTOR[self._unit]

    def _next(self, after: Moment | None, most: Moment | None, limit: int) -> _Read | None:
        """Read the next rows in order, all of the last one's time among them; None where there is none."""
        c, connection = self._column, self.rows.connection
        where = self._in_order(after, most)
        if self.care.needed:
            found = connection.rows(f"{self.rows.plan.sizes(where, c)} ORDER BY {c} LIMIT {limit}")
            sizes = [size for _, size in found]
            self.care.saw(sizes)
            limit = self.size.fitting(sizes)
        full = f"SELECT {c} {where} ORDER BY {c} LIMIT 1 OFFSET {limit - 1}"
        ((end, last),) = connection.rows(f"SELECT ({full}), (SELECT max({c}) {where})")
        up_to = last if end is None else end
        if up_to is None:
            return None
        read = self._read(self._in_order(after, up_to), limit + MOST_TIES, last=up_to == last, reached=up_to)
        if read is None or not within(self._moments(read.raw), after, up_to):
            raise damaged(connection.path)
        return read

    def _moments(self, raw: Raw) -> Sequence[RawValue]:
        """Return times as the source holds them."""
        if not self.exactly:
            return list(raw[self._way.expression].to_pylist())
        return values_of([raw[form] for form in value_forms(self.time)[0]])

    def _read(self, where: str, at_most: int, *, last: bool, reached: Moment | None) -> _Read | None:
        version = "(SELECT schema_version FROM pragma_schema_version)"
        ((count, now),) = self.rows.connection.rows(f"SELECT count(*), {version} {where}")
        if self.rows.table.schema_version not in (None, now):
            raise TransientError(f"{self.rows.table.name!r} changes while it is read", hint="it is tried again")
        if count > at_most:
            raise PermanentError(
                f"more than {min(at_most, MOST_TIES):,} rows of {self.rows.table.name!r} are of one time, or of none",
                hint="a table with rowids is read without regard to times: set cursor to rowid",
            )
        times = value_forms(self.time)[0] if self.exactly else {self._way.expression: self._way.literal}
        raw = self.rows.read(where, count, times) if count else {}
        if any(len(array) != count for array in raw.values()):
            raise damaged(self.rows.connection.path)
        return _Read(raw, count, last, reached) if count else None

    def _page(self, read_once: Callable[[], _Read | None], away: timedelta) -> _Found | None:
        """Read a page, and again where it must be read more exactly."""
        while True:
            read = self.rows.connection.consistent(read_once)
            if read is None:
                return None
            times = self._times(read.raw)
            reasons = {i: {self.time.name: time} for i, time in enumerate(times or ()) if isinstance(time, str)}
            found = None if times is None else self.rows.sorted_out(read.raw, _counted(read.count), reasons)
            if times is not None and found is not None:
                break
            del read  # rows may be wide
        kept = None if found.altered or found.size > WIDE else found
        del found
        told = self.rows.telling(read.raw)(0, read.count)
        page = TimedPage(
            [(None if isinstance(time, str) else time, values) for time, values in zip(times, told, strict=True)],
            size_of(read.raw),
            read.last,
            partial(self._only, read.raw, reasons) if kept is None else partial(_some, kept),
            partial(self.rows.held, read.raw),
            away,
            read.reached is not None,
            dict(self.rows.units),
        )
        return _Found(page, kept, read.reached)

    def _times(self, raw: Raw) -> Sequence[int | str] | None:
        """Return the rows' times in µs since 1970, or why one has none; None where they must be read exactly."""
        if not self.exactly:
            typed = self._way.typed(raw[self._way.expression], None)
            self.exactly = typed is None
            return None if typed is None else list(typed.column.cast(DataType.int64()).to_pylist())
        values = self._moments(raw)
        rule = exact.rule(self._pair.target, self._unit, self.rows.zone, values)
        outcomes = [rule(value, None) if value is not None else "NULL, and is the time to order by" for value in values]
        return [outcome if isinstance(outcome, str) else int(str(outcome.value)) for outcome in outcomes]

    def _only(self, raw: Raw, reasons: Unfit, indices: Sequence[int], numbers: Sequence[int]) -> Picked:
        """Return some of the rows, with numbers."""
        some = raw
        if len(indices) < len(raw[self.rows.plan.key]):
            chosen = Array(list(indices), DataType.uint32())
            some = {expression: take(array, chosen) for expression, array in raw.items()}
        unfit = {new: reasons[old] for new, old in enumerate(indices) if old in reasons}
        sorted_out = self.rows.sorted_out(some, Array(numbers, DataType.int64()), unfit)
        if sorted_out is None:
            raise RuntimeError("rows that fitted in a page do not fit by themselves")
        apart = {i: replace(row, key=None) for i, row in sorted_out.quarantined.items()}
        return Picked(sorted_out.columns, sorted_out.altered, apart)


def _some(rows: SortedOut, indices: Sequence[int], numbers: Sequence[int]) -> Picked:
    """Return some of the rows of a page, with numbers; no value of them was altered."""
    quarantined = rows.quarantined
    apart = {new: replace(quarantined[old], key=None) for new, old in enumerate(indices) if old in quarantined}
    fitting = (i for i in range(rows.columns.num_rows + len(quarantined)) if i not in quarantined)
    places = {index: place for place, index in enumerate(fitting)}
    chosen = [places[index] for index in indices if index in places]
    *columns, _ = rows.columns.columns
    if len(chosen) < rows.columns.num_rows:
        columns = [take(column, Array(chosen, DataType.uint32())) for column in columns]
    numbered = Array([n for i, n in zip(indices, numbers, strict=True) if i in places], DataType.int64())
    return Picked(RecordBatch.from_arrays([*columns, numbered], schema=rows.columns.schema), {}, apart)


def _nothing(*_: object) -> Any:  # noqa: ANN401
    raise RuntimeError("the rows of this page are on the tape")


def _literal(moment: Moment) -> str:
    return text(moment) if isinstance(moment, str) else repr(moment)


def _counted(count: int) -> Array:
    return Array(range(1, count + 1), DataType.int64())
