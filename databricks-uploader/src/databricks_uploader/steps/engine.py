"""DuckDB, which carries steps out: it reads one typed file and writes one claim's file, and can reach nothing else."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from databricks_uploader.errors import PermanentError, TransientError, UploaderError
from databricks_uploader.model.step_counts import StepCounts
from databricks_uploader.model.steps import Round
from databricks_uploader.model.work import Applied, Work
from databricks_uploader.steps.sql import counting, writing
from databricks_uploader.steps.statistics import statistics_of

_MEMORY = "96MB"


def apply(work: Work, typed: Path, written: Path) -> Applied:
    """Carry out steps on the file `typed`, and write `written` where a row is left; it is not yet durable.

    The columns of `typed` are those of the work, then the lineage columns. Rows keep their order. Spilled data lies
    beside `written` while this runs. Raises PermanentError where a value does not fit its column after a rule,
    TransientError where memory or disk do not suffice; neither names a value.
    """
    try:
        return _applied(work, typed, written)
    except duckdb.Error as error:
        failure = _of(error, work)
    raise failure  # outside of the handler: the engine's own text may quote a value, and is not to be kept with it


def _applied(work: Work, typed: Path, written: Path) -> Applied:
    with connection(typed.parent, written.parent) as opened:
        statement, counted = counting(work, str(typed))
        read, left, *numbers = opened.execute(statement.text, statement.parameters).fetchone() or ()
        pairs = list(zip(counted, numbers, strict=True))
        counts = StepCounts(
            read=read,
            written=left,
            excluded=tuple((one.rule, number) for one, number in pairs if one.excludes),
            altered=tuple((one.rule, number) for one, number in pairs if not one.excludes),
        )
        if not counts.written:
            return Applied(counts)
        os.close(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        statement = writing(work, str(typed), str(written))
        done = opened.execute(statement.text, statement.parameters).fetchone() or ()
        return Applied(counts, statistics_of(work.output, done[4]))


@contextmanager
def connection(*folders: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield an engine on one thread that reaches nothing but these folders, neither by path nor by network."""
    opened = duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": _MEMORY,
            "temp_directory": str(folders[-1] / "steps.tmp"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }
    )
    try:
        opened.execute("SET TimeZone = 'UTC'")
        opened.execute("SET allowed_directories = ?", [[str(folder) for folder in folders]])
        opened.execute("SET enable_external_access = false")
        opened.execute("SET lock_configuration = true")
        yield opened
    finally:
        opened.close()


def _of(error: duckdb.Error, work: Work) -> UploaderError:
    kind = type(error).__name__.removesuffix("Exception")
    if isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException):
        return TransientError(
            f"the steps' engine lacks memory or disk ({kind})", hint="free some; the same rows are tried again"
        )
    rounded = sorted({rule.column for step in work.steps for rule in step.rules if isinstance(rule, Round)})
    if isinstance(error, duckdb.ConversionException) and rounded:
        return PermanentError(
            f"a rounded value does not fit its column's type; rounded columns: {', '.join(map(repr, rounded))}",
            hint="round to more decimals, or give the column a type with one more digit",
        )
    columns = sorted({rule.column for step in work.steps for rule in step.rules})
    return PermanentError(
        f"a rule can't be applied ({kind}); the rules are about {', '.join(map(repr, columns))}",
        hint="nothing was written; take out one rule after the other to see which it is",
    )
