"""Aggregations as DuckDB SQL.

Floating-point numbers are summed in the order of their values, with compensation: a sum is of the values alone, and not
of how they came.
"""

from collections.abc import Mapping, Sequence

from databricks_uploader.model.aggregation import Aggregation, Function, TimeToken, is_window
from databricks_uploader.model.claim import batch_id
from databricks_uploader.model.column_kinds import Kind, kind_of
from databricks_uploader.model.table import LINEAGE, ROW, Column
from databricks_uploader.model.windows import MINUTE, QUARTER, Parts
from databricks_uploader.model.work import Aggregate
from databricks_uploader.ports import Lineage
from databricks_uploader.steps.expressions import duckdb_type, quoted
from databricks_uploader.steps.sql import LINEAGE_ORDER, ROW_GROUP_ROWS, Statement

Quarters = Mapping[int, Parts]
"""Beginning of a quarter of an hour in µs since 1970 → what it belongs to."""


def quarters(work: Aggregate, files: Sequence[str]) -> Statement:
    """Return the statement that counts the rows of each quarter of an hour; those without a time count for NULL."""
    statement = Statement()
    statement.text = f"SELECT {_down('us', QUARTER)}, count(*) FROM ({_rows(work, statement, files)}) GROUP BY ALL"
    return statement


def seen(work: Aggregate, files: Sequence[str], known: Quarters) -> Statement:
    """Return the statement that gives of each window, in order, the values of `Seen`."""
    statement = Statement()
    statement.text = (
        f"SELECT {_window(work)} AS w, count(*), min(key), max(key), max(us) "
        f"FROM {_in_windows(work, statement, files, known)} GROUP BY w ORDER BY w"
    )
    return statement


def keys(work: Aggregate, files: Sequence[str], known: Quarters, windows: Sequence[int]) -> Statement:
    """Return the statement that gives window and key of the rows of some windows; no window where there is no time."""
    statement = Statement()
    statement.text = (
        f"SELECT {_window(work)} AS w, key FROM {_in_windows(work, statement, files, known)} "
        f"WHERE {_window(work)} IN (SELECT unnest(CAST({statement.bind(list(windows))} AS BIGINT[]))) "
        f"UNION ALL SELECT NULL, key FROM ({_rows(work, statement, files)}) WHERE us IS NULL ORDER BY key"
    )
    return statement


def writing(
    work: Aggregate, files: Sequence[str], known: Quarters, windows: Sequence[int], lineage: Lineage, to: str
) -> Statement:
    """Return the statement that writes the claim's file and returns its size and statistics."""
    statement = Statement()
    keys, values = work.output.columns[: len(work.step.keys)], work.output.columns[len(work.step.keys) :]
    chosen = [
        *(_cast(_key(work, name), column) for name, column in zip(work.step.keys, keys, strict=True)),
        *(_cast(_value(work, one), column) for one, column in zip(work.step.aggregations, values, strict=True)),
        *_lineage(statement, lineage),
    ]
    groups = [str(number + 1) for number in range(len(keys))]
    statement.text = (
        f"COPY (SELECT {', '.join(chosen)} FROM {_in_windows(work, statement, files, known)} "
        f"WHERE {_window(work)} IN (SELECT unnest(CAST({statement.bind(list(windows))} AS BIGINT[]))) "
        f"GROUP BY {', '.join(groups)} ORDER BY {', '.join(groups)}) "
        f"TO {statement.bind(to)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, "
        f"ROW_GROUP_SIZE {ROW_GROUP_ROWS}, USE_TMP_FILE false, RETURN_STATS)"
    )
    return statement


def _rows(work: Aggregate, statement: Statement, files: Sequence[str]) -> str:
    """Return the query of all rows: their columns as c0, c1, …, their time in µs, and their key."""
    own = [f"{quoted(c.name)} AS c{number}" for number, c in enumerate(work.columns.columns)]
    time = work.columns.get(work.time)
    if time is None:
        raise ValueError(f"no column {work.time!r}")
    moment = quoted(time.name)
    if kind_of(time.type) is not Kind.INSTANT:
        moment = f"CAST({moment} AS TIMESTAMP)"
    chosen = ", ".join([*own, f"epoch_us({moment}) AS us", f"{quoted(ROW.name)} AS key"])
    return f"SELECT {chosen} FROM read_parquet({statement.bind(list(files))}, hive_partitioning = false)"


def _in_windows(work: Aggregate, statement: Statement, files: Sequence[str], known: Quarters) -> str:
    """Return the rows that have a time, with what their quarter of an hour belongs to."""
    lists = {
        "quarter": list(known),
        "whole": [parts.window for parts in known.values()],
        "hour": [parts.hour for parts in known.values()],
        "day": [parts.day for parts in known.values()],
        "of_day": [parts.hour_of_day for parts in known.values()],
    }
    unnested = ", ".join(f"unnest(CAST({statement.bind(v)} AS BIGINT[])) AS {n}" for n, v in lists.items())
    rows = f"SELECT *, {_down('us', QUARTER)} AS quarter FROM ({_rows(work, statement, files)})"
    return f"({rows}) AS r JOIN (SELECT {unnested}) AS q USING (quarter)"


def _window(work: Aggregate) -> str:
    return _down("us", MINUTE) if work.grid.finest is TimeToken.MINUTE else "whole"


def _down(number: str, unit: int) -> str:
    """Return a number cut to a multiple of a unit; % of a negative one is negative in SQL."""
    return f"({number} - (({number} % {unit}) + {unit}) % {unit})"


def _key(work: Aggregate, name: str) -> str:
    if not is_window(name):
        return _plain(work, name)
    times = {TimeToken.MINUTE: _down("us", MINUTE), TimeToken.HOUR: "hour", TimeToken.DAY: "day"}
    return "of_day" if name == TimeToken.HOUR_OF_DAY else f"make_timestamptz({times[TimeToken(name)]})"


def _value(work: Aggregate, one: Aggregation) -> str:
    """Return the expression of an aggregation: an exact one, or one that the order of rows changes nothing of."""
    if one.counts_rows(work.columns):
        return "count(*)"
    column, order = _plain(work, one.column), ", ".join(("us", *_told_apart(work)))
    written = {
        Function.SUM: "{sum}",
        Function.AVG: "CAST({sum} AS DOUBLE) / count({column})",
        Function.STDDEV: "stddev_samp(CAST({column} AS DOUBLE) ORDER BY {column})",
        Function.MEDIAN: "median(CAST({column} AS DOUBLE))",
        Function.FIRST: "first({column} ORDER BY {order})",
        Function.LAST: "last({column} ORDER BY {order})",
        Function.COUNT_DISTINCT: "count(DISTINCT {column})",
    }.get(one.function, f"{one.function}({{column}})")
    return written.format(column=column, order=order, sum=_sum(work, one.column))


def _told_apart(work: Aggregate) -> Sequence[str]:
    """Return what orders rows of the same time: rowids, or else values, of which rows alike in all are alike."""
    return [_plain(work, column.name) for column in work.columns.columns] if work.by_time else ["key"]


def _sum(work: Aggregate, name: str) -> str:
    column = _plain(work, name)
    if _kind(work, name) is not Kind.FLOATING:
        return f"sum({column})"
    return f"fsum(CAST({column} AS DOUBLE) ORDER BY {column})"


def _plain(work: Aggregate, name: str) -> str:
    """Return a column; of floating-point numbers 0.0 for -0.0, which are equal and not the same."""
    number = next(n for n, c in enumerate(work.columns.columns) if c.name.casefold() == name.casefold())
    if _kind(work, name) is Kind.FLOATING:
        return f"(c{number} + CAST(0 AS {duckdb_type(work.columns.columns[number].type)}))"
    return f"c{number}"


def _kind(work: Aggregate, name: str) -> Kind:
    column = work.columns.get(name)
    if column is None:
        raise ValueError(f"no column {name!r}")
    return kind_of(column.type)


def _cast(expression: str, column: Column) -> str:
    return f"CAST({expression} AS {duckdb_type(column.type)}) AS {quoted(column.name)}"


def _lineage(statement: Statement, lineage: Lineage) -> list[str]:
    values = {
        "_node_id": statement.bind(lineage.node_id),
        "_incarnation": statement.bind(lineage.incarnation),
        "_batch_id": statement.bind(batch_id(lineage.owner, lineage.sequence)),
        "_loaded_at": statement.bind(lineage.claimed_at.isoformat()),
        ROW.name: "count(*)",
    }
    columns = [LINEAGE.get(name) for name in LINEAGE_ORDER]
    return [_cast(values[column.name], column) for column in columns if column is not None]
