"""The YAML file's shape as a JSON Schema, for editors and machines."""

from typing import Any

from databricks_uploader.settings.model import KEYS, Key

FILE_NAME = "databricks-uploader-config.schema.json"


def schema() -> dict[str, Any]:
    """Return a JSON Schema (draft-07, which editors know best) of the YAML file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of databricks-uploader",
        "type": ["object", "null"],
        "properties": {name: _property(key, name) for key in KEYS for name in key.names},
        "additionalProperties": False,
    }


def _property(key: Key, name: str) -> dict[str, Any]:
    meaning = key.help if name == key.name else f"The same as {key.name}."
    later = "" if key.available else " Not available in this version."
    default = {} if key.default_text is None else {"default": _plain(key)}
    # ${NAME} may stand for every value, and a key without a value for one that is not set.
    reference = {"type": ["string", "null"], "pattern": r"\$\{"}
    return {"description": meaning + later, **default, "anyOf": [dict(key.kind.schema), reference]}


def _plain(key: Key) -> object:
    return key.default if isinstance(key.default, bool) else key.default_text
