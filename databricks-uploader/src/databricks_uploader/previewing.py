"""What a pipeline would do to the newest rows; nothing is written but into the spool that is given for it."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arro3.core import RecordBatch
from arro3.io import read_parquet

from databricks_uploader.drift import rules_of
from databricks_uploader.model.layout import Layout, laid_out, made_for
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.position import Position
from databricks_uploader.model.preview import Cell, Preview, PreviewedRow
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.table import ROW
from databricks_uploader.model.times import TimeColumn
from databricks_uploader.model.work import Work
from databricks_uploader.ports import ArrowColumns, Lineage, Ports

NEWEST = 10_000
SHOWN = 5
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
    # Rows are found again by `_row`, which stays the source's here.
    work = replace(layout.work, numbered=False)
    spooled = ports.spool.write(iter(batches), work, _LINEAGE) if batches else None
    if spooled is None:
        return found
    first = batches[0].slice(0, min(SHOWN, batches[0].num_rows))
    after = ports.spool.write(iter([first]), work, _SAMPLED)
    rows = _rows(first, work, None if after.file is None else spool / after.file.name)
    looked_at = sum(batch.num_rows for batch in batches) + quarantined
    return replace(found, looked_at=looked_at, quarantined=quarantined, by_rule=spooled.by_rule, rows=tuple(rows))


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
