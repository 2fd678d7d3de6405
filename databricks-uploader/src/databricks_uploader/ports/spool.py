"""Where finished files wait."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from databricks_uploader.model.claim import Claim, SpoolFile, Statistics
from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.work import Aggregate, Looked, Work
from databricks_uploader.ports.pages import ArrowColumns
from databricks_uploader.ports.steps import Lineage


@dataclass(frozen=True)
class Spooled:
    """What became of the rows of a span."""

    file: SpoolFile | None
    """None where no row is left."""
    statistics: Statistics = field(default_factory=dict)
    by_rule: ByRule = field(default_factory=ByRule)


class RowsAtHand(Protocol):
    """Rows that lie in a file of this node while an aggregation looks at them."""

    @property
    def looked(self) -> Looked:
        """The windows that they are in."""
        ...

    @property
    def by_rule(self) -> ByRule:
        """What steps before did to them."""
        ...

    def keys(self, windows: Sequence[int]) -> Sequence[tuple[int | None, int]]:
        """Return window and key of the rows of some windows, and the keys of rows without a time, in order."""
        ...

    def aggregate(self, windows: Sequence[int]) -> Spooled:
        """Write one file of these windows, durable before this returns; none where they have no row."""
        ...


class Spool(Protocol):
    """Finished Parquet files waiting to be loaded."""

    def write(self, batches: Iterator[ArrowColumns], work: Work, lineage: Lineage) -> Spooled:
        """Do the work on the rows and write one file, durable before this returns; none where no row is left."""
        ...

    def rows_at_hand(
        self, batches: Iterator[ArrowColumns], work: Work, aggregate: Aggregate, lineage: Lineage
    ) -> AbstractContextManager[RowsAtHand]:
        """Do the work on rows and keep them at hand to aggregate them, until the context ends."""
        ...

    def path(self, claim: Claim) -> str:
        """Return where the claim's file lies; StateError where it is gone or damaged."""
        ...

    def discard(self, names: Collection[str]) -> None:
        """Delete files; one that is gone already is fine."""
        ...

    def size(self) -> int:
        """Return the bytes in use."""
        ...
