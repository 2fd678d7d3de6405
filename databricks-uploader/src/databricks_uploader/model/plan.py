"""Plans: pipelines as a person asked for them, before their source table is known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from databricks_uploader.model.aggregation import AggregateStep
from databricks_uploader.model.scenario import Scenario, foreign_prefix, routed, scenario_of
from databricks_uploader.model.steps import Inside, Step, is_secure


@dataclass(frozen=True)
class Plan:
    """What one pipeline does, and where its rows go."""

    name: str
    """'' where it is the only one, of the flat settings."""
    steps: tuple[Step, ...] = ()
    target: str | None = None
    """The target table, verbatim; None: by scenario."""
    aggregate: AggregateStep | None = None
    """What becomes of rows after the steps."""
    written: tuple[tuple[str, Inside], ...] = field(default=(), compare=False)
    """Of each step, the aggregation last, the setting that holds its rules, and where in it."""

    @property
    def scenario(self) -> Scenario:
        """What its rows are."""
        return Scenario.AGGREGATED if self.aggregate is not None else scenario_of(self.steps)

    @property
    def secure(self) -> bool:
        """Whether it is a secure pipeline."""
        return is_secure(self.steps)

    def target_table(self, base: str) -> str:
        """Return its target table; `base` is the configured table, or else the source table's name."""
        return routed(self.scenario, base) if self.target is None else self.target

    def warning(self, base: str) -> str | None:
        """Return what should be told of that name, where something should."""
        return foreign_prefix(self.scenario, base) if self.target is None else None


def sharing_targets(plans: Sequence[Plan], base: str) -> Iterator[tuple[Plan, Plan]]:
    """Yield the plans whose target table another one before has, compared without case."""
    first: dict[str, Plan] = {}
    for plan in plans:
        other = first.setdefault(plan.target_table(base).casefold(), plan)
        if other is not plan:
            yield other, plan
