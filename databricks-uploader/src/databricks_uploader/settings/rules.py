"""The shape of the steps' rules and of pipelines; whether they fit the source's columns is seen when it is read."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from databricks_uploader.settings.kinds import Kind, MisfitError, Tree

OPERATORS = ("=", "==", "!=", ">", ">=", "<", "<=", "in", "not_in", "between", "is_null")
_Inside = tuple[str | int, ...]


def nearest(word: str, words: Sequence[str]) -> str:
    """Return the words ', did you mean …?' where one of `words` is near, else nothing."""
    close = get_close_matches(word, words, n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _mapping(tree: Tree, inside: _Inside = ()) -> Mapping[str, Tree]:
    if not isinstance(tree, Mapping):
        raise MisfitError("takes a mapping", inside)
    return tree


def _list(tree: Tree, inside: _Inside) -> Sequence[Tree]:
    if isinstance(tree, str) or not isinstance(tree, Sequence):
        raise MisfitError("takes a list", inside)
    return tree


def _names(tree: Tree, inside: _Inside) -> None:
    for name in _list(tree, inside):
        if not isinstance(name, str):
            raise MisfitError(f"takes names, not {name!r}", inside)


def _cell(tree: Tree, inside: _Inside) -> None:
    if isinstance(tree, (Mapping, Sequence)) and not isinstance(tree, str):
        raise MisfitError("takes one value", inside)


def _filter(tree: Tree) -> Mapping[str, Tree]:
    for column, condition in _mapping(tree).items():
        if isinstance(condition, Mapping):
            for operator, value in condition.items():
                _condition(operator, value, (column, operator))
        else:
            _cell(condition, (column,))
    return _mapping(tree)


def _condition(operator: str, value: Tree, inside: _Inside) -> None:
    if operator not in OPERATORS:
        raise MisfitError(f"is no operator; there are {' '.join(OPERATORS)}", inside)
    if operator in ("in", "not_in", "between"):
        values = _list(value, inside)
        if operator == "between" and len(values) != 2:  # noqa: PLR2004  (lower and upper bound)
            raise MisfitError("takes a list of two values", inside)
    elif operator == "is_null" and not isinstance(value, bool):
        raise MisfitError("takes true or false", inside)
    else:
        _cell(value, inside)


def _sanitize(tree: Tree) -> Mapping[str, Tree]:
    for name, rule in _mapping(tree).items():
        _SANITIZE_WORDS.get(name, _column_rule)(rule, (name,))
    return _mapping(tree)


def _column_rule(rule: Tree, inside: _Inside) -> None:
    if isinstance(rule, Mapping):
        wrong = set(rule) ^ {"replace_value", "with_value"}
        if wrong:
            raise MisfitError("takes a pattern, or replace_value and with_value", inside)
    elif not isinstance(rule, str):
        raise MisfitError(f"takes a pattern, not {rule!r}", inside)


def _column_rules(tree: Tree, inside: _Inside) -> None:
    for name, rule in _mapping(tree, inside).items():
        _column_rule(rule, (*inside, name))


def _replacements(tree: Tree, inside: _Inside) -> None:
    for column, values in _mapping(tree, inside).items():
        for value, replacement in _mapping(values, (*inside, column)).items():
            _cell(replacement, (*inside, column, value))


_SANITIZE_WORDS: Mapping[str, Callable[[Tree, _Inside], None]] = {
    "remove_nulls": _names,
    "replace_values": _replacements,
    "columns": _column_rules,
}


def _aggregate(tree: Tree) -> Mapping[str, Tree]:
    rules = _mapping(tree)
    words = ("group_by", "aggregations")
    for name in rules:
        if name not in words:
            raise MisfitError(f"is no rule of an aggregation{nearest(name, words)}", (name,))
    _names(rules.get("group_by", []), ("group_by",))
    if "aggregations" not in rules:
        raise MisfitError("needs aggregations: a mapping from column to function")
    for column, functions in _mapping(rules["aggregations"], ("aggregations",)).items():
        inside = ("aggregations", column)
        _names([functions] if isinstance(functions, str) else functions, inside)
    return rules


def _pipelines(tree: Tree) -> Sequence[Tree]:
    pipelines = _list(tree, ())
    for number, pipeline in enumerate(pipelines):
        _mapping(pipeline, (number,))
    return pipelines


_NAMES = {"type": "array", "items": {"type": "string"}}
_COLUMN_RULE = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"replace_value": {}, "with_value": {}},
            "required": ["replace_value", "with_value"],
            "additionalProperties": False,
        },
    ]
}
_COLUMN_RULES = {"type": "object", "additionalProperties": _COLUMN_RULE}
_VALUE = {"type": ["string", "number", "boolean", "null"]}
_OPERATIONS: Mapping[str, Any] = {
    **dict.fromkeys(OPERATORS, _VALUE),
    "in": {"type": "array"},
    "not_in": {"type": "array"},
    "between": {"type": "array", "minItems": 2, "maxItems": 2},
    "is_null": {"type": "boolean"},
}


def _rules(parse: Callable[[Any], Any], schema: Mapping[str, Any], expected: str = "a mapping") -> Kind:
    return Kind("JSON", expected, parse, schema, structured=True, shown=lambda tree: f"({len(tree)} given)")


FILTER = _rules(
    _filter,
    {
        "type": "object",
        "additionalProperties": {
            "anyOf": [_VALUE, {"type": "object", "properties": _OPERATIONS, "additionalProperties": False}]
        },
    },
)
SANITIZE = _rules(
    _sanitize,
    {
        "type": "object",
        "properties": {
            "remove_nulls": _NAMES,
            "replace_values": {"type": "object", "additionalProperties": {"type": "object"}},
            "columns": _COLUMN_RULES,
        },
        "additionalProperties": _COLUMN_RULE,
    },
)
AGGREGATE = _rules(
    _aggregate,
    {
        "type": "object",
        "properties": {
            "group_by": _NAMES,
            "aggregations": {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, _NAMES]}},
        },
        "required": ["aggregations"],
        "additionalProperties": False,
    },
)
PIPELINES = _rules(_pipelines, {"type": "array", "items": {"type": "object"}}, "a list of pipelines")
