"""Quarantine → claims: rows that could not be loaded are typed anew, and those that fit now are claimed.

Rows of an aggregation go back into their windows, which are computed by reading the source: so it must have them still,
and all other rows of their windows.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from databricks_uploader.claiming import claim_of, next_lineage
from databricks_uploader.drift import columns_now
from databricks_uploader.errors import ConfigError, TransientError
from databricks_uploader.events import Claimed, StayApart, Tell
from databricks_uploader.fill_by_time import held
from databricks_uploader.model.claim import Counts, LateSpan
from databricks_uploader.model.layout import Layout
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.quarantine import Kept, QuarantinedRow, RawValue, Replayed
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.touched import Window, of_forgotten, one_by_one, portion, touched
from databricks_uploader.model.witness import Values
from databricks_uploader.model.work import Aggregate
from databricks_uploader.ports import ArrowColumns, Lineage, Ports, Spooled
from databricks_uploader.recognise import newest_is_there
from databricks_uploader.windowing import FORGOTTEN, LACKING, NO_TIME, read_again

MOST_ROWS = 1_000
GONE = "the source has no such row any more"
FORMER = "the source table was made anew or went back since"
UNTOLD = "the source can't be asked for it: VACUUM may have renumbered rows, or it has neither a rowid nor a time"


def replay(pipeline: Pipeline, ports: Ports, tell: Tell, ids: Sequence[int] | None) -> Replayed:
    """Claim rows in quarantine (None: all of the pipeline) that fit by now; tell why others do not.

    Each claim is of rows of one life of the source table. Rows that do not fit stay where they are. Those of an
    aggregation wait in their windows from then on.
    """
    found = Replayed()
    for kept in _portions(ports.state.kept(pipeline.identity, ids), pipeline.limits.span_bytes):
        found = found.plus(_replayed(pipeline, ports, tell, kept))
    for reason, rows in found.left.items():
        tell(StayApart(pipeline.identity, rows, reason))
    return found


@dataclass(frozen=True)
class _Asked:
    """Rows that fit by now, and what they are claimed with."""

    table: SourceTable
    layout: Layout
    standing: Standing
    lineage: Lineage
    fit: Sequence[Kept]
    columns: ArrowColumns

    @property
    def position(self) -> Position:
        return self.standing.position


def _replayed(pipeline: Pipeline, ports: Ports, tell: Tell, kept: Sequence[Kept]) -> Replayed:
    identity = pipeline.identity
    position = ports.state.position(identity)
    if position is None:
        raise ConfigError("the pipeline has not begun yet", hint="start the uploader once")
    table, target = ports.source.table(), ports.destination.table()
    if target is not None and target.id == position.table_id:
        position = replace(position, schema=target.schema)  # whose types may have been changed for these rows
    position, layout = columns_now(pipeline, table, position, ports, tell)
    standing = Standing(position, ports.state.witnesses(identity), ports.state.seen(identity))
    with_values = _with_values if layout.aggregate is None else _as_in_the_source
    there, left = with_values(kept, table, standing, layout, ports)
    if not there:
        return Replayed(left=left)
    picked = ports.source.again(table, layout.pairs, position, [each.row for each in there])
    left.update(_told(*next(iter(row.reasons.items()))) for row in picked.quarantined.values())
    fit = [each for i, each in enumerate(there) if i not in picked.quarantined]
    if not fit:
        return Replayed(left=left)
    lineage = replace(next_lineage(identity, position, ports.clock), incarnation=kept[0].incarnation)
    asked = _Asked(table, layout, standing, lineage, fit, picked.columns)
    if layout.aggregate is not None:
        return _into_windows(asked, layout.aggregate, pipeline, ports, tell).plus(Replayed(left=left))
    spooled = ports.spool.write(iter([picked.columns]), layout.work, lineage)
    excluded = spooled.by_rule.rows_excluded
    _claim(asked, spooled, Counts(len(fit), len(fit) - excluded, excluded=excluded), pipeline, ports, tell)
    return Replayed(len(fit) - excluded, excluded=excluded, left=left)


def _into_windows(asked: _Asked, work: Aggregate, pipeline: Pipeline, ports: Ports, tell: Tell) -> Replayed:
    """Claim rows whose windows can be computed anew: these wait for them as they do for late ones."""
    known = ports.state.windows(pipeline.identity)
    with ports.spool.rows_at_hand(iter([asked.columns]), asked.layout.work, work, asked.lineage) as rows:
        seen, by_rule = rows.looked.seen, rows.by_rule
        placed = rows.keys([one.start for one in seen])
    stay = {one.start: FORGOTTEN for one in of_forgotten(seen, known, asked.position.windows_since)}
    remain = [one for one in seen if one.start not in stay]
    starts = {one.start for one in remain}
    remembered = touched(known, one_by_one(remain, [each for each in placed if each[0] in starts]))
    stay |= dict.fromkeys(_lacking(asked, list(remembered.values()), work, pipeline, ports), LACKING)
    staying = {
        key: NO_TIME if start is None else stay[start] for start, key in placed if start is None or start in stay
    }
    left = Counter(_told(asked.position.witness_columns[0], reason) for reason in staying.values())
    leaving = replace(asked, fit=[each for each in asked.fit if each.row.key not in staying])
    if not leaving.fit:
        return Replayed(left=left)
    waiting = sum(one.rows for one in seen if one.start not in stay)
    counts = Counts(len(leaving.fit), 0, waiting, by_rule.rows_excluded)
    windows = {**known, **{start: window for start, window in remembered.items() if start not in stay}}
    leaving = replace(leaving, standing=replace(asked.standing, windows=windows))
    _claim(leaving, Spooled(None, by_rule=by_rule), counts, pipeline, ports, tell)
    return Replayed(waiting=waiting, excluded=counts.excluded, left=left)


def _claim(asked: _Asked, spooled: Spooled, counts: Counts, pipeline: Pipeline, ports: Ports, tell: Tell) -> None:
    span = LateSpan(tuple(each.row.key for each in asked.fit if each.row.key is not None))
    claim = claim_of(pipeline, asked.lineage, asked.layout, spooled, (span, counts, None))
    after = replace(asked.standing, position=replace(asked.position, sequence=asked.lineage.sequence))
    ports.state.claim(claim, after, (), [each.id for each in asked.fit])
    tell(Claimed(claim, more=True))


def _lacking(
    asked: _Asked, windows: Sequence[Window], work: Aggregate, pipeline: Pipeline, ports: Ports
) -> Iterator[int]:
    """Yield the windows that the source has not all rows of, those that are to come back among them."""
    leaving = {each.row.key for each in asked.fit}
    apart = ports.state.keys_apart(pipeline.identity, asked.position.incarnation)
    apart = [key for key in apart if key not in leaving]
    newest = _newest(asked.table, asked.standing, asked.layout, ports)
    rest = list(windows)
    while rest:
        some = portion(rest, pipeline.limits.span_rows)
        rest = rest[len(some) :]
        ranges = read_again(some, asked.table, asked.position, apart)
        with (
            ports.source.within(asked.table, asked.layout.pairs, asked.position, ranges, newest) as batches,
            ports.spool.rows_at_hand(batches, asked.layout.work, work, asked.lineage) as rows,
        ):
            found = {one.start: one.rows for one in rows.looked.seen}
        yield from (window.start for window in some if window.lacks(found.get(window.start, 0)))


def _newest(table: SourceTable, standing: Standing, layout: Layout, ports: Ports) -> tuple[int, Values] | None:
    """Return the newest witness. Raises TransientError where the source has it no more."""
    newest = [w.key for w in standing.witnesses.rows[-1:]]
    with ports.source.reading(table, layout.pairs, standing.position, newest) as reading:
        if not newest_is_there(standing, reading.look):
            raise TransientError("the source is not as it was", hint="upload first, then replay again")
        return next(iter(reading.look.found.items()), None)


def _with_values(
    kept: Sequence[Kept], table: SourceTable, standing: Standing, layout: Layout, ports: Ports
) -> tuple[list[Kept], Counter[str]]:
    """Return the rows that have their values, or have them in the source still, of this life of it."""
    incarnation = standing.position.incarnation
    asked = [each.row for each in kept if not each.row.values and each.incarnation == incarnation]
    found = _held(asked, table, standing, layout, ports)
    there, left = [], Counter[str]()
    for each in kept:
        told_by = each.row.told_by
        if each.row.values:
            there.append(each)
        elif told_by is not None and told_by in found:
            there.append(replace(each, row=replace(each.row, values=found[told_by])))
        else:
            left[UNTOLD if told_by is None or (each.row.key is None and each.row.time is None) else GONE] += 1
    return there, left


def _held(
    rows: Sequence[QuarantinedRow], table: SourceTable, standing: Standing, layout: Layout, ports: Ports
) -> Mapping[int, Mapping[str, RawValue]]:
    """Return all values of those rows that the source has, by what tells them."""
    keys = [row.told_by for row in rows if row.told_by is not None]
    if not keys:
        return {}
    if standing.position.order == "rowid":
        _newest(table, standing, layout, ports)
        return ports.source.held(table, keys)
    times = sorted({row.time for row in rows if row.time is not None})
    return dict(held(set(keys), [(time, time) for time in times], table, standing.position, ports.source))


def _as_in_the_source(
    kept: Sequence[Kept], table: SourceTable, standing: Standing, layout: Layout, ports: Ports
) -> tuple[list[Kept], Counter[str]]:
    """Return the rows that the source still has, with its values, and why others stay."""
    position = standing.position
    asked = [each.row.key for each in kept if each.row.key is not None]
    found: Mapping[int, Mapping[str, RawValue]] = {}
    if asked and position.order == "rowid":
        _newest(table, standing, layout, ports)
        found = ports.source.held(table, asked)
    there, left = [], Counter[str]()
    for each in kept:
        values = None if each.row.key is None else found.get(each.row.key)
        why = _stays(each, values, position, table)
        if why is not None:
            left[why] += 1
        elif values is not None:
            there.append(replace(each, row=replace(each.row, values=values)))
    return there, left


def _stays(kept: Kept, values: Mapping[str, RawValue] | None, position: Position, table: SourceTable) -> str | None:
    """Return why a row can't go into its window, being asked of the source with that answer; None where it may."""
    time = position.witness_columns[0]
    if kept.incarnation != position.incarnation:
        return FORMER
    if kept.row.key is None or (table.renumbered_by_vacuum and not kept.row.values):
        return UNTOLD
    if values is None or (kept.row.values and kept.row.values.get(time) != values.get(time)):
        return GONE
    return None


def _told(column: str, reason: str) -> str:
    return f"column {column!r} holds {reason}"


def _portions(kept: Iterator[Kept], size: int) -> Iterator[list[Kept]]:
    """Yield rows of one life each, so many at a time that they are about `size` bytes."""
    for _, of_life in groupby(kept, key=lambda each: each.incarnation):
        some: list[Kept] = []
        for each in of_life:
            some.append(each)
            if sum(one.row.size for one in some) >= size or len(some) >= MOST_ROWS:
                yield some
                some = []
        if some:
            yield some
