"""The rows of a claim's file as SQL, in pieces of bounded size.

Each piece is one string literal of JSON, taken apart by `from_json` on the other side: every value a text there,
which is cast to its column's exact type. As VALUES the same rows took the engine four times as long to parse.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from arro3.core import Array, DataType, RecordBatch
from arro3.io import read_parquet

from databricks_uploader.destinations.databricks.statements import text
from databricks_uploader.model.table import Column
from databricks_uploader.model.workspace import quoted

MOST_TEXT = 2 << 20
"""Characters of rows in one statement; Databricks states a limit of 16 MiB for its SQL over REST."""
_READ_ROWS = 4_096
_WALL_CLOCK = datetime(1970, 1, 1)  # noqa: DTZ001  (TIMESTAMP_NTZ has no zone)


@dataclass(frozen=True)
class Rows:
    """Some rows, as a query that returns them with the table's types."""

    query: str
    number: int
    lowest: str
    """The smallest value of the key column, as an expression; '' without one."""
    highest: str


def pieces(file: Path, columns: Sequence[Column], key: Column | None = None, most: int = MOST_TEXT) -> Iterator[Rows]:
    """Yield the file's rows in order; `columns` are those of the table that the file has."""
    waiting: list[str] = []
    keys: list[Any] = []
    size = 0
    for batch in read_parquet(file, batch_size=_READ_ROWS):
        texts, values = _texts(batch, columns), _keys(batch, key)
        for row, value in zip(texts, values, strict=True):
            if waiting and size + len(row) > most:
                yield _rows(columns, waiting, keys, key)
                waiting, keys, size = [], [], 0
            waiting.append(row)
            keys.append(value)
            size += len(row)
    if waiting:
        yield _rows(columns, waiting, keys, key)


def _rows(columns: Sequence[Column], waiting: Sequence[str], keys: Sequence[Any], key: Column | None) -> Rows:
    chosen = ", ".join(f"{_value(c, f'r[{at}]')} AS {quoted(c.name)}" for at, c in enumerate(columns))
    source = f"explode(from_json({text('[' + ','.join(waiting) + ']')}, 'array<array<string>>'))"
    query = f"SELECT {chosen} FROM (SELECT {source} AS r)"
    if key is None:
        return Rows(query, len(waiting), "", "")
    bounds = [_value(key, text(_written(key)(bound))) for bound in (min(keys), max(keys))]
    return Rows(query, len(waiting), *bounds)


def _texts(batch: RecordBatch, columns: Sequence[Column]) -> list[str]:
    by_column = []
    for column in columns:
        write = _written(column)
        by_column.append([None if v is None else write(v) for v in _plain(batch.column(column.name), column)])
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    return [encode(row) for row in zip(*by_column, strict=True)]


def _keys(batch: RecordBatch, key: Column | None) -> list[Any]:
    return [None] * batch.num_rows if key is None else _plain(batch.column(key.name), key)


def _plain(array: Array, column: Column) -> list[Any]:
    """Return the values; times as integers, which reach further than Python's."""
    if column.type.startswith("timestamp"):
        array = array.cast(DataType.int64())
    if column.type == "date":
        array = array.cast(DataType.int32())
    return list(array.to_pylist())


_WRITTEN: dict[str, Callable[[Any], str]] = {
    "boolean": lambda value: str(value).lower(),
    "double": repr,  # the shortest text that reads back as the same number; inf, nan and -0.0 among them
    "float": repr,
    "binary": lambda value: bytes(value).hex(),
    "timestamp_ntz": lambda value: (_WALL_CLOCK + timedelta(microseconds=value)).isoformat(" "),
}


def _written(column: Column) -> Callable[[Any], str]:
    if column.type.startswith("decimal"):
        return lambda value: format(Decimal(value), "f")
    return _WRITTEN.get(column.type, str)


def _value(column: Column, given: str) -> str:
    """Return the expression that makes a column's value of its text."""
    match column.type:
        case "string":
            return given
        case "binary":
            return f"unhex({given})"
        case "timestamp":
            return f"timestamp_micros(CAST({given} AS BIGINT))"
        case "date":
            return f"date_add(DATE '1970-01-01', CAST({given} AS INT))"
    return f"CAST({given} AS {column.sql_type})"
