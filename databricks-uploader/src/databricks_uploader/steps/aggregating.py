"""Aggregations carried out: typed Parquet files with all rows of some windows in, a claim's file out.

The same rows give the same values to the last bit, in whatever order and files they come, and whatever other rows lie
beside them.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import duckdb

from databricks_uploader.errors import PermanentError, TransientError, UploaderError
from databricks_uploader.model.touched import Seen
from databricks_uploader.model.work import Aggregate, Aggregated, Looked
from databricks_uploader.ports import Lineage
from databricks_uploader.steps import aggregation_sql
from databricks_uploader.steps.aggregation_sql import Quarters
from databricks_uploader.steps.engine import connection
from databricks_uploader.steps.statistics import statistics_of


def look(work: Aggregate, typed: Sequence[Path]) -> Looked:
    """Return the windows of the rows of files. Raises TransientError where memory or disk do not suffice."""
    try:
        return _looked(work, typed)
    except duckdb.Error as error:
        failure = _of(error, work)
    raise failure  # outside of the handler: the engine's own text may quote a value


def keys(work: Aggregate, typed: Sequence[Path], windows: Sequence[int]) -> list[tuple[int | None, int]]:
    """Return window and key of the rows of some windows, and the keys of rows without a time, in order."""
    try:
        return _keys(work, typed, windows)
    except duckdb.Error as error:
        failure = _of(error, work)
    raise failure  # outside of the handler, as above


def aggregate(work: Aggregate, typed: Sequence[Path], windows: Sequence[int], lineage: Lineage, to: Path) -> Aggregated:
    """Write one row for each group of these windows, known by their beginnings in µs; it is not yet durable.

    The files have all rows of the windows, and may have others. `_row` is the number of rows that a row is of.
    Raises PermanentError where a value does not fit its column in the target table, TransientError where memory or
    disk do not suffice.
    """
    try:
        return _aggregated(work, typed, windows, lineage, to)
    except duckdb.Error as error:
        failure = _of(error, work)
    raise failure  # outside of the handler, as above


def _looked(work: Aggregate, typed: Sequence[Path]) -> Looked:
    files = [str(file) for file in typed]
    with connection(*(file.parent for file in typed)) as opened:
        quarters, untimed = _quarters(opened, work, files)
        statement = aggregation_sql.seen(work, files, quarters)
        found = opened.execute(statement.text, statement.parameters).fetchall()
    return Looked(tuple(Seen(*row) for row in found), untimed)


def _keys(work: Aggregate, typed: Sequence[Path], windows: Sequence[int]) -> list[tuple[int | None, int]]:
    files = [str(file) for file in typed]
    with connection(*(file.parent for file in typed)) as opened:
        quarters, _ = _quarters(opened, work, files)
        statement = aggregation_sql.keys(work, files, quarters, windows)
        found: list[tuple[int | None, int]] = opened.execute(statement.text, statement.parameters).fetchall()
        return found


def _aggregated(
    work: Aggregate, typed: Sequence[Path], windows: Sequence[int], lineage: Lineage, to: Path
) -> Aggregated:
    files = [str(file) for file in typed]
    with connection(*(file.parent for file in typed), to.parent) as opened:
        quarters, _ = _quarters(opened, work, files)
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        statement = aggregation_sql.writing(work, files, quarters, windows, lineage, str(to))
        done = opened.execute(statement.text, statement.parameters).fetchone() or ()
    return Aggregated(done[1], statistics_of(work.output, done[4]))


def _quarters(opened: duckdb.DuckDBPyConnection, work: Aggregate, files: Sequence[str]) -> tuple[Quarters, int]:
    """Return what each quarter of an hour that rows are in belongs to, and how many rows have no time."""
    statement = aggregation_sql.quarters(work, files)
    found = opened.execute(statement.text, statement.parameters).fetchall()
    grid = work.grid
    timed = {quarter: grid.parts(quarter) for quarter, _ in found if quarter is not None}
    return timed, sum(rows for quarter, rows in found if quarter is None)


def _of(error: duckdb.Error, work: Aggregate) -> UploaderError:
    kind = type(error).__name__.removesuffix("Exception")
    if isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException):
        return TransientError(
            f"the steps' engine lacks memory or disk ({kind})", hint="free some; the same rows are tried again"
        )
    made = ", ".join(f"{column.name} {column.sql_type}" for column in work.output.columns)
    return PermanentError(
        f"an aggregated value does not fit its column in the target table ({kind}); there are {made}",
        hint="give the columns of sums wider types (DECIMAL(38,…) or DOUBLE)",
    )
