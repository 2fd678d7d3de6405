"""What happened, as values; log lines are drawn from them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from databricks_uploader.errors import UploaderError
from databricks_uploader.model.claim import Claim, Identity
from databricks_uploader.model.position import Position
from databricks_uploader.model.quarantine import QuarantinedRow
from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.table import Column


@dataclass(frozen=True)
class Started:
    """A pipeline is about to run for the first time in this process."""

    source: str
    identity: Identity
    target: str
    state: str


@dataclass(frozen=True)
class TableCreated:
    """The target table did not exist and was created."""

    identity: Identity


@dataclass(frozen=True)
class Began:
    """A pipeline's first position was recorded; `rebuilt` from the table, or else at the beginning."""

    identity: Identity
    position: Position
    rebuilt: bool


@dataclass(frozen=True)
class Restarted:
    """The source table began a new life: its rows after `after` (None: all) are new ones."""

    table: str
    after: int | None


@dataclass(frozen=True)
class Changed:
    """Rows that were loaded have another time now, or other values where there is no time: not loaded again."""

    table: str
    rows: int


@dataclass(frozen=True)
class Missed:
    """So many rowids were skipped: their rows were deleted before they were read, or never committed."""

    at_most: int


@dataclass(frozen=True)
class GapsGivenUp:
    """There are more gaps between rowids than are looked at for late rows."""

    identity: Identity


@dataclass(frozen=True)
class Claimed:
    """A span was frozen into a claim; `more`: there may be rows after it."""

    claim: Claim
    more: bool


@dataclass(frozen=True)
class Altered:
    """Values of a target column tell less than the source's: so many at first; told once for each column."""

    identity: Identity
    column: Column
    values: int


@dataclass(frozen=True)
class Quarantined:
    """So many rows of a claim can't be loaded as they are; one of them."""

    identity: Identity
    rows: int
    example: QuarantinedRow


@dataclass(frozen=True)
class StayApart:
    """So many rows in quarantine can't be loaded still, for a reason."""

    identity: Identity
    rows: int
    reason: str


@dataclass(frozen=True)
class WindowsLack:
    """So many windows can't be computed (again): the source has no more all their rows. What became of those left."""

    identity: Identity
    windows: int
    quarantined: int
    lost: int


@dataclass(frozen=True)
class WindowsOpen:
    """A single run leaves windows that are not closed yet: their rows wait until the next run after `closes`."""

    identity: Identity
    windows: int
    rows: int
    closes: datetime


@dataclass(frozen=True)
class ColumnsAdded:
    """Columns that came into the source were added to the target table."""

    identity: Identity
    columns: tuple[str, ...]


@dataclass(frozen=True)
class TakenBack:
    """Rules were changed: so many rows that were claimed by others, and are not out, are read again."""

    identity: Identity
    rows: int


@dataclass(frozen=True)
class Judged:
    """The columns that a secure pipeline lets out, and those that it withholds."""

    identity: Identity
    columns: tuple[str, ...]
    withheld: tuple[str, ...]


@dataclass(frozen=True)
class Loaded:
    """Claims are in the target table for good."""

    identity: Identity
    claims: tuple[Claim, ...]

    @property
    def rows(self) -> int:
        """Rows of all claims."""
        return sum(c.rows_loaded for c in self.claims)

    @property
    def by_rule(self) -> ByRule:
        """What rules did to rows of all claims."""
        return reduce(ByRule.plus, (c.by_rule for c in self.claims), ByRule())


@dataclass(frozen=True)
class CaughtUp:
    """A single run ended with everything loaded; `rows` were, in this run."""

    rows: int


@dataclass(frozen=True)
class Failed:
    """A cycle ended with an error; the next try is in `again_s` seconds, None: never by itself."""

    error: UploaderError
    again_s: float | None


@dataclass(frozen=True)
class Bug:
    """A cycle ended with an error that nobody thought of."""

    error: Exception
    again_s: float | None


@dataclass(frozen=True)
class Busy:
    """A lock of another program keeps us from the source, for `waited_s` seconds so far; it is tried again."""

    path: str
    waited_s: float


@dataclass(frozen=True)
class Waiting:
    """The compute is starting or too busy, for `waited_s` seconds so far; it is tried again."""

    compute: str
    waited_s: float


@dataclass(frozen=True)
class Notice:
    """Something a person should be told once."""

    text: str


@dataclass(frozen=True)
class Discreet:
    """Something that happened to a secure pipeline, to be told without any value of a row."""

    event: "Event"


Event = (
    Started
    | TableCreated
    | Began
    | Restarted
    | Changed
    | Missed
    | GapsGivenUp
    | Claimed
    | Altered
    | Quarantined
    | StayApart
    | WindowsLack
    | WindowsOpen
    | ColumnsAdded
    | TakenBack
    | Judged
    | Loaded
    | CaughtUp
    | Failed
    | Bug
    | Busy
    | Waiting
    | Notice
    | Discreet
)
Tell = Callable[[Event], None]
