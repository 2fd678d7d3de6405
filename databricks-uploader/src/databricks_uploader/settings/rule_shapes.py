"""The shapes of rules and of pipelines in JSON Schema; what they say of values, the parsers say in words."""

from collections.abc import Mapping
from typing import Any

from databricks_uploader.model.aggregation import Function
from databricks_uploader.model.scenario import Scenario
from databricks_uploader.model.steps import LONGEST_FRACTION, Operator, TimeUnit
from databricks_uploader.settings.kinds import DURATION

Shape = Mapping[str, Any]
_VALUE: Shape = {"type": ["string", "number", "boolean"]}
_NAMES: Shape = {"type": "array", "items": {"type": "string"}}
_SOME: Shape = {"type": "array", "items": _VALUE, "minItems": 1}


def _object(properties: Shape, **more: object) -> Shape:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def _only(word: str, shape: Shape) -> Shape:
    return _object({word: shape}, required=[word])


_COLUMN_RULE: Shape = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        _object(
            {"replace_value": _VALUE, "with_value": {"type": ["string", "number", "boolean", "null"]}},
            required=["replace_value", "with_value"],
        ),
        _only("hash", {"const": True}),
        _only("mask", _only("keep_last", {"type": "integer", "minimum": 0})),
        _only("redact", {"type": "string"}),
        _only("drop", {"const": True}),
        _only("round", {"type": "integer", "minimum": 0, "maximum": LONGEST_FRACTION}),
        _only("truncate_time", {"enum": [unit.value for unit in TimeUnit]}),
    ]
}
_OPERATIONS: Shape = {
    **{operator.value: _VALUE for operator in Operator},
    "==": _VALUE,
    "in": _SOME,
    "not_in": _SOME,
    "between": {"type": "array", "items": _VALUE, "minItems": 2, "maxItems": 2},
    "is_null": {"type": "boolean"},
}
FILTER: Shape = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"anyOf": [_VALUE, {**_object(_OPERATIONS), "minProperties": 1}]},
}
SANITIZE: Shape = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        "remove_nulls": _NAMES,
        "replace_values": {"type": "object", "additionalProperties": {"type": "object", "minProperties": 1}},
        "columns": {"type": "object", "additionalProperties": _COLUMN_RULE},
        "allow": {**_NAMES, "minItems": 1},
    },
    "additionalProperties": _COLUMN_RULE,
}
_FUNCTION: Shape = {"enum": [function.value for function in Function]}
AGGREGATE: Shape = _object(
    {
        "group_by": _NAMES,
        "aggregations": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"anyOf": [_FUNCTION, {"type": "array", "items": _FUNCTION, "minItems": 1}]},
        },
        "allowed_lateness": DURATION.schema,
        "timezone": {"type": "string"},
    },
    required=["aggregations"],
)
_STEP: Shape = {"anyOf": [_only("filter", FILTER), _only("sanitize", SANITIZE), _only("aggregate", AGGREGATE)]}
PIPELINES: Shape = {
    "type": "array",
    "items": _object(
        {
            "name": {"type": "string", "minLength": 1},
            "scenario": {"enum": [scenario.value for scenario in Scenario]},
            "steps": {"type": "array", "items": _STEP},
            "target": {"type": "string", "minLength": 1},
            "filter_config": FILTER,
            "sanitize_config": SANITIZE,
            "aggregate_config": AGGREGATE,
        },
        required=["name"],
    ),
}
