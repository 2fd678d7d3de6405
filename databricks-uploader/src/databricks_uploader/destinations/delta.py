"""A Delta table in a local folder, through delta-rs.

Exactly once rests on two things that each suffice: the application transaction, looked up and committed on
one table handle (on two handles a second commit appends again; on one it is refused), and the claim's file
name (a path added twice is one file of the table). deltalake itself makes no fsync on a local folder.
"""

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from databricks_uploader import durable
from databricks_uploader.errors import ConfigError, PermanentError, TransientError
from databricks_uploader.model.claim import Claim, Head, Identity, SpoolFile, batch_id
from databricks_uploader.model.head import not_loaded, table_gone
from databricks_uploader.model.table import LINEAGE, Column, TableSchema, TargetTable
from databricks_uploader.ports import LastRow

_UNWRITABLE = {
    "delta.columnMapping.mode": "column mapping",
    "delta.setTransactionRetentionDuration": "a retention time for transactions, which exactly-once rests on",
}
_WRITER_FEATURES = {
    "appendOnly", "invariants", "checkConstraints", "changeDataFeed", "columnMapping", "deletionVectors",
    "generatedColumns", "identityColumns", "timestampNtz", "v2Checkpoint",
}  # fmt: skip
"""Features under which a plain append of files is legal, given that the table has no rule to be checked."""


class DeltaDestination:
    """The table in `folder`, as `identity` sees it."""

    def __init__(self, folder: Path, identity: Identity, *, create_tables: bool = True) -> None:
        self._folder, self._create_tables = folder, create_tables
        self._transaction = f"databricks-uploader/{identity}"
        self._handle: DeltaTable | None = None
        self._head: Head | None = None

    def table(self) -> TargetTable | None:
        """Look at the table as it is now. Raises PermanentError where it has rules that we could break."""
        self._handle = None
        with translated(self._folder):
            try:
                handle = DeltaTable(self._folder)
            except TableNotFoundError:
                self._check_folder()
                return None
            _check_writable(handle)
            schema = described(handle)
        self._handle = handle
        return TargetTable(str(handle.metadata().id), schema)

    def create(self, schema: TableSchema, time: str | None = None) -> None:
        """Create the table. Raises TransientError if it exists by now, ConfigError where that is not wanted."""
        del time  # delta-rs does not cluster
        if not self._create_tables:
            columns = ", ".join(column.sql for column in schema.columns)
            raise ConfigError(
                f"there is no table in {self._folder}",
                hint=f"create it, with the columns ({columns}), or leave create_tables unset",
            )
        with translated(self._folder), durable.translated(f"can't create the table {self._folder}"):
            new = [folder for folder in (self._folder, *self._folder.parents) if not folder.exists()]
            self._folder.mkdir(parents=True, exist_ok=True)
            DeltaTable.create(self._folder, _delta(schema), mode="error", name=self._folder.name)
            self._sync()
            for folder in new:
                durable.sync(folder.parent)

    def add_columns(self, columns: Sequence[Column]) -> None:
        """Add columns to the table. Raises TransientError if one of them is there by now."""
        with translated(self._folder), durable.translated(f"can't change the table {self._folder}"):
            handle = DeltaTable(self._folder)
            known = TableSchema.of([Column(field.name, "") for field in handle.schema().fields])
            if any(known.get(column.name) is not None for column in columns):
                raise TransientError(f"{self._folder} was just given a column", hint="it is looked at again")
            handle.alter.add_columns(_delta(TableSchema.of(columns)).fields)
            self._sync()

    def not_loaded(self, known: Head | None, claims: Sequence[Claim]) -> list[Claim]:
        """Return the claims after the table's head. Raises StateError where that is not ours, or the table is gone."""
        if self.table() is None:
            raise table_gone(made_anew=False)
        self._head = self.head()
        return not_loaded(self._head, known, claims)

    def head(self) -> Head | None:
        """Return the newest claim of this identity, as the handle of the last look knows it."""
        owner, sequence, digest = (self._opened().transaction_version(name) for name in self._names())
        if sequence is None or owner is None or digest is None:
            return None
        return Head(owner, sequence, digest)

    def last_row(self, head: Head, timestamp_column: str | None) -> LastRow | None:
        """Return the row with the largest `_row` of the head's incarnation; None without lineage columns."""
        handle = self._opened()
        names = {field.name for field in handle.schema().fields}
        if not names.issuperset(c.name for c in LINEAGE.columns):
            return None
        batch = batch_id(head.owner, head.sequence)
        time = "NULL" if timestamp_column is None else '"' + timestamp_column.replace('"', '""') + '"'
        found = (
            QueryBuilder()
            .register("t", handle)
            .execute(
                f'SELECT "_row", "_incarnation", {time} AS time FROM t WHERE "_incarnation" = (SELECT "_incarnation" '
                f'FROM t WHERE "_batch_id" = {batch} LIMIT 1) ORDER BY "_row" DESC LIMIT 1'
            )
            .read_all()
        )
        if found.num_rows == 0:
            return None
        key, incarnation, moment = (column[0].as_py() for column in found.columns)
        return LastRow(key, incarnation, moment)

    def stage(self, claim: Claim, file: str) -> None:
        """Copy the claim's file into the table's folder under its name; the table doesn't know it yet."""
        final = self._folder / self._file_name(claim)
        draft = self._folder / f".{final.name}.draft"
        with durable.translated(f"can't write into the table {self._folder}"):
            shutil.copyfile(file, draft)
            durable.rename(draft, final)

    def load(self, claims: Sequence[Claim]) -> None:
        """Add the claims' files in one commit, on the handle that shows the head as `not_loaded` found it."""
        handle = self._opened()
        if self.head() != self._head:
            raise TransientError(f"another writer was faster at {self._folder}", hint="it is tried again")
        names = [self._file_name(claim) for claim in claims]
        known = {field.name for field in handle.schema().fields}
        adds: list[AddAction | RemoveAction] = [
            _add(claim, name, known) for claim, name in zip(claims, names, strict=True)
        ]
        head = Head.after(claims[-1])
        versions = (head.owner, head.sequence, head.digest_number)
        transactions = [Transaction(n, v) for n, v in zip(self._names(), versions, strict=True)]
        with translated(self._folder):
            handle.create_write_transaction(
                adds,
                "append",
                handle.schema(),
                commit_properties=CommitProperties(app_transactions=transactions),
            )

    def prove(self, claims: Sequence[Claim]) -> None:
        """See the newest claim as head and every file in place, and wait until all that is on the disk."""
        self.table()
        if self._handle is None or self.head() != Head.after(claims[-1]):
            raise TransientError(
                f"claim {claims[-1].sequence} can't be seen in {self._folder} yet",
                hint="it is looked for again",
            )
        with durable.translated(f"can't sync the table {self._folder}"):
            self._sync()

    def close(self) -> None:
        """Do nothing: no file of a table stays open."""

    def _names(self) -> tuple[str, str, str]:
        return f"{self._transaction}#owner", self._transaction, f"{self._transaction}#digest"

    def _file_name(self, claim: Claim) -> str:
        return _file(claim).name

    def _opened(self) -> DeltaTable:
        if self._handle is None:
            raise RuntimeError("no look at the table yet")
        return self._handle

    def _sync(self) -> None:
        """Sync the log from its newest checkpoint on, which is all that a reader needs, and the folders."""
        for entry in self._entries():
            durable.sync(entry)
        for folder in (self._folder / "_delta_log", self._folder, self._folder.parent):
            durable.sync(folder)

    def _entries(self) -> Iterator[Path]:
        log = self._folder / "_delta_log"
        pointer = log / "_last_checkpoint"
        since = json.loads(pointer.read_text())["version"] if pointer.exists() else 0
        return (entry for entry in log.iterdir() if entry.name >= f"{since:020}" and entry.is_file())

    def _check_folder(self) -> None:
        if self._folder.exists() and not self._folder.is_dir():
            raise ConfigError(f"{self._folder} is not a folder", hint="name another with --delta-path")
        nearest = next(p for p in (self._folder, *self._folder.parents) if p.exists())
        if not os.access(nearest, os.W_OK | os.X_OK) or not nearest.is_dir():
            raise ConfigError(
                f"can't write {self._folder}",
                hint="name another folder with --delta-path, or let this user write there",
            )


def _file(claim: Claim) -> SpoolFile:
    if claim.file is None:
        raise ValueError(f"claim {claim.sequence} has no file")
    return claim.file


def described(handle: DeltaTable) -> TableSchema:
    """Return the columns of a table."""
    return TableSchema.of([_column(field) for field in json.loads(handle.schema().to_json())["fields"]])


def _column(field: Mapping[str, Any]) -> Column:
    kind = field["type"] if isinstance(field["type"], str) else field["type"]["type"]
    return Column(field["name"], kind, field["nullable"])


def _delta(schema: TableSchema) -> DeltaSchema:
    fields = [{"name": c.name, "type": c.type, "nullable": c.nullable, "metadata": {}} for c in schema.columns]
    return DeltaSchema.from_json(json.dumps({"type": "struct", "fields": fields}))


def _add(claim: Claim, name: str, known: Collection[str]) -> AddAction:
    statistics = {n: s for n, s in claim.statistics.items() if n in known}
    stats = {
        "numRecords": claim.counts.loaded,
        "minValues": {n: low for n, (low, _, _) in statistics.items() if low is not None},
        "maxValues": {n: high for n, (_, high, _) in statistics.items() if high is not None},
        "nullCount": {n: nulls for n, (_, _, nulls) in statistics.items()},
    }
    modified = int(claim.claimed_at.timestamp() * 1000)
    return AddAction(name, _file(claim).size, {}, modified, data_change=True, stats=json.dumps(stats))


def _check_writable(handle: DeltaTable) -> None:
    """Refuse what a plain append of files would break: such tables need a writer that knows their rules."""
    metadata, protocol = handle.metadata(), handle.protocol()
    rules = [what for key, what in _UNWRITABLE.items() if metadata.configuration.get(key, "none") != "none"]
    rules += ["constraints" for key in metadata.configuration if key.startswith("delta.constraints.")][:1]
    rules += ["partitions"] if metadata.partition_columns else []
    rules += sorted(set(protocol.writer_features or ()) - _WRITER_FEATURES)
    fields = json.loads(handle.schema().to_json())["fields"]
    rules += [f"a rule on column {f['name']!r}" for f in fields if any(k.startswith("delta.") for k in f["metadata"])]
    if rules:
        raise PermanentError(
            f"the table has {', '.join(rules)}, which this version can't honour",
            hint="load into another (--table)",
        )


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Turn errors of deltalake into ours."""
    try:
        yield
    except CommitFailedError as error:
        raise TransientError(f"another writer was faster at {folder}: {error}", hint="it is tried again") from error
    except DeltaError as error:
        words = str(error).splitlines()[0]
        if "already exists" in words:
            raise TransientError(f"another writer has just created {folder}", hint="it is tried again") from error
        raise PermanentError(
            f"the table {folder} can't be used: {words}",
            hint="mend the table; what is claimed stays in the spool",
        ) from error
    except OSError as error:
        raise TransientError(f"{folder}: {error}", hint="check the disk; it is tried again") from error
