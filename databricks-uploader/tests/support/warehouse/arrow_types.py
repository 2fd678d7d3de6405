"""Arrow types as SQL, and when two of them are the same to Delta."""

import pyarrow as pa

_PLAIN = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.string(): "STRING",
    pa.large_string(): "STRING",
    pa.string_view(): "STRING",
    pa.binary(): "BINARY",
    pa.large_binary(): "BINARY",
    pa.binary_view(): "BINARY",
    pa.null(): "VOID",
}


def sql(of: pa.DataType) -> str:
    """Return the SQL type of an Arrow type (https://docs.databricks.com/sql/language-manual/sql-ref-datatypes).

    A type that Spark can't read from Parquet (unsigned integers, nanoseconds) has none: ValueError.
    """
    if of in _PLAIN:
        return _PLAIN[of]
    if pa.types.is_decimal128(of):
        return f"DECIMAL({of.precision},{of.scale})"
    if pa.types.is_timestamp(of) and of.unit != "ns":
        return "TIMESTAMP" if of.tz else "TIMESTAMP_NTZ"
    if pa.types.is_list(of) or pa.types.is_large_list(of):
        return f"ARRAY<{sql(of.value_type)}>"
    if pa.types.is_map(of):
        return f"MAP<{sql(of.key_type)},{sql(of.item_type)}>"
    if pa.types.is_struct(of):
        return f"STRUCT<{','.join(f'`{field.name}`:{sql(field.type)}' for field in of)}>"
    raise ValueError(f"{of} has no SQL type")
