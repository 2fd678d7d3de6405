"""The statistics that DuckDB returns of a file it wrote, in the forms of the Delta protocol."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime

from databricks_uploader.model.claim import Statistics
from databricks_uploader.model.column_kinds import Kind, exact, kind_of
from databricks_uploader.model.table import LINEAGE, TableSchema
from databricks_uploader.steps.expressions import quoted

_Value = str | int | float | None


def statistics_of(columns: TableSchema, returned: Mapping[str, Mapping[str, str]]) -> Statistics:
    """Return smallest value, largest value and NULLs of a file's columns, by name.

    `returned` is the column_statistics of COPY … RETURN_STATS: texts, by quoted name. Text, bytes and decimals have
    no smallest and largest value here.
    """
    found = {}
    for column in (*columns.columns, *LINEAGE.columns):
        texts = returned[quoted(column.name)]
        known = texts.get("has_nan") != "true"
        low = _value(texts, "min", column.type) if known else None
        high = _value(texts, "max", column.type) if known else None
        found[column.name] = (low, high, int(texts["null_count"]))
    return found


def _value(texts: Mapping[str, str], name: str, delta_type: str) -> _Value:
    text = texts.get(name)
    if text is None or texts.get(f"{name}_is_exact") != "true":
        return None
    try:
        return _read(text, delta_type)
    except (ValueError, OverflowError):  # a time that Python can't hold
        return None


def _read(text: str, delta_type: str) -> _Value:
    kind = kind_of(delta_type)
    if kind is Kind.EXACT and exact(delta_type).whole_numbers:
        return int(text)
    if delta_type == "double":
        return float(text) if math.isfinite(float(text)) else None
    if kind is Kind.DATE:
        return date.fromisoformat(text).isoformat()
    if kind is Kind.INSTANT:
        time = datetime.fromisoformat(text).astimezone(UTC)
        return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return None
