"""The port of steps: rules checked against real columns, and carried out by the engine."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from databricks_uploader.model.step_faults import StepFault, step_faults
from databricks_uploader.model.steps import Step
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.work import Applied, Work
from databricks_uploader.steps.engine import apply
from databricks_uploader.steps.patterns import pattern_faults


@dataclass
class CarriedOut:
    """The steps of one pipeline. `tell_faults` raises ConfigError where there are faults, with their places."""

    tell_faults: Callable[[Iterable[StepFault]], None]
    _fitting: set[tuple[tuple[Step, ...], TableSchema]] = field(default_factory=set, init=False)

    def check(self, steps: Sequence[Step], columns: TableSchema) -> None:
        """Raise ConfigError, with all that is wrong, where steps can't be applied to a table of these columns."""
        asked = (tuple(steps), columns)
        if asked not in self._fitting:
            self.tell_faults([*step_faults(steps, columns), *pattern_faults(steps)])
            self._fitting.add(asked)

    def apply(self, work: Work, typed: str, written: str) -> Applied:
        """Read the file `typed` and write `written`, not durably yet, where a row is left; errors name no value."""
        return apply(work, Path(typed), Path(written))
