"""One claim's Parquet file: its own columns as the pages bring them, and the lineage columns."""

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import write_parquet

from databricks_uploader.errors import UploaderError
from databricks_uploader.model.claim import Statistics, batch_id
from databricks_uploader.model.table import ROW, DeltaType, TableSchema
from databricks_uploader.ports import ArrowColumns, Lineage
from databricks_uploader.spool.statistics import Gathered, constant, zulu

_ROW_GROUP_ROWS, _ROW_GROUP_BYTES = 32_768, 16 << 20
"""The writer holds a row group in memory; 65,536 rows took the whole process over 150 MB."""
_WIDE = 8 << 20
"""Of a row of more bytes, the writer holds five copies; three of them without compression, and with dictionaries."""
_NO_DICTIONARY = {
    DeltaType.LONG, DeltaType.FLOAT, DeltaType.DOUBLE, DeltaType.TIMESTAMP, DeltaType.TIMESTAMP_NTZ, DeltaType.BINARY,
}  # fmt: skip
"""Types with many distinct values: dictionaries for them took a third of the whole way's time."""
_MICROSECONDS = DataType.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Written:
    """A file's rows and bytes, their BLAKE2b-256 digest, and the statistics of its columns."""

    rows: int
    size: int
    digest: str
    statistics: Statistics


def new_digest(key: bytes = b"") -> hashlib.blake2b:
    """Return an empty digest of the kind that claims carry."""
    return hashlib.blake2b(digest_size=32, key=key)


def write(
    path: Path, batches: Iterator[ArrowColumns], columns: TableSchema, lineage: Lineage, key: bytes = b""
) -> Written:
    """Write the batches (at least one) to `path`. An error on the way leaves an unfinished file and is raised."""
    gathered = Gathered(columns)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
        output = _Output(raw, key)
        complete = _Batches(batches, lineage, gathered, output)
        wide = complete.bytes_per_row > _WIDE
        plain = [c.name for c in (*columns.columns, ROW) if c.kind in _NO_DICTIONARY and not wide]
        write_parquet(
            RecordBatchReader.from_batches(complete.schema, iter(complete)),
            cast("IO[bytes]", output),
            compression="uncompressed" if wide else "zstd(1)",
            max_row_group_size=max(1, min(_ROW_GROUP_ROWS, _ROW_GROUP_BYTES // complete.bytes_per_row)),
            column_dictionary_enabled=dict.fromkeys(plain, False),
        )
        if output.failure is not None:
            raise output.failure
    statistics = gathered.statistics() | {name: constant(value) for name, (_, value) in _constants(lineage).items()}
    return Written(complete.rows, output.size, output.digest.hexdigest(), statistics)


def _constants(lineage: Lineage) -> dict[str, tuple[DataType, str | int]]:
    return {
        "_node_id": (DataType.utf8(), lineage.node_id),
        "_incarnation": (DataType.int64(), lineage.incarnation),
        "_batch_id": (DataType.int64(), batch_id(lineage.owner, lineage.sequence)),
        "_loaded_at": (_MICROSECONDS, zulu(lineage.claimed_at)),
    }


class _Batches:
    """The file's record batches, in its schema. An error ends them and is kept: arro3 would make it a text."""

    def __init__(
        self, batches: Iterator[ArrowColumns], lineage: Lineage, gathered: Gathered, output: "_Output"
    ) -> None:
        self._batches = batches
        self._gathered = gathered
        self._output = output
        self._constants = list(_constants(lineage).items())
        self._repeated: list[Array] = []
        self._first = next(batches)
        self.rows = 0
        first = RecordBatch.from_arrow(self._first)
        self.bytes_per_row = max(1, first.nbytes // max(1, first.num_rows))
        fields = first.schema
        *own, row = (fields.field(i) for i in range(len(fields)))
        added = [Field(name, kind, nullable=False) for name, (kind, _) in self._constants]
        self.schema = Schema([*own, *added, row])

    def __iter__(self) -> Iterator[RecordBatch]:
        batch: ArrowColumns | None = self._first
        try:
            while batch is not None and self._output.failure is None:
                *own, row = RecordBatch.from_arrow(batch).columns
                if len(row):
                    self.rows += len(row)
                    self._gathered.add([*own, row])
                    yield RecordBatch.from_arrays([*own, *self._repeat(len(row)), row], schema=self.schema)
                batch = next(self._batches, None)
        except UploaderError as error:
            self._output.failure = error

    def _repeat(self, rows: int) -> list[Array]:
        if not self._repeated or len(self._repeated[0]) < rows:
            self._repeated = [_repeated(kind, value, rows) for _, (kind, value) in self._constants]
        return [array.slice(0, rows) for array in self._repeated]


def _repeated(kind: DataType, value: str | int, rows: int) -> Array:
    made = Array([value] * rows, DataType.utf8() if kind == _MICROSECONDS else kind)
    return made.cast(kind)


class _Output(io.RawIOBase):
    """A file that counts and digests, and keeps an error until the writer is done: arro3 panics at one."""

    def __init__(self, raw: IO[bytes], key: bytes) -> None:
        super().__init__()
        self.digest = new_digest(key)
        self.size = 0
        self.failure: OSError | UploaderError | None = None
        self._raw = raw

    def write(self, data: bytes) -> int:  # type: ignore[override]  # arro3 hands over bytes only
        if self.failure is None:
            try:
                self._raw.write(data)
            except OSError as error:
                self.failure = error
            self.digest.update(data)
            self.size += len(data)
        return len(data)
