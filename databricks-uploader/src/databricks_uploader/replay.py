"""Quarantine → claims: rows that could not be loaded are typed anew, and those that fit now are claimed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from databricks_uploader.claiming import claim_of, next_lineage
from databricks_uploader.drift import columns_now
from databricks_uploader.errors import ConfigError, TransientError
from databricks_uploader.events import Claimed, Tell
from databricks_uploader.model.claim import Counts, LateSpan
from databricks_uploader.model.layout import Layout
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.quarantine import Kept, RawValue
from databricks_uploader.model.source import SourceTable
from databricks_uploader.ports import Ports
from databricks_uploader.recognise import newest_is_there


def replay(pipeline: Pipeline, ports: Ports, tell: Tell, ids: Sequence[int] | None) -> tuple[int, int]:
    """Claim rows in quarantine (None: all of the pipeline) that fit by now; return how many did and did not.

    Each claim is of rows of one life of the source table. Rows that do not fit stay where they are.
    """
    if pipeline.aggregate is not None and ports.state.quarantined(pipeline.identity):
        raise ConfigError(
            f"rows of {pipeline.identity.target_table}, which is aggregated, can't be loaded again one by one",
            hint="look at them (quarantine show); discard those that are of no use (quarantine discard)",
        )
    fitting, left = 0, 0
    for kept in _portions(ports.state.kept(pipeline.identity, ids), pipeline.limits.span_bytes):
        loaded = _replayed(pipeline, ports, tell, kept)
        fitting, left = fitting + loaded, left + len(kept) - loaded
    return fitting, left


def _replayed(pipeline: Pipeline, ports: Ports, tell: Tell, kept: Sequence[Kept]) -> int:
    identity = pipeline.identity
    position = ports.state.position(identity)
    if position is None:
        raise ConfigError("the pipeline has not begun yet", hint="start the uploader once")
    table, target = ports.source.table(), ports.destination.table()
    if target is not None and target.id == position.table_id:
        position = replace(position, schema=target.schema)  # whose types may have been changed for these rows
    position, layout = columns_now(pipeline, table, position, ports, tell)
    kept = [*_with_values(kept, table, position, layout, ports)]
    if not kept:
        return 0
    picked = ports.source.again(table, layout.pairs, position, [each.row for each in kept])
    fit = [each for i, each in enumerate(kept) if i not in picked.quarantined]
    if not fit:
        return 0
    lineage = replace(next_lineage(identity, position, ports.clock), incarnation=kept[0].incarnation)
    spooled = ports.spool.write(iter([picked.columns]), layout.work, lineage)
    excluded = spooled.by_rule.rows_excluded
    span = LateSpan(tuple(each.row.key for each in fit if each.row.key is not None))
    counts = Counts(len(fit), len(fit) - excluded, excluded=excluded)
    claim = claim_of(pipeline, lineage, layout, spooled, (span, counts, None))
    after = replace(position, sequence=lineage.sequence)
    standing = Standing(after, ports.state.witnesses(identity), ports.state.seen(identity))
    ports.state.claim(claim, standing, freed=[each.id for each in fit])
    tell(Claimed(claim, more=True))
    return len(fit)


def _with_values(
    kept: Sequence[Kept], table: SourceTable, position: Position, layout: Layout, ports: Ports
) -> Iterator[Kept]:
    """Yield the rows that have their values, or have them in the source still: of this life of it, by their rowids."""
    keys = {each.row.key for each in kept if not each.row.values and each.incarnation == position.incarnation}
    found: Mapping[int, Mapping[str, RawValue]] = {}
    asked = [key for key in keys if key is not None]
    if asked and position.order == "rowid":
        standing = Standing(position, ports.state.witnesses(kept[0].identity))
        newest = [w.key for w in standing.witnesses.rows[-1:]]
        with ports.source.reading(table, layout.pairs, position, newest) as reading:
            if not newest_is_there(standing, reading.look):
                raise TransientError("the source is not as it was", hint="upload first, then replay again")
        found = ports.source.held(table, asked)
    for each in kept:
        if each.row.values:
            yield each
        elif each.row.key is not None and each.row.key in found:
            yield replace(each, row=replace(each.row, values=found[each.row.key]))


def _portions(kept: Iterator[Kept], size: int) -> Iterator[list[Kept]]:
    """Yield rows of one life each, so many at a time that they are about `size` bytes."""
    for _, of_life in groupby(kept, key=lambda each: each.incarnation):
        portion: list[Kept] = []
        for each in of_life:
            portion.append(each)
            if sum(p.row.size for p in portion) >= size or len(portion) >= MOST_ROWS:
                yield portion
                portion = []
        if portion:
            yield portion


MOST_ROWS = 1_000
