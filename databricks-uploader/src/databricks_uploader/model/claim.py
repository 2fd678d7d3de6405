"""Identities and claims: what is recorded of a span from the moment it leaves the source."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from urllib.parse import quote

from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.table import TableSchema

SEQUENCE_BITS = 24
OWNER_BITS = 39  # owner and sequence together fill the 63 bits of a positive BIGINT
DIGEST_BITS = 63


@dataclass(frozen=True)
class Identity:
    """What state and destination know a pipeline by."""

    node_id: str
    source_table: str
    target_table: str

    def __str__(self) -> str:
        """Name the identity in a way that no other identity has: each part percent-encoded."""
        return "/".join(quote(part, safe="") for part in (self.node_id, self.source_table, self.target_table))


@dataclass(frozen=True)
class Span:
    """The source rows with `after` < rowid <= `up_to`; `after` is None where there is no row before."""

    after: int | None
    up_to: int


@dataclass(frozen=True)
class LateSpan:
    """Source rows that came below the cursor, by their rowids; it does not move the cursor."""

    keys: tuple[int, ...]


@dataclass(frozen=True)
class Counts:
    """Rows of one span: every row read is accounted for."""

    read: int
    loaded: int
    waiting: int = 0
    excluded: int = 0
    quarantined: int = 0

    def __post_init__(self) -> None:
        if self.read != self.loaded + self.waiting + self.excluded + self.quarantined:
            raise ValueError(f"rows unaccounted for: {self}")


@dataclass(frozen=True)
class Settled:
    """What became of rows of spans before, which waited in the windows that a claim emits."""

    loaded: int = 0
    quarantined: int = 0
    lost: int = 0
    """Rows that the source has no more, in windows that were never emitted."""

    @property
    def rows(self) -> int:
        """Rows that wait no more."""
        return self.loaded + self.quarantined + self.lost


@dataclass(frozen=True)
class SpoolFile:
    """A finished Parquet file: its name here and at the destination, its bytes and their BLAKE2b-256 digest."""

    name: str
    size: int
    digest: str

    @property
    def digest_number(self) -> int:
        """The first 63 bits of the digest, which fit an application transaction of Delta."""
        return int(self.digest[:16], 16) >> 1


Statistics = Mapping[str, tuple[str | int | float | None, str | int | float | None, int]]
"""Column name → smallest value, largest value (JSON forms of the Delta protocol, None: unknown), NULLs."""


@dataclass(frozen=True)
class Claim:
    """A span frozen into one spool file, recorded durably: from then on these bytes are the span."""

    identity: Identity
    owner: int
    sequence: int
    incarnation: int
    span: Span | LateSpan
    counts: Counts
    file: SpoolFile | None
    """None where no row is to be loaded."""
    columns: TableSchema
    statistics: Statistics
    newest: datetime | None
    claimed_at: datetime
    by_rule: ByRule = field(default_factory=ByRule)
    rules: str | None = None
    """What tells the steps of a secure pipeline from others; None where it is not secure."""
    may_be_out: bool = False
    """Whether it may have left the node."""
    settled: Settled = field(default_factory=Settled)

    @property
    def rows_loaded(self) -> int:
        """Source rows that are in the table once it is loaded: of its own span, and some that waited."""
        return self.counts.loaded + self.settled.loaded

    @property
    def batch_id(self) -> int:
        """The claim's number among all claims of all nodes."""
        return batch_id(self.owner, self.sequence)


@dataclass(frozen=True)
class Head:
    """The newest claim of an identity that a destination holds."""

    owner: int
    sequence: int
    digest_number: int

    @classmethod
    def after(cls, claim: Claim) -> Self:
        """Return the head of a destination that has just loaded `claim`."""
        if claim.file is None:
            raise ValueError(f"claim {claim.sequence} has no file, and so is no head")
        return cls(claim.owner, claim.sequence, claim.file.digest_number)


def batch_id(owner: int, sequence: int) -> int:
    """Return `_batch_id`: unique over nodes and pipelines, growing within an owner."""
    if not 0 <= owner < 1 << OWNER_BITS or not 0 < sequence < 1 << SEQUENCE_BITS:
        raise ValueError(f"owner {owner} or sequence {sequence} out of range")
    return owner << SEQUENCE_BITS | sequence
