"""Aggregated rows in a Delta table: each claim is one commit that replaces rows of its windows, and adds new ones."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from arro3.core import DataType, RecordBatch, RecordBatchReader
from arro3.io import read_parquet
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction

from databricks_uploader import durable
from databricks_uploader.destinations.delta import DeltaDestination, described, translated
from databricks_uploader.errors import TransientError
from databricks_uploader.model.aggregation import TimeToken, is_window
from databricks_uploader.model.claim import Claim, Head, Identity
from databricks_uploader.model.times import EPOCH
from databricks_uploader.model.upsert import Upsert, newer, spans
from databricks_uploader.ports import LastRow

MOST_SPANS = 16
"""Spans of time that a merge looks at; the engine weighs each against each file of the table."""


class DeltaWindows(DeltaDestination):
    """The table in `folder`, as `identity` sees it; `keys` tell its rows apart."""

    def __init__(self, folder: Path, identity: Identity, keys: Sequence[str], *, create_tables: bool = True) -> None:
        super().__init__(folder, identity, create_tables=create_tables)
        self._keys = tuple(keys)
        self._files: dict[int, Path] = {}

    def last_row(self, head: Head, timestamp_column: str | None) -> LastRow | None:
        """Return None: no row is one of the source."""
        del head, timestamp_column
        return None

    def stage(self, claim: Claim, file: str) -> None:
        """Keep in mind where the claim's file lies; its rows are written by the load."""
        self._files[claim.sequence] = Path(file)

    def load(self, claims: Sequence[Claim]) -> None:
        """Merge claim by claim, each with its application transactions in the commit of its rows.

        All on the handle that shows the head as `not_loaded` found it, or the claim before: another's commit in between
        is a conflict.
        """
        handle = self._opened()
        if self.head() != self._head:
            raise TransientError(f"another writer was faster at {self._folder}", hint="it is tried again")
        for claim in claims:
            self._merge(handle, claim)
            self._head = Head.after(claim)

    def prove(self, claims: Sequence[Claim]) -> None:
        """See the newest claim as head, and wait until the files of all commits are on the disk."""
        super().prove(claims)
        with durable.translated(f"can't sync the table {self._folder}"):
            for name in self._added():
                if (self._folder / name).exists():  # a later commit may have replaced it
                    durable.sync(self._folder / name)
            durable.sync(self._folder)

    def windows_between(self, columns: Sequence[str], low: datetime, high: datetime) -> set[tuple[int, ...]]:
        """Return what the columns of time hold (µs, or an hour's number) in rows from `low` to `high` by the first."""
        handle, names = self._opened(), [_quoted(name) for name in columns]
        bounds = [_time((time - EPOCH) // timedelta(microseconds=1)) for time in (low, high)]
        query = f"SELECT DISTINCT {', '.join(names)} FROM t WHERE {names[0]} BETWEEN {bounds[0]} AND {bounds[1]}"
        with translated(self._folder):
            found = QueryBuilder().register("t", handle).execute(query).read_all()
        cast = [column.cast(DataType.int64()).to_pylist() for column in found.columns]
        return set(zip(*cast, strict=True))

    def _merge(self, handle: DeltaTable, claim: Claim) -> None:
        head = Head.after(claim)
        versions = (head.owner, head.sequence, head.digest_number)
        properties = CommitProperties(
            app_transactions=[Transaction(n, v) for n, v in zip(self._names(), versions, strict=True)]
        )
        upsert = Upsert.into(described(handle), self._keys, [claim])
        rows = _rows(self._files[claim.sequence], [column.name for column in upsert.columns])
        same = " AND ".join([*map(_same, upsert.keys), self._around(rows)])
        given = {_quoted(column.name): f"s.{_quoted(column.name)}" for column in upsert.columns}
        predicate = newer("t", "s", '"', "({} >> {})") if upsert.guarded else None
        with translated(self._folder):
            (
                handle.merge(
                    RecordBatchReader.from_batches(rows[0].schema, rows),
                    same, source_alias="s", target_alias="t", commit_properties=properties,
                )
                .when_matched_update(given, predicate=predicate)
                .when_not_matched_insert(given)
                .execute()
            )  # fmt: skip
            if self.head() != head:  # nothing was to be changed, so nothing was committed
                handle.create_write_transaction([], "append", handle.schema(), commit_properties=properties)
                handle.update_incremental()

    def _around(self, rows: Sequence[RecordBatch]) -> str:
        """Say that rows of the table are of about the times of these: only files that may have such are read.

        Without it a table of 1.8 million rows took 485 seconds to fill instead of 36, and twice the memory.
        """
        time = next(name for name in self._keys if is_window(name) and name != TimeToken.HOUR_OF_DAY)
        name = next(name for name in rows[0].schema.names if name.casefold() == time)
        times = {t for batch in rows for t in batch.column(name).cast(DataType.int64()).to_pylist()}
        found = (f"t.{_quoted(name)} BETWEEN {_time(low)} AND {_time(high)}" for low, high in spans(times, MOST_SPANS))
        return f"({' OR '.join(found)})"

    def _added(self) -> Iterator[str]:
        """Yield the files that commits of ours added, by the log from its newest checkpoint on."""
        ours = set(self._names())
        for entry in self._entries():
            if entry.suffix != ".json":
                continue
            actions = [json.loads(line) for line in entry.read_text().splitlines()]
            if any(action.get("txn", {}).get("appId") in ours for action in actions):
                yield from (action["add"]["path"] for action in actions if "add" in action)


def _rows(file: Path, names: Sequence[str]) -> list[RecordBatch]:
    """Return the rows of a claim's file with these columns."""
    reader = read_parquet(file)
    first = reader.read_next_batch()
    batches: list[RecordBatch] = [first, *reader]
    return [batch.select(list(names)) for batch in batches]


def _time(microseconds: int) -> str:
    return f"to_timestamp_micros({microseconds})"  # a literal would be of nanoseconds, which end in 2262


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _same(name: str) -> str:
    """Say that a key is the same, NULL too; written so that the engine joins by it where it is not NULL."""
    there, given = f"t.{_quoted(name)}", f"s.{_quoted(name)}"
    return f"({there} = {given} OR ({there} IS NULL AND {given} IS NULL))"
