"""INSERT, UPDATE, DELETE and MERGE, with the counts that Databricks answers.

https://docs.databricks.com/sql/language-manual/sql-ref-syntax-dml-insert-into, …/delta-update, …/delta-delete-from,
…/delta-merge-into. Sail 0.7.2 writes the rows; its own counts are wrong for all but INSERT, its log's are right.
"""

import re
from dataclasses import replace

import pyarrow as pa
from deltalake import DeltaTable
from tests.support.warehouse import arrow_types, errors, privileges, reading, sqltext
from tests.support.warehouse.naming import Name
from tests.support.warehouse.statements import Call, Result, counted

_COLUMNS = re.compile(
    rf"\s*INSERT\s+INTO\s+(?:TABLE\s+)?({sqltext.NAME})\s*\(([^()]*)\)\s*(?=VALUES\b|SELECT\b|WITH\b|TABLE\b|\()",
    re.IGNORECASE,
)


def insert(call: Call) -> Result:
    """Run INSERT INTO or OVERWRITE; columns that are not listed are NULL."""
    _, table = _target(call)
    answer = _run(call, _all_columns(call, table))
    rows = int(answer.column(0)[0].as_py())
    return counted({"num_affected_rows": rows, "num_inserted_rows": rows}, rows)


def update(call: Call) -> Result:
    """Run UPDATE."""
    return _changed(call, {"numUpdatedRows": ""})


def delete(call: Call) -> Result:
    """Run DELETE."""
    return _changed(call, {"numDeletedRows": ""})


def merge(call: Call) -> Result:
    """Run MERGE, with schema evolution where it is asked for."""
    counts = {
        "numTargetRowsUpdated": "num_updated_rows",
        "numTargetRowsDeleted": "num_deleted_rows",
        "numTargetRowsInserted": "num_inserted_rows",
    }
    return _changed(call, counts)


def _changed(call: Call, metrics: dict[str, str]) -> Result:
    """Run what changes rows; answer the sum of `metrics` of its commit, and each that has a name of its own."""
    name, table = _target(call)
    call.tools.privileges.require(call.session.principal, "SELECT", privileges.table(name))
    _run(call, call.sql)
    after = call.tools.catalog.delta(name)
    if after.schema() != table.schema():
        call.tools.catalog.register(call.tools.sail, name)
    # What changes nothing commits nothing: the newest commit is then another statement's.
    written = after.history(1)[0].get("operationMetrics", {}) if after.version() > table.version() else {}
    counts = {metric: int(written.get(metric) or 0) for metric in metrics}
    total = sum(counts.values())
    named = {metrics[metric]: count for metric, count in counts.items() if metrics[metric]}
    return counted({"num_affected_rows": total, **named}, total)


def _target(call: Call) -> tuple[Name, DeltaTable]:
    name = call.session.name(call.found[1])
    table = call.tools.catalog.delta(name)
    call.tools.privileges.require(call.session.principal, "MODIFY", privileges.table(name))
    reading.may_read(call, but=name)
    return name, table


def _run(call: Call, sql: str) -> pa.Table:
    try:
        return call.run(reading.as_it_is_here(replace(call, sql=sql)))
    except errors.WarehouseError as error:
        raise reading.named_fully(call, error) from error


def _all_columns(call: Call, table: DeltaTable) -> str:
    """Return an INSERT into some columns as one into all of them: the engine wants a value for each."""
    found = _COLUMNS.match(sqltext.code(call.sql))
    if found is None:
        return call.sql
    listed = sqltext.parts(found[2].replace(",", " "))
    fields = pa.schema(table.schema())
    unknown = set(listed) - {field.name.lower() for field in fields}
    if unknown:
        raise errors.UNRESOLVED_COLUMN.error(name=sqltext.quoted((min(unknown),)))
    values = [
        f"`{field.name.lower()}`"
        if field.name.lower() in listed
        else f"CAST(NULL AS {arrow_types.sql(field.type)}) AS `{field.name}`"
        for field in fields
    ]
    given = ", ".join(f"`{column}`" for column in listed)
    return f"INSERT INTO {found[1]} SELECT {', '.join(values)} FROM ({call.sql[found.end() :]}) AS given({given})"
