"""Typed Parquet files as a fill writes them, of any rows, and what is in a claim's file."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from databricks_uploader.model.claim import batch_id
from databricks_uploader.model.table import Column, TableSchema
from databricks_uploader.ports import Lineage
from databricks_uploader.spool import parquet

LINEAGE = Lineage("pump-7", 5, 77, 3, datetime(2026, 1, 31, 8, tzinfo=UTC))
LINEAGE_NAMES = ("_node_id", "_incarnation", "_batch_id", "_loaded_at", "_row")
_ARROW = {
    "byte": pa.int8(), "short": pa.int16(), "integer": pa.int32(), "long": pa.int64(), "float": pa.float32(),
    "double": pa.float64(), "string": pa.string(), "binary": pa.binary(), "boolean": pa.bool_(), "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"), "timestamp_ntz": pa.timestamp("us"),
}  # fmt: skip


def arrow_type(delta_type: str) -> pa.DataType:
    """Return the Arrow type of a Delta type."""
    if delta_type in _ARROW:
        return _ARROW[delta_type]
    precision, scale = delta_type.removeprefix("decimal(").removesuffix(")").split(",")
    return pa.decimal128(int(precision), int(scale))


def schema(types: Mapping[str, str]) -> TableSchema:
    """Return columns by their names and types."""
    return TableSchema.of([Column(name, kind) for name, kind in types.items()])


def write(path: Path, types: Mapping[str, str], rows: Sequence[Mapping[str, Any]], page: int = 3) -> None:
    """Write a typed file; the rows' `_row` counts up from 11."""
    names = [*types, "_row"]
    batches = []
    for first in range(0, len(rows), page):
        some = rows[first : first + page]
        arrays = [pa.array([row[name] for row in some], arrow_type(kind)) for name, kind in types.items()]
        keys = pa.array(range(11 + first, 11 + first + len(some)), pa.int64())
        batches.append(pa.record_batch([*arrays, keys], names=names))
    parquet.write(path, iter(batches), schema(types), LINEAGE)


def read(path: Path) -> tuple[dict[str, pa.DataType], list[dict[str, Any]]]:
    """Return a file's columns with their types, in order, and its rows."""
    table = pq.read_table(path)
    return {field.name: field.type for field in table.schema}, table.to_pylist()


def lineage(row: int) -> dict[str, Any]:
    """Return what a row of a written file carries besides its own columns."""
    values = (LINEAGE.node_id, LINEAGE.incarnation, batch_id(LINEAGE.owner, LINEAGE.sequence), LINEAGE.claimed_at, row)
    return dict(zip(LINEAGE_NAMES, values, strict=True))
