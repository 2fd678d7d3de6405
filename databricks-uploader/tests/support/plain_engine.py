"""Steps and aggregations carried out in plain Python, some ten times as fast on a few rows as by the engine."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tests.support import plain_aggregates, plain_steps
from tests.support.fakes import MICROSECOND
from tests.support.typed_files import arrow_type

from databricks_uploader.model.aggregation import AggregateStep, Into
from databricks_uploader.model.step_counts import StepCounts
from databricks_uploader.model.steps import Step
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.times import EPOCH
from databricks_uploader.model.touched import Seen
from databricks_uploader.model.work import Aggregate, Aggregated, Applied, Looked, Work
from databricks_uploader.ports import Lineage
from databricks_uploader.spool import parquet

Row = dict[str, Any]


class PlainEngine:
    """The port of steps, without a check of rules, and with sums of integers alone."""

    def check(self, steps: Sequence[Step], columns: TableSchema) -> None:
        pass

    def check_aggregate(
        self, number: int, step: AggregateStep, columns: TableSchema, time: str | None, into: Into | None
    ) -> None:
        pass

    def apply(self, work: Work, typed: str, written: str) -> Applied:
        table = pq.read_table(typed)
        types = {column.name: column.type for column in work.columns.columns}
        done = plain_steps.Result(work.steps, table.to_pylist(), types, "")
        if done.numbers:
            pq.write_table(table.take(done.numbers), written)
        excluded = [(rule, done.excluded[id(rule)]) for step in work.steps for rule in step.rules]
        return Applied(StepCounts(len(table), len(done.numbers), tuple(excluded)))

    def look(self, work: Aggregate, rows: str) -> Looked:
        found: dict[int, list[tuple[int, int]]] = {}
        for start, key, time in _keys(work, rows):
            if start is not None:
                found.setdefault(start, []).append((key, time))
        seen = []
        for start, pairs in sorted(found.items()):
            keys, times = zip(*pairs, strict=True)
            seen.append(Seen(start, len(keys), min(keys), max(keys), max(times)))
        return Looked(tuple(seen), sum(start is None for start, _, _ in _keys(work, rows)))

    def keys(self, work: Aggregate, rows: str, windows: Sequence[int]) -> Sequence[tuple[int | None, int]]:
        return [(start, key) for start, key, _ in _keys(work, rows) if start is None or start in windows]

    def aggregate(
        self, work: Aggregate, rows: str, windows: Sequence[int], lineage: Lineage, written: str
    ) -> Aggregated:
        step = work.step
        functions = [
            ("" if one.counts_rows(work.columns) else one.column, one.function.value) for one in step.aggregations
        ]
        some = [row for row in _rows(rows) if row[work.time] is not None and _window(work, row) in windows]
        groups = plain_aggregates.groups(some, work.time, step.keys, functions, step.timezone)
        if groups:
            cells = ([int(v) if isinstance(v, Fraction) else v for v in (*k, *values)] for k, values in groups.items())
            columns = zip(*cells, strict=True)
            types = [*(arrow_type(column.type) for column in work.output.columns), pa.int64()]
            arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
            names = [*(column.name for column in work.output.columns), "_row"]
            parquet.write(Path(written), iter([pa.record_batch(arrays, names=names)]), work.output, lineage)
        return Aggregated(len(groups), {})


def _rows(file: str) -> list[Row]:
    found: list[Row] = pq.read_table(file).to_pylist()
    return sorted(found, key=lambda row: row["_row"])


def _keys(work: Aggregate, file: str) -> list[tuple[int | None, int, int]]:
    """Return window, key and time of all rows, in the order of their keys; no window where there is no time."""
    return [
        (None, row["_row"], 0) if row[work.time] is None else (_window(work, row), row["_row"], _micros(work, row))
        for row in _rows(file)
    ]


def _window(work: Aggregate, row: Row) -> int:
    return work.grid.start(_micros(work, row))


def _micros(work: Aggregate, row: Row) -> int:
    return (plain_aggregates.instant(row[work.time]) - EPOCH) // MICROSECOND
