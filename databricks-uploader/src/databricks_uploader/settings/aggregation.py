"""An aggregation as a person writes it; whether it fits the source's columns is seen when that is read."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from databricks_uploader.model.aggregation import AggregateStep, Aggregation, Function
from databricks_uploader.model.steps import Inside
from databricks_uploader.settings import rule_shapes
from databricks_uploader.settings.kinds import DURATION, ZONE, Kind, MisfitError, Tree
from databricks_uploader.settings.rules import Reading, nearest

_WORDS = ("group_by", "aggregations", "allowed_lateness", "timezone")
_FUNCTIONS = [function.value for function in Function]


def aggregate_step(reading: Reading, tree: Tree) -> AggregateStep | None:
    """Return the aggregation that rules ask for; None where something is wrong with them."""
    before, given = len(reading.misfits), reading.mapping(tree, ())
    for name in given:
        if name not in _WORDS:
            reading.wrong(f"is no rule of an aggregation{nearest(name, _WORDS)}", (name,))
    groups = _names(reading, given.get("group_by", []), ("group_by",), "columns and times")
    if isinstance(tree, Mapping) and "aggregations" not in given:
        reading.wrong("needs aggregations: a mapping from column to function", ())
    found = list(_aggregations(reading, given.get("aggregations", {})))
    seconds = _read(reading, DURATION, given, "allowed_lateness", 0.0)
    zone = _read(reading, ZONE, given, "timezone", "UTC")
    if len(reading.misfits) > before:
        return None
    return reading.made(lambda: AggregateStep(tuple(groups), tuple(found), timedelta(seconds=seconds), zone), ())


def _aggregations(reading: Reading, tree: Tree) -> Iterator[Aggregation]:
    for column, wanted in reading.mapping(tree, ("aggregations",)).items():
        inside: Inside = ("aggregations", column)
        alone = isinstance(wanted, str)
        names = [wanted] if isinstance(wanted, str) else _names(reading, wanted, inside, "functions")
        if not names and not alone and isinstance(wanted, Sequence):
            reading.wrong(f"takes at least one of {', '.join(_FUNCTIONS)}", inside)
        for number, name in enumerate(names):
            where = inside if alone else (*inside, number)
            if name in set(Function):
                yield Aggregation(column=column, function=Function(name), inside=where)
            else:
                near = nearest(name, _FUNCTIONS) or f"; there are {', '.join(_FUNCTIONS)}"
                reading.wrong(f"is no function: {name!r}{near}", where)


def _names(reading: Reading, tree: Tree, inside: Inside, what: str) -> Sequence[str]:
    if isinstance(tree, str) or not isinstance(tree, Sequence):
        reading.wrong(f"takes a list of {what}", inside)
        return []
    for number, name in enumerate(tree):
        if not isinstance(name, str):
            reading.wrong(f"takes a name, not {name!r}", (*inside, number))
    return [name for name in tree if isinstance(name, str)]


def _read(reading: Reading, kind: Kind, given: Mapping[str, Tree], name: str, default: Any) -> Any:  # noqa: ANN401  (as Kind.parse)
    if name not in given:
        return default
    try:
        return kind.parse(str(given[name]))
    except MisfitError as error:
        reading.wrong(str(error), (name,))
    except (ValueError, KeyError):
        reading.wrong(f"takes {kind.expected}", (name,))
    return default


def _parse(tree: Tree) -> AggregateStep:
    reading = Reading()
    return reading.finished(aggregate_step(reading, tree))


AGGREGATE = Kind(
    "JSON", "a mapping", _parse, rule_shapes.AGGREGATE, structured=True,
    shown=lambda step: f"({len(step.aggregations)} given)",
)  # fmt: skip
