"""Where a pipeline stands between two claims, and how it moves."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from databricks_uploader.model.claim import Head
from databricks_uploader.model.gaps import LOWEST, Gaps
from databricks_uploader.model.quarantine import Recent
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.times import TimeColumn, Unit
from databricks_uploader.model.touched import Window
from databricks_uploader.model.witness import Recreated, RolledBack, Witness, Witnesses

MOST_FORMER = 8


@dataclass(frozen=True)
class Position:
    """Where a pipeline stands: its owner, its cursor, and what was last seen of its source and target tables."""

    owner: int
    incarnation: int
    cursor: int | None
    sequence: int
    head: Head | None
    table_id: str
    schema: TableSchema
    timestamp_column: str | None
    """The target column that takes the rows' time as TIMESTAMP."""
    witness_columns: tuple[str, ...]
    """Source columns that tell a row from another with its rowid: the rows' time, or else several."""
    timed: bool
    """Whether that column is the rows' time."""
    secret: bytes = field(repr=False)
    """Key of the fingerprints of witnesses."""
    gaps: Gaps = field(default_factory=Gaps)
    counter: int | None = None
    """The source table's AUTOINCREMENT counter at the newest claim."""
    schema_version: int | None = None
    """The source's schema version at the newest claim; VACUUM raises it too."""
    former: tuple[Witness, ...] = ()
    """The newest witness of each of the last lives of the source table before this one."""
    order: Literal["rowid", "time"] = "rowid"
    """What the cursor is of: a rowid, or the time of rows in µs since 1970."""
    floor: int | None = None
    """Where the cursor is a time: rows before this one are not wanted, as they are not remembered one by one."""
    units: Mapping[str, Unit] = field(default_factory=dict)
    """Source column → the unit of its numbers, where it holds times; decided once."""
    recent: Recent = field(default_factory=Recent)
    """Which of the last rows read were quarantined."""
    altered: Mapping[str, int] = field(default_factory=dict)
    """Target column → number of its values that tell less than the source's."""
    source_columns: tuple[str, ...] = ()
    """What the source table's columns were."""
    numbered: bool = False
    """Whether `_row` is not the rowid, as a rule touches it: then the table can't tell where to go on."""
    group_keys: tuple[str, ...] = ()
    """What tells rows of an aggregated table apart; none of another table."""
    windows_since: int | None = None
    """Windows before this time in µs since 1970 are remembered no more, except for those that are in state."""

    @property
    def time_column(self) -> TimeColumn | None:
        """The source column that holds the rows' time."""
        name = self.witness_columns[0] if self.timed else None
        return None if name is None else TimeColumn(name, self.units.get(name))

    def adopted(self, after: int | None, incarnation: int) -> "Standing":
        """Return where to go on after that rowid (None: from the beginning), with whatever database there is."""
        moved = replace(
            self,
            incarnation=incarnation,
            cursor=after,
            gaps=Gaps() if after is None else self.gaps.up_to(after),
            counter=None,
            schema_version=None,
            former=(),
        )
        return Standing(moved, Witnesses(dense_from=LOWEST if after is None else after + 1))

    def restarted(self, witnesses: Witnesses, verdict: Recreated | RolledBack, incarnation: int) -> "Standing":
        """Return where to go on in a source table that began a new life, `incarnation`."""
        former = (*self.former, *witnesses.rows[-1:])[-MOST_FORMER:]
        begun = replace(self, incarnation=incarnation, counter=None, former=former)
        if isinstance(verdict, Recreated):
            return Standing(replace(begun, cursor=None, gaps=Gaps()), Witnesses())
        after = verdict.after
        return Standing(replace(begun, cursor=after, gaps=self.gaps.up_to(after)), witnesses.up_to(after))


@dataclass(frozen=True)
class Standing:
    """A position with the witnesses of the rows that led there."""

    position: Position
    witnesses: Witnesses
    seen: Mapping[int, int] = field(default_factory=dict)
    """Where the cursor is a time: the claimed rows that a look back may meet, fingerprint → time."""
    windows: Mapping[int, Window] | None = None
    """Of an aggregation, the windows by their beginnings; None: as they were."""
