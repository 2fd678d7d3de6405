"""Ports in memory, which pass the same contract suites as the real ones."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from arro3.core import Array, DataType, Field, RecordBatch, Schema
from arro3.io import read_parquet

from databricks_uploader.errors import TransientError
from databricks_uploader.model.claim import SEQUENCE_BITS, Claim, Head, Identity, SpoolFile, Statistics, batch_id
from databricks_uploader.model.columns import Pair
from databricks_uploader.model.gaps import Gaps, Range, absent
from databricks_uploader.model.head import not_loaded, table_gone
from databricks_uploader.model.position import Position
from databricks_uploader.model.quarantine import QuarantinedRow, RawValue
from databricks_uploader.model.source import SourceColumn, SourceTable
from databricks_uploader.model.table import Column, TableSchema, TargetTable
from databricks_uploader.model.times import EPOCH, TimeColumn
from databricks_uploader.model.witness import Values
from databricks_uploader.model.work import Work
from databricks_uploader.ports import ArrowColumns, LastRow, Lineage, Look, Page, Picked, Reading, Spool, TimedPage

START = datetime(2026, 11, 24, 8, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MICROSECONDS = DataType.timestamp("us", tz="UTC")
READINGS = SourceTable(
    "readings", (SourceColumn("id", "INTEGER"), SourceColumn("time", "TEXT"), SourceColumn("value", "REAL")), "rowid"
)


def standing_at(cursor: int | None, time: str | None = None, gaps: tuple[tuple[int, int], ...] = ()) -> Position:
    """Stand after that rowid."""
    told_by = (time,) if time else ()
    return Position(
        1, 1, cursor, 0, None, "table", TableSchema(()), time, told_by, timed=bool(time), secret=b"key", gaps=Gaps(gaps)
    )


@dataclass
class FakeClock:
    """Time that passes by waiting; after `stop_after` waits it is time to stop."""

    stop_after: int | None = None
    waited_s: list[float | None] = field(default_factory=list)

    def now(self) -> datetime:
        return START + timedelta(seconds=sum(s or 0 for s in self.waited_s))

    def wait(self, seconds: float | None) -> bool:
        if seconds != 0:
            self.waited_s.append(seconds)
        return self.stop_after is not None and len(self.waited_s) >= self.stop_after


def page_of(keys: Sequence[int], after: int | None = None, *, last: bool = True) -> Page:
    """Make a page of readings with these keys."""
    columns = [
        Array(keys, DataType.int64()),
        Array([time_of(k).isoformat() for k in keys], DataType.utf8()).cast(MICROSECONDS),
        Array([k / 2 for k in keys], DataType.float64()),
        Array(keys, DataType.int64()),
    ]
    names = ["id", "time", "value", "_row"]
    schema = Schema([Field(n, c.type, nullable=n != "_row") for n, c in zip(names, columns, strict=True)])
    batch = RecordBatch.from_arrays(columns, schema=schema)
    ranges, more = absent(after, keys)
    return Page(
        batch, len(keys), batch.nbytes, keys[-1], max(map(time_of, keys)), last, ranges, more,
        lambda count: [(key, values_of(key)) for key in keys[-count:]],
    )  # fmt: skip


def values_of(key: int) -> Values:
    """Return what tells the reading with that key."""
    return (time_of(key).isoformat().encode(),)


def time_of(key: int) -> datetime:
    """Return the time of the reading with that key."""
    return START + timedelta(seconds=key)


@dataclass
class MemorySource:
    """A table of readings with the given keys."""

    keys: list[int]
    page_rows: int = 3

    def table(self) -> SourceTable:
        return READINGS

    def time_column(self, table: SourceTable) -> TimeColumn | None:
        return TimeColumn("time")

    def is_empty(self, table: SourceTable) -> bool:
        return not self.keys

    def oldest(self, table: SourceTable) -> int | None:
        return min(self.keys, default=None)

    def unchanged(self) -> bool:
        return False

    def nothing_new(self) -> None:
        pass

    def row(
        self, table: SourceTable, key: int, columns: Sequence[str], time: TimeColumn | None
    ) -> tuple[Values, datetime | None]:
        if key not in self.keys:
            raise KeyError(key)
        return values_of(key), time_of(key)

    def row_before(self, table: SourceTable, time: TimeColumn | None, moment: datetime | None) -> int | None:
        before = [k for k in self.keys if moment is None or time_of(k) < moment]
        return max(before, default=None)

    def newest_first(self, table: SourceTable, columns: Sequence[str], at_most: int) -> Sequence[tuple[int, Values]]:
        return [(key, values_of(key)) for key in sorted(self.keys, reverse=True)[:at_most]]

    def again(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, rows: Sequence[QuarantinedRow]
    ) -> Picked:
        raise NotImplementedError("no row of readings is ever in quarantine")

    def held(self, table: SourceTable, keys: Sequence[int]) -> Mapping[int, Mapping[str, RawValue]]:
        raise NotImplementedError("no row of readings is ever in quarantine")

    @contextmanager
    def reading(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, witnesses: Sequence[int]
    ) -> Iterator[Reading]:
        there, ranges = sorted(self.keys), position.gaps.ranges
        late = tuple(k for k in there if any(low <= k <= high for low, high in ranges))
        look = Look({k: values_of(k) for k in witnesses if k in self.keys}, min(there, default=None), None, 1, late)
        new = [k for k in there if position.cursor is None or k > position.cursor]
        starts = range(0, len(new), self.page_rows)
        befores = [position.cursor, *(new[i + self.page_rows - 1] for i in starts[:-1])]
        pages = [
            page_of(new[i : i + self.page_rows], before, last=i == starts[-1])
            for i, before in zip(starts, befores, strict=False)
        ]
        yield Reading(look, iter([page_of(late, last=False)] if late else pages))

    @contextmanager
    def within(
        self,
        table: SourceTable,
        columns: Sequence[Pair],
        position: Position,
        ranges: Sequence[Range],
        known: tuple[int, Values] | None,
    ) -> Iterator[Iterator[ArrowColumns]]:
        there = [k for k in sorted(self.keys) if any(low <= k <= high for low, high in ranges)]
        yield iter([page_of(there).columns] if there else [])

    @contextmanager
    def between(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, ranges: Sequence[Range]
    ) -> Iterator[Iterator[TimedPage]]:
        yield iter(())

    @contextmanager
    def sweep(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, since: datetime | None
    ) -> Iterator[Iterator[TimedPage]]:
        yield iter(())


def file_of(claim: Claim) -> SpoolFile:
    """Return the file of a claim that has one."""
    assert claim.file is not None
    return claim.file


def spooled(
    spool: Spool, pages: Sequence[Page], columns: TableSchema, lineage: Lineage
) -> tuple[SpoolFile, Statistics]:
    """Write pages that hold rows."""
    written = spool.write(iter([page.columns for page in pages]), Work((), columns), lineage)
    assert written.file is not None
    return written.file, written.statistics


@dataclass
class MemoryTable:
    """What several destinations can share: a table, its claims, and its version."""

    target: TargetTable | None = None
    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    heads: dict[Identity, Head] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        return [row for rows in self.files.values() for row in rows]


@dataclass
class MemoryDestination:
    """A target table in memory, as one identity sees it."""

    shared: MemoryTable
    identity: Identity
    staged: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seen: Head | None = None
    looked: Head | None = None

    def table(self) -> TargetTable | None:
        self.seen = self.shared.heads.get(self.identity)
        return self.shared.target

    def create(self, schema: TableSchema, time: str | None = None) -> None:
        if self.shared.target is not None:
            raise TransientError("it exists", hint="try again")
        self.shared.target = TargetTable(uuid4().hex, schema)

    def add_columns(self, columns: Sequence[Column]) -> None:
        if self.shared.target is None:
            raise TransientError("it is gone", hint="try again")
        schema = TableSchema.of([*self.shared.target.schema.columns, *columns])
        self.shared.target = TargetTable(self.shared.target.id, schema)

    def not_loaded(self, known: Head | None, claims: Sequence[Claim]) -> list[Claim]:
        if self.table() is None:
            raise table_gone(made_anew=False)
        self.looked = self.seen
        return not_loaded(self.seen, known, claims)

    def head(self) -> Head | None:
        return self.seen

    def last_row(self, head: Head, timestamp_column: str | None) -> LastRow | None:
        newest = [r for r in self.shared.rows() if r["_batch_id"] == batch_id(head.owner, head.sequence)]
        if not newest:
            return None
        mine = [r for r in self.shared.rows() if r["_incarnation"] == newest[0]["_incarnation"]]
        last = max(mine, key=lambda r: int(r["_row"]))
        time = None if timestamp_column is None else last[timestamp_column]
        return LastRow(last["_row"], last["_incarnation"], time)

    def stage(self, claim: Claim, file: str) -> None:
        batches = read_parquet(Path(file))
        names = batches.schema.names
        self.staged[file_of(claim).name] = [
            dict(zip(names, row, strict=True))
            for batch in batches
            for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)
        ]

    def load(self, claims: Sequence[Claim]) -> None:
        if not self.shared.heads.get(self.identity) == self.seen == self.looked:
            raise TransientError("others were faster", hint="look again")
        self.shared.files |= {file_of(c).name: self.staged[file_of(c).name] for c in claims}
        self.shared.heads[self.identity] = Head.after(claims[-1])

    def prove(self, claims: Sequence[Claim]) -> None:
        if self.shared.heads.get(self.identity) != Head.after(claims[-1]):
            raise TransientError("not there", hint="look again")

    def close(self) -> None:
        pass


@dataclass
class MemoryWindows(MemoryDestination):
    """An aggregated table in memory, whose rows `keys` tell apart beside their node."""

    keys: Sequence[str] = ()

    def last_row(self, head: Head, timestamp_column: str | None) -> None:
        del head, timestamp_column

    def load(self, claims: Sequence[Claim]) -> None:
        super().load(claims)
        there: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in self.shared.rows():  # those of the claims come last
            key = (row["_node_id"], *(row[name] for name in self.keys))
            if key not in there or _newer(there[key], row):
                there[key] = row
        self.shared.files = {"": list(there.values())}

    def windows_between(self, columns: Sequence[str], low: datetime, high: datetime) -> set[tuple[int, ...]]:
        found = [[row[name] for name in columns] for row in self.shared.rows() if low <= row[columns[0]] <= high]
        return {tuple(v if isinstance(v, int) else (v - EPOCH) // MICROSECOND for v in values) for values in found}


def _newer(there: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Tell whether a row replaces one: a later one of its owner; another owner's where it is of as many rows."""
    owners = [row["_batch_id"] >> SEQUENCE_BITS for row in (there, given)]
    if owners[0] == owners[1]:
        return bool(there["_batch_id"] < given["_batch_id"])
    return bool(there["_row"] <= given["_row"])
