"""What is to be done, by all settings of steps together."""

from collections.abc import Iterator, Mapping
from typing import Any

from databricks_uploader.model.plan import Plan
from databricks_uploader.settings.given import Fault, Given

_ENABLED = {"enable_sanitize": "sanitize_config", "enable_filter": "filter_config"}
_RULES_OF = {**_ENABLED, "enable_aggregate": "aggregate_config"}


def plans(values: Mapping[str, Any]) -> tuple[Plan, ...]:
    """Return what is to be done by settings without faults; without any step, raw rows are loaded."""
    if values["pipelines"]:
        found: tuple[Plan, ...] = values["pipelines"]
        return found
    on = [rules for enable, rules in _ENABLED.items() if values[enable] and values[rules] is not None]
    steps, aggregate = tuple(values[rules] for rules in on), None
    if values["enable_aggregate"] and values["aggregate_config"] is not None:
        on, aggregate = [*on, "aggregate_config"], values["aggregate_config"]
    return (Plan("", steps, None, aggregate, tuple((rules, ()) for rules in on)),)


def step_setting_faults(values: Mapping[str, Any], given: Mapping[str, Given]) -> Iterator[Fault]:
    """Yield the faults of flat settings of steps that don't go together."""
    enabled = [given[name] for name in _RULES_OF if values[name]]
    for other in enabled[1:]:
        first = enabled[0]
        yield Fault(
            other.place,
            f"{other.name} is on, and so is {first.name} ({first.place.label}): at most one step here, several in "
            "pipelines",
        )
    for enable, rules in _RULES_OF.items():
        if values[enable] and rules not in given:
            yield Fault(given[enable].place, f"{enable} is on, and there are no rules: set {rules}")
        if rules in given and enable not in given:
            yield Fault(given[rules].place, f"{rules} has rules, and {enable} does not say whether they count")
    if values["pipelines"]:
        for one in [given[name] for name in (*_RULES_OF, *_RULES_OF.values()) if name in given and values[name]]:
            where = given["pipelines"].place.label
            yield Fault(one.place, f"{one.name} does not go with pipelines ({where}), which have steps of their own")
