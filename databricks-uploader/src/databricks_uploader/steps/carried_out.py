"""The port of steps: rules checked against real columns, and carried out by the engine."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from databricks_uploader.model.aggregation import AggregateStep, Into
from databricks_uploader.model.aggregation_faults import aggregate_faults, table_faults
from databricks_uploader.model.step_faults import StepFault, step_faults
from databricks_uploader.model.steps import Step
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.work import Aggregate, Aggregated, Applied, Looked, Work
from databricks_uploader.ports import Lineage
from databricks_uploader.steps import aggregating
from databricks_uploader.steps.engine import apply
from databricks_uploader.steps.patterns import pattern_faults


@dataclass
class CarriedOut:
    """The steps of one pipeline. `tell_faults` raises ConfigError where there are faults, with their places."""

    tell_faults: Callable[[Iterable[StepFault]], None]
    _fitting: set[tuple[tuple[Step, ...], TableSchema]] = field(default_factory=set, init=False)
    _aggregable: set[tuple[AggregateStep, TableSchema, str | None, Into | None]] = field(
        default_factory=set, init=False
    )

    def check(self, steps: Sequence[Step], columns: TableSchema) -> None:
        """Raise ConfigError, with all that is wrong, where steps can't be applied to a table of these columns."""
        asked = (tuple(steps), columns)
        if asked not in self._fitting:
            self.tell_faults([*step_faults(steps, columns), *pattern_faults(steps)])
            self._fitting.add(asked)

    def apply(self, work: Work, typed: str, written: str) -> Applied:
        """Read the file `typed` and write `written`, not durably yet, where a row is left; errors name no value."""
        return apply(work, Path(typed), Path(written))

    def check_aggregate(
        self, number: int, step: AggregateStep, columns: TableSchema, time: str | None, into: Into | None
    ) -> None:
        """Raise ConfigError, with all that is wrong, where the step of that number can't be applied, or not into."""
        asked = (step, columns, time, into)
        if asked in self._aggregable:
            return
        faults = aggregate_faults(step, columns, time)
        if not faults and into is not None:
            faults = table_faults(step, columns, into.table, into.keys or None)
        self.tell_faults([StepFault(number, inside, text) for inside, text in faults])
        self._aggregable.add(asked)

    def look(self, work: Aggregate, rows: str) -> Looked:
        """Return the windows that rows of a file are in."""
        return aggregating.look(work, [Path(rows)])

    def keys(self, work: Aggregate, rows: str, windows: Sequence[int]) -> Sequence[tuple[int | None, int]]:
        """Return window and key of the rows of some windows, and the keys of rows without a time, in order."""
        return aggregating.keys(work, [Path(rows)], windows)

    def aggregate(
        self, work: Aggregate, rows: str, windows: Sequence[int], lineage: Lineage, written: str
    ) -> Aggregated:
        """Read the file `rows` and write one row for each group of these windows, not durably yet."""
        return aggregating.aggregate(work, [Path(rows)], windows, lineage, Path(written))
