"""What a pipeline would do to the newest rows; nothing is written but into the spool that is given for it."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from arro3.core import RecordBatch
from arro3.io import read_parquet

from databricks_uploader.drift import rules_of
from databricks_uploader.model.aggregated_layout import laid_out, made_for
from databricks_uploader.model.layout import Layout
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.position import Position
from databricks_uploader.model.preview import Cell, Preview, PreviewedRow, PreviewedWindows, WindowIs, windows_are
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.table import ROW
from databricks_uploader.model.times import EPOCH, TimeColumn
from databricks_uploader.model.touched import due, latest, touched
from databricks_uploader.model.windows import key_of
from databricks_uploader.model.work import Aggregate, Work
from databricks_uploader.ports import ArrowColumns, Lineage, Ports

NEWEST = 10_000
SHOWN = 5
_MICROSECOND = timedelta(microseconds=1)
_LINEAGE = Lineage("preview", 0, 0, 1, datetime(2000, 1, 1, tzinfo=UTC))
_SAMPLED = Lineage("preview", 0, 0, 2, datetime(2000, 1, 1, tzinfo=UTC))


def previewed(pipeline: Pipeline, name: str, where: str, ports: Ports, spool: Path) -> Preview:
    """Return what the pipeline would do to the newest rows; its spool is the folder `spool`.

    Raises what a run would raise before anything is read.
    """
    source, rules = ports.source.table(), rules_of(pipeline, ports)
    time = ports.source.time_column(source)
    time_name = None if time is None else time.name
    target = ports.destination.table()
    columns = made_for(source, time_name, rules) if target is None else target.schema
    layout = laid_out(source, time_name, columns, rules)
    found = Preview(
        name,
        source.name,
        pipeline.identity.target_table,
        where,
        target is not None,
        columns,
        layout.withheld,
        layout.ddl(pipeline.identity.target_table) if layout.missing else None,
    )
    pages = [*_newest(source, time, layout, ports)]
    quarantined = sum(count for _, count in pages)
    batches = [RecordBatch.from_arrow(batch) for batch, _ in pages]
    if not batches:
        return found
    # Rows are found again by `_row`, which stays the source's here.
    work = replace(layout.work, numbered=False)
    looked_at = sum(batch.num_rows for batch in batches) + quarantined
    found = replace(found, looked_at=looked_at, quarantined=quarantined)
    if layout.aggregate is None:
        found = replace(found, by_rule=ports.spool.write(iter(batches), work, _LINEAGE).by_rule)
    else:
        found = _aggregated(found, batches, work, layout.aggregate, ports, spool)
        if not work.steps:
            return found
    first = batches[0].slice(0, min(SHOWN, batches[0].num_rows))
    after = ports.spool.write(iter([first]), work, _SAMPLED)
    rows = _rows(first, work, None if after.file is None else spool / after.file.name)
    return replace(found, rows=tuple(rows))


def _aggregated(
    found: Preview, batches: Sequence[RecordBatch], work: Work, aggregate: Aggregate, ports: Ports, spool: Path
) -> Preview:
    """Add what an aggregation makes of rows, and what steps before it do to them."""
    step = aggregate.step
    with ports.spool.rows_at_hand(iter(batches), work, aggregate, _LINEAGE) as rows:
        looked, by_rule = rows.looked, rows.by_rule
        written = rows.aggregate([one.start for one in looked.seen])
    windows = touched({}, looked.seen).values()
    reached = latest(windows, (ports.clock.now() - EPOCH) // _MICROSECOND)
    closed = {window.start for window in due(windows, aggregate.grid, step.allowed_lateness // _MICROSECOND, reached)}
    are = windows_are(looked.seen, closed, all_read=found.looked_at < NEWEST)
    starts = {key_of(step, start): start for start in are}
    tokens = [c.name for name, c in zip(step.keys, aggregate.output.columns, strict=False) if name in step.tokens]

    def start_of(row: Mapping[str, Any]) -> int:
        return starts[tuple(_number(row[name]) for name in tokens)]

    made = [] if written.file is None else [row for b in read_parquet(spool / written.file.name) for row in _dicts(b)]
    order = {start: (list(WindowIs).index(what), -start) for start, what in are.items()}
    first = sorted(made, key=lambda row: order[start_of(row)])[:SHOWN]
    names = [*(column.name for column in aggregate.output.columns), ROW.name]
    shown = tuple((are[start_of(row)], {name: _cell(row[name]) for name in names}) for row in first)
    made_of = PreviewedWindows(Counter(are.values()), len(made), looked.untimed, shown)
    return replace(found, by_rule=by_rule, aggregated=made_of)


def _number(of_time: Any) -> Any:  # noqa: ANN401  (a time, or the hour of a day as a number of whatever type)
    return (of_time - EPOCH) // _MICROSECOND if isinstance(of_time, datetime) else of_time


def _newest(
    source: SourceTable, time: TimeColumn | None, layout: Layout, ports: Ports
) -> Iterator[tuple[ArrowColumns, int]]:
    """Yield the newest rows in order, typed, and with each page how many of its rows can't be loaded."""
    position = Position(
        owner=0,
        incarnation=0,
        cursor=None,
        sequence=0,
        head=None,
        table_id="",
        schema=layout.work.output,
        timestamp_column=None,
        witness_columns=() if time is None else (time.name,),
        timed=time is not None,
        secret=b"",
        units={} if time is None or time.unit is None else {time.name: time.unit},
    )
    if source.rowid is None and time is not None:
        newest: deque[tuple[ArrowColumns, int]] = deque()
        with ports.source.sweep(source, layout.pairs, position, None) as pages:
            for page in pages:
                picked = page.only(range(page.rows), range(1, page.rows + 1))
                newest.append((picked.columns, len(picked.quarantined)))
                while len(newest) > 1 and sum(_length(batch) for batch, _ in [*newest][1:]) >= NEWEST:
                    newest.popleft()
        yield from newest
        return
    if source.rowid is None:
        return
    keys = ports.source.newest_first(source, (), NEWEST)
    cursor = keys[-1][0] - 1 if len(keys) == NEWEST else None
    with ports.source.reading(source, layout.pairs, replace(position, cursor=cursor), []) as reading:
        for each in reading.pages:
            yield each.columns, len(each.quarantined)


def _length(batch: ArrowColumns) -> int:
    return RecordBatch.from_arrow(batch).num_rows


def _rows(first: RecordBatch, work: Work, written: Path | None) -> Iterator[PreviewedRow]:
    after = {} if written is None else {row[ROW.name]: row for batch in read_parquet(written) for row in _dicts(batch)}
    for row in _dicts(first):
        left = after.get(row[ROW.name])
        before = {c.name: _cell(row[c.name]) for c in work.columns.columns}
        yield PreviewedRow(before, None if left is None else {c.name: _cell(left[c.name]) for c in work.output.columns})


def _dicts(batch: RecordBatch) -> Iterator[Mapping[str, Any]]:
    columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    for number in range(batch.num_rows):
        yield {name: values[number] for name, values in columns.items()}


def _cell(value: object) -> Cell:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
