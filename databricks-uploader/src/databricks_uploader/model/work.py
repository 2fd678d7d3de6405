"""What is to be done to typed files of one shape, and what became of one."""

from dataclasses import dataclass, field

from databricks_uploader.model.aggregation import AggregateStep
from databricks_uploader.model.claim import Statistics
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.step_columns import output
from databricks_uploader.model.step_counts import StepCounts
from databricks_uploader.model.steps import Step
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.touched import Seen
from databricks_uploader.model.windows import Grid


@dataclass(frozen=True)
class Work:
    """What is to be done to typed files of one shape; without steps, nothing is."""

    steps: tuple[Step, ...]
    columns: TableSchema
    """The file's own columns; the lineage columns come after them."""
    judged: frozenset[str] | None = None
    """The columns that may leave; None: all."""
    numbered: bool = False
    """Whether `_row` becomes the row's ordinal in what is written, since a rule touches the source's key."""
    key: Secret | None = None
    """The key of `hash`."""

    @property
    def output(self) -> TableSchema:
        """What the written file holds besides the lineage columns."""
        return output(self.steps, self.columns, self.judged)


@dataclass(frozen=True)
class Applied:
    """What became of a typed file."""

    counts: StepCounts
    statistics: Statistics = field(default_factory=dict)
    """Of the written file's columns, the lineage columns among them; empty where no row was left to write."""


@dataclass(frozen=True)
class Aggregate:
    """What is to be done to files of one shape so that their rows become one for each window and group."""

    step: AggregateStep
    columns: TableSchema
    """The files' own columns; the lineage columns come after them, `_row` among them the key of rows."""
    time: str
    """The column of the rows' time."""
    output: TableSchema
    """What is written besides the lineage columns: keys and values with the types of the target table."""
    by_time: bool = False
    """Whether the cursor is a time: then `_row` tells rows apart, and not which of two of the same time is first."""

    @property
    def grid(self) -> Grid:
        """The windows."""
        return Grid.of(self.step)


@dataclass(frozen=True)
class Looked:
    """The windows that rows of some files are in, in order, and how many rows have no time."""

    seen: tuple[Seen, ...] = ()
    untimed: int = 0


@dataclass(frozen=True)
class Aggregated:
    """Rows written, one for each window and group, and the statistics of the file's columns."""

    rows: int
    statistics: Statistics
