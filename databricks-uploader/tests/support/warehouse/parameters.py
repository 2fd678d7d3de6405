"""Native parameters: `:name` and `?` become typed literals before the engine sees the statement.

https://docs.databricks.com/sql/language-manual/sql-ref-parameter-marker; the types are those that the connector sends
(databricks/sql/parameters/native.py of databricks-sql-connector 4.9.0).
"""

import re
from collections.abc import Sequence
from typing import Any

from tests.support.warehouse import errors, sqltext

# A colon after a word is a path into a VARIANT, two colons are a cast.
_MARKER = re.compile(r"(?<![\w:]):([A-Za-z_]\w*)|\?")


def bind(sql: str, parameters: Sequence[Any]) -> str:
    """Return `sql` with its markers replaced by the values of `parameters` (TSparkParameter).

    Raises SqlError UNBOUND_SQL_PARAMETER for a marker without a value.
    """
    named = {parameter.name: parameter for parameter in parameters if parameter.name}
    ordinal = iter([parameter for parameter in parameters if not parameter.name])

    def value(marker: re.Match[str]) -> str:
        parameter = named.get(marker[1]) if marker[1] else next(ordinal, None)
        if parameter is None:
            raise errors.UNBOUND_SQL_PARAMETER.error(name=marker[1] or "?")
        return _literal(parameter)

    return sqltext.replaced(sql, _MARKER, value)


def _literal(parameter: Any) -> str:
    if getattr(parameter, "arguments", None):
        raise errors.UNSUPPORTED.error(what=f"a parameter of type {parameter.type}")
    if parameter.type == "VOID" or parameter.value is None or parameter.value.stringValue is None:
        return "NULL"
    text = sqltext.as_literal(parameter.value.stringValue)
    return text if parameter.type == "STRING" else f"CAST({text} AS {parameter.type})"
