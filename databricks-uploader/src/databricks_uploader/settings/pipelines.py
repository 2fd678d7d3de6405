"""A list of pipelines as a person writes it."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from databricks_uploader.model.aggregation import AggregateStep
from databricks_uploader.model.plan import Plan, sharing_targets
from databricks_uploader.model.scenario import Scenario
from databricks_uploader.model.steps import Inside, Step
from databricks_uploader.settings import rule_shapes
from databricks_uploader.settings.aggregation import aggregate_step
from databricks_uploader.settings.databricks import TABLE
from databricks_uploader.settings.kinds import Kind, MisfitError, Tree
from databricks_uploader.settings.rules import Reading, filter_step, nearest, sanitize_step

_WORDS = ("name", "scenario", "steps", "target", "filter_config", "sanitize_config", "aggregate_config")
_STEPS: Mapping[str, Callable[[Reading, Tree], Step | AggregateStep | None]] = {
    "filter": filter_step,
    "sanitize": sanitize_step,
    "aggregate": aggregate_step,
}
_OF_SCENARIO = {Scenario.FILTERED: "filter", Scenario.SECURE: "sanitize", Scenario.AGGREGATED: "aggregate"}


def _pipelines(tree: Tree) -> tuple[Plan, ...]:
    reading = Reading()
    if isinstance(tree, str) or not isinstance(tree, Sequence):
        raise MisfitError("takes a list")
    plans = [_plan(reading, one, (number,)) for number, one in enumerate(tree)]
    for number, plan in enumerate(plans):
        if plan is not None and plan.name in [p.name for p in plans[:number] if p is not None]:
            reading.wrong(f"is the name of another pipeline too: {plan.name!r}", (number, "name"))
    found = tuple(plan for plan in plans if plan is not None)
    for other, plan in sharing_targets([plan for plan in found if plan.target is not None], ""):
        text = f"is the target of pipeline {other.name!r} too; each needs a table of its own"
        reading.wrong(text, (plans.index(plan), "target"))
    return reading.finished(found)


def _plan(reading: Reading, tree: Tree, inside: Inside) -> Plan | None:
    before, given = len(reading.misfits), reading.mapping(tree, inside)
    for word in given:
        if word not in _WORDS:
            reading.wrong(f"is no setting of a pipeline{nearest(word, _WORDS)}", (*inside, word))
    name, target = given.get("name"), given.get("target")
    if isinstance(tree, Mapping) and (not isinstance(name, str) or not name.strip()):
        reading.wrong("needs a name: a text", (*inside, "name") if "name" in given else inside)
    if target is not None:
        target = reading.made(lambda: _table(target), (*inside, "target"))
    found, written = _steps(reading, given, inside)
    for where in (where for step, where in zip(found[:-1], written, strict=False) if isinstance(step, AggregateStep)):
        reading.wrong("is not the last step: rows that are aggregated are none of the source's", where)
    if len(reading.misfits) > before:
        return None
    steps = tuple(step for step in found if not isinstance(step, AggregateStep))
    aggregate = next((step for step in found if isinstance(step, AggregateStep)), None)
    return Plan(str(name), steps, target, aggregate, tuple(("pipelines", where) for where in written))


def _table(tree: Tree) -> str:
    try:
        table: str = TABLE.parse(str(tree))
    except MisfitError:
        raise
    except ValueError as error:
        raise ValueError(f"takes {TABLE.expected}") from error
    return table


def _steps(
    reading: Reading, given: Mapping[str, Tree], inside: Inside
) -> tuple[list[Step | AggregateStep], list[Inside]]:
    """Return the steps of a pipeline, and where the rules of each are."""
    listed = [(word, tree, (*inside, "steps", n, word)) for n, word, tree in _listed(reading, given, inside)]
    rules = {word: f"{word}_config" for word in ("filter", "sanitize", "aggregate")}
    of_scenario = _scenario(reading, given, inside)
    if "steps" in given and "scenario" in given:
        reading.wrong("has both steps and scenario: steps tell the scenario", inside)
    if "steps" not in given and "scenario" not in given and given:
        reading.wrong("needs steps, a list, or a scenario", inside)
    for word, name in rules.items():
        if name in given and word != of_scenario:
            reading.wrong(
                f"needs a scenario that has a {word} step; in steps, rules stand with theirs", (*inside, name)
            )
    if of_scenario is not None:
        name = rules[of_scenario]
        if name not in given:
            reading.wrong(f"needs {name}", (*inside, "scenario"))
        else:
            listed.append((of_scenario, given[name], (*inside, name)))
    made = [(_step(reading, word, tree, where), where) for word, tree, where in listed]
    found = [(step, where) for step, where in made if step is not None]
    return [step for step, _ in found], [where for _, where in found]


def _step(reading: Reading, word: str, tree: Tree, inside: Inside) -> Step | AggregateStep | None:
    of_step = Reading()
    step = _STEPS[word](of_step, tree)
    for misfit in of_step.misfits:
        reading.wrong(str(misfit), (*inside, *misfit.inside))
    return step


def _scenario(reading: Reading, given: Mapping[str, Tree], inside: Inside) -> str | None:
    """Return the step of a pipeline's scenario, where it names one that has a step."""
    name = given.get("scenario")
    if name is not None and name not in set(Scenario):
        near = nearest(str(name), [scenario.value for scenario in Scenario]) or f"; there are {', '.join(Scenario)}"
        reading.wrong(f"is no scenario: {name!r}{near}", (*inside, "scenario"))
        return None
    return _OF_SCENARIO.get(Scenario(name)) if isinstance(name, str) else None


def _listed(reading: Reading, given: Mapping[str, Tree], inside: Inside) -> Iterator[tuple[int, str, Tree]]:
    steps = given.get("steps", [])
    if isinstance(steps, str) or not isinstance(steps, Sequence):
        reading.wrong("takes a list of steps", (*inside, "steps"))
        return
    for number, step in enumerate(steps):
        within = (*inside, "steps", number)
        if not isinstance(step, Mapping) or len(step) != 1:
            reading.wrong("takes one step with its rules: {filter: …}, {sanitize: …} or {aggregate: …}", within)
            continue
        ((word, tree),) = step.items()
        if word in _STEPS:
            yield number, word, tree
        else:
            reading.wrong(f"is no step{nearest(word, list(_STEPS))}", (*within, word))


PIPELINES = Kind(
    "JSON", "a list of pipelines", _pipelines, rule_shapes.PIPELINES, structured=True,
    shown=lambda plans: f"({len(plans)} given)",
)  # fmt: skip
