"""Scenarios: what a pipeline does to rows decides the prefix of its target table."""

from collections.abc import Sequence
from enum import StrEnum

from databricks_uploader.model.steps import FilterStep, SanitizeStep, Step


class Scenario(StrEnum):
    """What a pipeline's rows are, the strictest last."""

    RAW = "raw"
    FILTERED = "filtered"
    SECURE = "secure"
    AGGREGATED = "aggregated"

    @property
    def prefix(self) -> str:
        """What its target tables' names begin with."""
        return f"{self.value}_"


def scenario_of(steps: Sequence[Step]) -> Scenario:
    """Return the scenario of a pipeline by its strictest step."""
    if any(isinstance(step, SanitizeStep) for step in steps):
        return Scenario.SECURE
    return Scenario.FILTERED if any(isinstance(step, FilterStep) for step in steps) else Scenario.RAW


def routed(scenario: Scenario, name: str) -> str:
    """Return the target table of a scenario; its own prefix is not doubled (compared without case, as tables are)."""
    return name if name.lower().startswith(scenario.prefix) else scenario.prefix + name


def foreign_prefix(scenario: Scenario, name: str) -> str | None:
    """Return a warning where a table's name begins with the prefix of another scenario, which stays part of it."""
    for other in Scenario:
        if other is not scenario and name.lower().startswith(other.prefix):
            return (
                f"the table's name {name!r} begins with {other.prefix}, and this pipeline is {scenario}: rows go into "
                f"{routed(scenario, name)!r}"
            )
    return None
