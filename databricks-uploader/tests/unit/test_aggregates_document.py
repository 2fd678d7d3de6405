"""docs/aggregates.md: every row of its table is carried out, its YAML is understood, its query has what it asks for."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fastjsonschema
import pytest
import yaml
from tests.support import documents, typed_files
from tests.unit.test_steps_document import cell

from databricks_uploader.model.aggregation import AggregateStep, Aggregation, Function
from databricks_uploader.model.work import Aggregate
from databricks_uploader.settings.resolve import Sources, resolve
from databricks_uploader.settings.schema import schema
from databricks_uploader.steps.aggregating import aggregate, look

TEXT = (documents.DOCS / "aggregates.md").read_text()
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
_LINES = TEXT.partition("<!-- functions -->\n\n")[2].partition("\n\n")[0].splitlines()[2:]
ROWS = [[one.strip().strip("`") for one in line.strip("| ").split(" | ")] for line in _LINES]


@pytest.mark.parametrize(("column", "function", "cells", "result", "made"), ROWS)
def test_a_function_gives_what_its_row_shows(
    column: str, function: str, cells: str, result: str, made: str, tmp_path: Path
) -> None:
    name, _, shown = column.partition(" ")
    kind = {"BIGINT": "long"}.get(shown, shown.lower())
    types = {name: kind, "seen": "timestamp"}
    rows = [
        {name: float(value) if kind == "double" and value is not None else cell(value, kind),
         "seen": NOON + timedelta(minutes=number)}
        for number, value in enumerate(json.loads(cells))
    ]  # fmt: skip
    typed_files.write(tmp_path / "typed", types, rows)
    step = AggregateStep((), (Aggregation(column=name, function=Function(function)),))
    columns = typed_files.schema(types)
    (_, written) = step.output(columns).columns
    assert f"{written.name} {written.sql_type}" == made
    work = Aggregate(step, columns, "seen", step.output(columns))
    (seen,) = look(work, [tmp_path / "typed"]).seen
    aggregate(work, [tmp_path / "typed"], [seen.start], typed_files.LINEAGE, tmp_path / "claim")
    _, (row,) = typed_files.read(tmp_path / "claim")
    assert row[written.name] == cell(json.loads(result), written.type)


def test_its_settings_are_understood_and_make_the_columns_of_its_query(tmp_path: Path) -> None:
    text, _ = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    fastjsonschema.compile(schema())(yaml.safe_load(text))
    (tmp_path / "config.yaml").write_text(text)
    resolved = resolve(Sources({}, {}, tmp_path / "config.yaml"))
    assert [fault.text for fault in resolved.faults if "is not available" not in fault.text] == []
    step = resolved.values["aggregate_config"]
    types = {"device_id": "string", "temperature": "double", "humidity": "double", "seen": "timestamp"}
    names = [column.name for column in step.output(typed_files.schema(types)).columns]
    assert names == ["device_id", "hour", "avg_temperature", "min_humidity", "max_humidity", "reading_count"]
    (query,) = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
    asked = set(re.findall(r"\((\w+)", query)) - {"avg_temperature"}
    assert asked <= {*names, "count_temperature"}
