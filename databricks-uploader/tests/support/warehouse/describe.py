"""DESCRIBE TABLE, DETAIL and HISTORY, and OPTIMIZE, from the Delta log: the engine knows less than it.

https://docs.databricks.com/sql/language-manual/sql-ref-syntax-aux-describe-table, …/delta-optimize,
https://docs.databricks.com/delta/table-details, …/delta/history
"""

import json
from datetime import UTC, datetime

import pyarrow as pa
from deltalake import DeltaTable
from tests.support.warehouse import arrow_types, privileges
from tests.support.warehouse.naming import Name
from tests.support.warehouse.statements import Call, Result, texts

COPY_MARK = "localWarehouseOperation"  # delta-rs writes COPY INTO's commit as WRITE; this key says what it was
_HISTORY = pa.schema(
    [
        ("version", pa.int64()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("operation", pa.string()),
        ("operationParameters", pa.map_(pa.string(), pa.string())),
        ("operationMetrics", pa.map_(pa.string(), pa.string())),
    ]
)
_DETAIL = pa.schema(
    [
        ("format", pa.string()),
        ("id", pa.string()),
        ("name", pa.string()),
        ("description", pa.string()),
        ("location", pa.string()),
        ("createdAt", pa.timestamp("us", "UTC")),
        ("partitionColumns", pa.list_(pa.string())),
        ("clusteringColumns", pa.list_(pa.string())),
        ("numFiles", pa.int64()),
        ("sizeInBytes", pa.int64()),
        ("properties", pa.map_(pa.string(), pa.string())),
        ("minReaderVersion", pa.int32()),
        ("minWriterVersion", pa.int32()),
    ]
)


def table(call: Call) -> Result:
    """Answer one row a column; then, below headings, what it is clustered by and, with EXTENDED, what it is."""
    name, opened = _read(call, 2)
    comments = {field.name: field.metadata.get("comment") for field in opened.schema().fields}
    rows = [(field.name, arrow_types.sql(field.type).lower(), comments[field.name]) for field in _fields(opened)]
    clustered = [row for row in rows if row[0].lower() in call.tools.catalog.extras(name).cluster_by]
    if clustered:
        rows += [("# Clustering Information", "", ""), ("# col_name", "data_type", "comment"), *clustered]
    if call.found[1]:
        rows += [("", "", ""), ("# Detailed Table Information", "", "")]
        said = {"Catalog": name.catalog, "Database": name.schema, "Table": name.object, "Type": "MANAGED"}
        rows += [(key, value, "") for key, value in {**said, "Provider": "delta"}.items()]
    return texts(("col_name", "data_type", "comment"), rows)


def columns(call: Call) -> Result:
    """Answer the names of a table's columns."""
    _, opened = _read(call)
    return texts(("col_name",), [(field.name,) for field in _fields(opened)])


def detail(call: Call) -> Result:
    """Answer one row about a table: its id, files, properties."""
    name, opened = _read(call)
    known, protocol = opened.metadata(), opened.protocol()
    sizes = pa.table(opened.get_add_actions()).column("size_bytes").to_pylist()
    row = {
        "format": "delta",
        "id": str(known.id),
        "name": str(name),
        "description": known.description,
        "location": f"dbfs:/local/{name}",
        "createdAt": _at(known.created_time),
        "partitionColumns": known.partition_columns,
        "clusteringColumns": list(call.tools.catalog.extras(name).cluster_by),
        "numFiles": len(sizes),
        "sizeInBytes": sum(sizes),
        "properties": list(known.configuration.items()),
        "minReaderVersion": protocol.min_reader_version,
        "minWriterVersion": protocol.min_writer_version,
    }
    return Result(pa.Table.from_pylist([row], schema=_DETAIL))


def history(call: Call) -> Result:
    """Answer one row a commit, the newest first."""
    _, opened = _read(call)
    rows = [
        {
            "version": commit["version"],
            "timestamp": _at(commit["timestamp"]),
            "operation": commit.get(COPY_MARK, commit["operation"]),
            "operationParameters": _texts(commit.get("operationParameters")),
            "operationMetrics": _texts(commit.get("operationMetrics")),
        }
        for commit in opened.history()
    ]
    return Result(pa.Table.from_pylist(rows, schema=_HISTORY))


def optimize(call: Call) -> Result:
    """Put small files together."""
    name, opened = _read(call)
    call.tools.privileges.require(call.session.principal, "MODIFY", privileges.table(name))
    metrics = opened.optimize.compact()
    return Result(pa.table({"path": [f"dbfs:/local/{name}"], "metrics": [json.dumps(metrics)]}))


def _read(call: Call, group: int = 1) -> tuple[Name, DeltaTable]:
    name = call.session.name(call.found[group])
    opened = call.tools.catalog.delta(name)
    call.tools.privileges.require(call.session.principal, "SELECT", privileges.table(name))
    return name, opened


def _fields(opened: DeltaTable) -> list[pa.Field]:
    return list(pa.schema(opened.schema()))


def _at(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def _texts(values: dict[str, object] | None) -> list[tuple[str, str]]:
    return [(key, str(value)) for key, value in (values or {}).items()]
