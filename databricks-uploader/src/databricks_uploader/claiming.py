"""What a fill, in whichever order it reads rows, makes of them: one file and one claim."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from databricks_uploader import events
from databricks_uploader.events import Quarantined, Tell
from databricks_uploader.model.claim import Claim, Counts, Identity, LateSpan, Span
from databricks_uploader.model.layout import Layout
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.position import Position
from databricks_uploader.model.quarantine import QuarantinedRow, Recent, check_bearable
from databricks_uploader.ports import Altered, Clock, Lineage, Ports, Spooled, Units

ALONE = 8 << 20
"""A page of more bytes, a row or two, is a claim of its own: no other page is in memory beside it."""


def next_lineage(identity: Identity, position: Position, clock: Clock) -> Lineage:
    """Return what every row of the next claim carries."""
    return Lineage(identity.node_id, position.incarnation, position.owner, position.sequence + 1, clock.now())


@dataclass
class Apart:
    """What of a span does not arrive as it is: rows in quarantine, and values that tell less than the source's."""

    recent: Recent
    at_most: int
    held: Callable[[], int]
    """Gives how many rows are in quarantine already."""
    keeps_values: bool
    """Whether rows in quarantine are kept with their values."""
    quarantined: list[QuarantinedRow] = field(default_factory=list)
    altered: Counter[str] = field(default_factory=Counter)
    units: Units = field(default_factory=dict)

    def add(self, rows: int, altered: Altered, quarantined: Mapping[int, QuarantinedRow]) -> None:
        """Take in so many rows read. Raises PermanentError where the configuration must be wrong."""
        self.altered.update(altered)
        self.recent = self.recent.after(rows, tuple(quarantined))
        if quarantined:
            self.quarantined += [row if self.keeps_values else replace(row, values={}) for row in quarantined.values()]
            held = self.held() + len(self.quarantined)
            check_bearable(self.recent, held, self.at_most, self.quarantined[-1])

    def also(self, rows: Sequence[QuarantinedRow]) -> None:
        """Set apart rows that are seen later not to have a place. Raises PermanentError where there are too many."""
        if rows:
            self.quarantined += rows
            check_bearable(self.recent, self.held() + len(self.quarantined), self.at_most, rows[-1])

    def counts(self, rows: int, spooled: Spooled, waiting: int = 0) -> Counts:
        """Return the counts of the span, of which so many rows were read, and so many wait."""
        quarantined, excluded = len(self.quarantined), spooled.by_rule.rows_excluded
        loaded = rows - quarantined - excluded - waiting
        return Counts(read=rows, loaded=loaded, waiting=waiting, excluded=excluded, quarantined=quarantined)

    def position(self, position: Position) -> Position:
        """Return the position with what was met on the way."""
        altered = Counter(position.altered) + self.altered
        return replace(position, recent=self.recent, units={**position.units, **self.units}, altered=dict(altered))

    def told(self, claim: Claim, before: Position, tell: Tell) -> None:
        """Tell of rows in quarantine, and of altered values of each column once."""
        for name, count in self.altered.items():
            column = claim.columns.get(name)
            if name not in before.altered and column is not None:
                tell(events.Altered(claim.identity, column, count))
        if self.quarantined:
            tell(Quarantined(claim.identity, len(self.quarantined), self.quarantined[0]))


def apart(pipeline: Pipeline, position: Position, ports: Ports) -> Apart:
    """Begin a span."""
    held = partial(ports.state.quarantined, pipeline.identity)
    return Apart(position.recent, pipeline.limits.quarantine_rows, held, pipeline.keeps_values)


def claim_of(
    pipeline: Pipeline,
    lineage: Lineage,
    layout: Layout,
    spooled: Spooled,
    read: tuple[Span | LateSpan, Counts, datetime | None],
) -> Claim:
    """Return the claim of what was spooled: the span, its rows, and the latest time among those read."""
    span, counts, newest = read
    if layout.aggregate is None and (spooled.file is None) != (counts.loaded == 0):
        raise RuntimeError(f"{counts.loaded} rows to load, and {'no' if spooled.file is None else 'a'} file")
    return Claim(
        identity=pipeline.identity,
        owner=lineage.owner,
        sequence=lineage.sequence,
        incarnation=lineage.incarnation,
        span=span,
        counts=counts,
        file=spooled.file,
        columns=layout.output,
        statistics=spooled.statistics,
        newest=_newest_written(layout, spooled) if layout.work.steps else newest,
        claimed_at=lineage.claimed_at,
        by_rule=spooled.by_rule,
        rules=pipeline.rules,
    )


def _newest_written(layout: Layout, spooled: Spooled) -> datetime | None:
    """Return the latest time as steps left it: what they took away is told nowhere."""
    if layout.time is None or layout.time not in spooled.statistics:
        return None
    _, newest, _ = spooled.statistics[layout.time]
    return datetime.fromisoformat(newest) if isinstance(newest, str) else None
