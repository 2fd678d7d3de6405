"""What steps are carried out by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from databricks_uploader.model.aggregation import AggregateStep, Into
from databricks_uploader.model.steps import Step
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.work import Aggregate, Aggregated, Applied, Looked, Work


@dataclass(frozen=True)
class Lineage:
    """What every row of one claim carries besides its own columns."""

    node_id: str
    incarnation: int
    owner: int
    sequence: int
    claimed_at: datetime


class Steps(Protocol):
    """What filtering and sanitizing is done with."""

    def check(self, steps: Sequence[Step], columns: TableSchema) -> None:
        """Raise ConfigError, with all that is wrong, where steps can't be applied to a table of these columns."""
        ...

    def apply(self, work: Work, typed: str, written: str) -> Applied:
        """Read the file `typed` and write `written`, not durably yet, where a row is left; errors name no value."""
        ...

    def check_aggregate(
        self, number: int, step: AggregateStep, columns: TableSchema, time: str | None, into: Into | None
    ) -> None:
        """Raise ConfigError, with all that is wrong, where the step of that number can't be applied, or not into."""
        ...

    def look(self, work: Aggregate, rows: str) -> Looked:
        """Return the windows that rows of a file are in."""
        ...

    def keys(self, work: Aggregate, rows: str, windows: Sequence[int]) -> Sequence[tuple[int | None, int]]:
        """Return window and key of the rows of some windows, and the keys of rows without a time, in order."""
        ...

    def aggregate(
        self, work: Aggregate, rows: str, windows: Sequence[int], lineage: Lineage, written: str
    ) -> Aggregated:
        """Read the file `rows` and write one row for each group of these windows, not durably yet."""
        ...
