"""Rows as the connector reads them: Arrow batches, or Thrift columns for a client without pyarrow.

The two formats are ARROW_BASED_SET and COLUMN_BASED_SET of the connector's TCLIService.thrift; what each field must
hold was read in databricks-sql-connector 4.9.0, databricks/sql/backend/thrift_backend.py and result_set.py.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import lz4.frame
import pyarrow as pa
from databricks.sql.thrift_api.TCLIService import ttypes

_BATCH_ROWS = 65536
_TYPES = ttypes.TTypeId
_IDS = {
    pa.bool_(): _TYPES.BOOLEAN_TYPE,
    pa.int8(): _TYPES.TINYINT_TYPE,
    pa.int16(): _TYPES.SMALLINT_TYPE,
    pa.int32(): _TYPES.INT_TYPE,
    pa.int64(): _TYPES.BIGINT_TYPE,
    pa.float32(): _TYPES.FLOAT_TYPE,
    pa.float64(): _TYPES.DOUBLE_TYPE,
    pa.date32(): _TYPES.DATE_TYPE,
    pa.binary(): _TYPES.BINARY_TYPE,
    pa.null(): _TYPES.NULL_TYPE,
}


@dataclass(frozen=True)
class Format:
    """What the client can read."""

    arrow: bool
    lz4: bool


@dataclass(frozen=True)
class Rows:
    """A whole result in the types that go over the wire."""

    table: pa.Table
    format: Format
    staging: bool = False

    def metadata(self) -> Any:
        """Return the TGetResultSetMetadataResp of this result."""
        columns = [
            ttypes.TColumnDesc(field.name, _type(field.type), position + 1, "")
            for position, field in enumerate(self.table.schema)
        ]
        sets = ttypes.TSparkRowSetType
        return ttypes.TGetResultSetMetadataResp(
            ttypes.TStatus(statusCode=ttypes.TStatusCode.SUCCESS_STATUS),
            schema=ttypes.TTableSchema(columns),
            resultFormat=sets.ARROW_BASED_SET if self.format.arrow else sets.COLUMN_BASED_SET,
            lz4Compressed=self.format.arrow and self.format.lz4,
            arrowSchema=self.table.schema.serialize().to_pybytes() if self.format.arrow else None,
            isStagingOperation=self.staging,
        )

    def part(self, start: int, most_rows: int, most_bytes: int) -> tuple[Any, int]:
        """Return the TRowSet from row `start` on, as large as allowed but not empty, and the row after it."""
        width = max(1, self.table.nbytes // max(1, self.table.num_rows))
        part = self.table.slice(start, max(1, min(most_rows, most_bytes // width)))
        rows = ttypes.TRowSet(startRowOffset=start, rows=[])
        if self.format.arrow:
            rows.arrowBatches = [self._batch(batch) for batch in part.to_batches(max_chunksize=_BATCH_ROWS)]
        else:
            rows.columns, rows.columnCount = [_column(column) for column in part.columns], part.num_columns
        return rows, start + part.num_rows

    def _batch(self, batch: pa.RecordBatch) -> Any:
        body = batch.serialize().to_pybytes()
        return ttypes.TSparkArrowBatch(lz4.frame.compress(body) if self.format.lz4 else body, batch.num_rows)


def of_table(table: pa.Table, wanted: Format, *, staging: bool = False) -> Rows:
    """Make a result of an engine's rows; of none at all, an empty column as Hive's servers answer."""
    if not table.num_columns:
        table = pa.table({"Result": pa.array([], pa.string())})
    schema = pa.schema([pa.field(field.name, _plain(field.type)) for field in table.schema])
    arrays = [column.cast(field.type) for column, field in zip(table.columns, schema, strict=True)]
    return Rows(pa.Table.from_arrays(arrays, schema=schema).combine_chunks(), wanted, staging)


def _plain(of: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(of) or pa.types.is_string_view(of):
        return pa.string()
    if pa.types.is_large_binary(of) or pa.types.is_binary_view(of):
        return pa.binary()
    if pa.types.is_timestamp(of):
        return pa.timestamp("us", "Etc/UTC" if of.tz else None)
    return of


def _type(of: pa.DataType) -> Any:
    qualifiers = None
    if pa.types.is_decimal(of):
        known = {"precision": of.precision, "scale": of.scale}
        values = {name: ttypes.TTypeQualifierValue(i32Value=number) for name, number in known.items()}
        qualifiers = ttypes.TTypeQualifiers(values)
    entry = ttypes.TPrimitiveTypeEntry(_type_id(of), qualifiers)
    return ttypes.TTypeDesc([ttypes.TTypeEntry(primitiveEntry=entry)])


def _type_id(of: pa.DataType) -> int:
    if of in _IDS:  # BOOLEAN_TYPE is 0, so no `or` chooses here
        return int(_IDS[of])
    kinds = (
        (pa.types.is_decimal, _TYPES.DECIMAL_TYPE),
        (pa.types.is_timestamp, _TYPES.TIMESTAMP_TYPE),
        (pa.types.is_list, _TYPES.ARRAY_TYPE),
        (pa.types.is_map, _TYPES.MAP_TYPE),
        (pa.types.is_struct, _TYPES.STRUCT_TYPE),
    )
    return next((int(number) for fits, number in kinds if fits(of)), int(_TYPES.STRING_TYPE))


def _column(column: pa.ChunkedArray) -> Any:
    values = column.to_pylist()
    nulls = bytearray((len(values) + 7) // 8)
    for position, value in enumerate(values):
        if value is None:
            nulls[position // 8] |= 1 << (position % 8)
    name, kind, convert, empty = _column_kind(column.type)
    filled = [empty if value is None else convert(value) for value in values]
    return ttypes.TColumn(**{name: kind(values=filled, nulls=bytes(nulls))})


def _column_kind(of: pa.DataType) -> tuple[str, Any, Callable[[Any], Any], object]:
    numbers = {
        pa.bool_(): ("boolVal", ttypes.TBoolColumn, bool, False),
        pa.int8(): ("byteVal", ttypes.TByteColumn, int, 0),
        pa.int16(): ("i16Val", ttypes.TI16Column, int, 0),
        pa.int32(): ("i32Val", ttypes.TI32Column, int, 0),
        pa.int64(): ("i64Val", ttypes.TI64Column, int, 0),
        pa.float32(): ("doubleVal", ttypes.TDoubleColumn, float, 0.0),
        pa.float64(): ("doubleVal", ttypes.TDoubleColumn, float, 0.0),
        pa.binary(): ("binaryVal", ttypes.TBinaryColumn, bytes, b""),
    }
    return numbers.get(of, ("stringVal", ttypes.TStringColumn, _text, ""))


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    return json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
