"""Rows that lie in a file of this node while an aggregation looks at them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from databricks_uploader import durable
from databricks_uploader.model.claim import SpoolFile
from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.work import Aggregate, Looked
from databricks_uploader.ports import Lineage, Spooled, Steps


@dataclass(frozen=True)
class RowsInFile:
    """Rows in `file`; None where no row is left."""

    file: Path | None
    looked: Looked
    by_rule: ByRule
    work: Aggregate
    lineage: Lineage
    steps: Steps
    draft: Path
    spooled: Callable[[Path], SpoolFile]
    """Gives a finished file its name in the spool."""

    def keys(self, windows: Sequence[int]) -> Sequence[tuple[int | None, int]]:
        """Return window and key of the rows of some windows, and the keys of rows without a time, in order."""
        return [] if self.file is None else self.steps.keys(self.work, str(self.file), windows)

    def aggregate(self, windows: Sequence[int]) -> Spooled:
        """Write one file of these windows, durable before this returns; none where they have no row."""
        if self.file is None:
            return Spooled(None)
        with durable.translated(f"can't write the spool file {self.draft}"):
            done = self.steps.aggregate(self.work, str(self.file), windows, self.lineage, str(self.draft))
            if not done.rows:
                return Spooled(None)
            return Spooled(self.spooled(self.draft), done.statistics)
