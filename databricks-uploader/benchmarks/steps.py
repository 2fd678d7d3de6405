"""The steps' share of the way: typed Parquet files in, claims' Parquet files out, by a filter and a sanitize step.

Typed files hold 250,000 rows each, as spans do. Files without steps tell what reading and writing alone cost by the
same engine, and an upload of the same rows without steps what all the rest costs; they take turns, in processes of
their own. An upload with steps does both: its speed is that of one without, times raw / (raw + both).
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median

from arro3.core import Array, DataType, RecordBatch
from benchmarks.raw import COLUMNS, WORK, Run, make_database, measured, readings, upload

from databricks_uploader.model.secret import Secret
from databricks_uploader.model.steps import (
    Condition,
    FilterStep,
    Hash,
    Mask,
    Operator,
    Pattern,
    Round,
    SanitizeStep,
    Step,
    TimeUnit,
    TruncateTime,
)
from databricks_uploader.model.table import Column, TableSchema
from databricks_uploader.model.work import Work
from databricks_uploader.ports import Lineage
from databricks_uploader.spool import parquet
from databricks_uploader.steps.engine import apply

SPAN_ROWS = 250_000
PAGE_ROWS = 8_192
_TYPES = {"TEXT": "string", "REAL": "double", "INTEGER": "long"}
_ARROW = {"string": DataType.utf8(), "double": DataType.float64(), "long": DataType.int64()}
COLUMNS_TYPED = TableSchema.of(
    [
        Column("id", "long"),
        *(
            Column(name, "timestamp" if name == "timestamp" else _TYPES[kind.split()[0]])
            for name, kind in COLUMNS.items()
        ),
    ]
)
FILTER = FilterStep(
    (
        Condition(column="temperature", operator=Operator.BETWEEN, values=(10, 40)),
        Condition(column="anomaly_flag", operator=Operator.EQUAL, values=(0,)),
    )
)
SANITIZE = SanitizeStep(
    (
        Hash(column="sensor_id"),
        Mask(column="serial_number", keep_last=4),
        Pattern(column="manufacturer", pattern=r"\b[A-Z]\w+"),
        Round(column="latitude", decimals=1),
        Round(column="longitude", decimals=1),
        TruncateTime(column="timestamp", unit=TimeUnit.HOUR),
    )
)
WAYS: dict[str, tuple[Step, ...]] = {"copy": (), "filter": (FILTER,), "both": (FILTER, SANITIZE)}


def typed_files(rows: int) -> list[Path]:
    """Return the files of so many rows, in order."""
    return [WORK / "typed" / f"{rows}-{number}.parquet" for number in range(-(-rows // SPAN_ROWS))]


def make_typed_files(rows: int) -> None:
    """Make them; those that are there already have the same rows."""
    files = typed_files(rows)
    if files[-1].exists():
        return
    files[0].parent.mkdir(parents=True, exist_ok=True)
    source = enumerate(readings(rows), start=1)
    for number, path in enumerate(files):
        lineage = Lineage("bench", 1, 7, number + 1, datetime(2026, 1, 1, tzinfo=UTC))
        parquet.write(path, pages(islice(source, SPAN_ROWS)), COLUMNS_TYPED, lineage)


def pages(rows: Iterator[tuple[int, tuple[object, ...]]]) -> Iterator[RecordBatch]:
    """Yield the rows as the source's pages have them."""
    while some := list(islice(rows, PAGE_ROWS)):
        keys = Array([key for key, _ in some], DataType.int64())
        columns = [keys]
        for place, column in enumerate(COLUMNS_TYPED.columns[1:]):
            values = [row[place] if place < len(row) else None for _, row in some]
            if column.type == "timestamp":
                columns.append(Array(values, DataType.utf8()).cast(DataType.timestamp("us", tz="UTC")))
            else:
                columns.append(Array(values, _ARROW[column.type]))
        names = [*(c.name for c in COLUMNS_TYPED.columns), "_row"]
        yield RecordBatch.from_arrays([*columns, keys], names=names)


def work(way: str, files: Sequence[Path]) -> None:
    """Carry out the steps, as the uploader's process would."""
    todo = Work(WAYS[way], COLUMNS_TYPED, key=Secret("the key of a benchmark"))
    for file in files:
        apply(todo, file, WORK / "written.parquet")


def main() -> None:
    """Print rows per second and the peak of memory of each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        work(arguments.way, typed_files(arguments.rows))
        return
    for rows in (arguments.rows // 4, arguments.rows):
        make_typed_files(rows)
        database = WORK / f"sensors-{rows}.db"
        make_database(database, rows)
        runs: dict[str, list[Run]] = {way: [] for way in ("raw", *WAYS)}
        for _ in range(arguments.runs):
            runs["raw"].append(upload(database))
            for way in WAYS:
                command = [sys.executable, "-m", "benchmarks.steps", "--rows", str(rows), "--way", way]
                runs[way].append(measured(command))
        for way, done in runs.items():
            seconds = median(run.seconds for run in done)
            peak = max(run.peak_mb for run in done)
            print(f"{way:<8}{rows:>12,} rows {seconds:7.2f} s {rows / seconds:12,.0f} rows/s {peak:7.0f} MB")
        shares = (
            raw.seconds / (raw.seconds + both.seconds) for raw, both in zip(runs["raw"], runs["both"], strict=True)
        )
        print(f"with both steps {median(shares):.2f} of raw's speed\n")


if __name__ == "__main__":
    main()
