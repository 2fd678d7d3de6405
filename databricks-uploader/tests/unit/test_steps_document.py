"""docs/steps.md: every row of its tables is carried out, and its YAML is understood."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import yaml
from tests.support import documents, typed_files

from databricks_uploader.model.step_faults import step_faults
from databricks_uploader.model.steps import Hash, SanitizeStep
from databricks_uploader.model.work import Work
from databricks_uploader.settings.hash_key import hash_key
from databricks_uploader.settings.plans import plans
from databricks_uploader.settings.resolve import Sources, resolve
from databricks_uploader.settings.schema import schema
from databricks_uploader.steps.engine import apply

TEXT = (documents.DOCS / "steps.md").read_text()
Json = str | int | float | bool | None
CHECK = fastjsonschema.compile(schema())
KEY = "0123456789abcdef"
_DELTA = {"BIGINT": "long", "TINYINT": "byte"}


def rows(marker: str) -> Iterator[list[str]]:
    """Yield the cells of the table after a marker, without their back-quotes."""
    table = TEXT.partition(f"<!-- {marker} -->\n\n")[2].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip().strip("`") for cell in line.strip("| ").split(" | ")]


def cell(value: Json, kind: str) -> object:
    """Return a value of JSON in a column's type."""
    if isinstance(value, str) and kind.startswith("decimal"):
        return Decimal(value)
    if isinstance(value, str) and kind.startswith("timestamp"):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if isinstance(value, str) and kind == "date" else value


def settled(text: str, folder: Path) -> Mapping[str, Any]:
    """Return what YAML settings mean, which have no fault but that this version has no steps."""
    (folder / "config.yaml").write_text(text)
    CHECK(json.loads(json.dumps(yaml.safe_load(text), default=str)))  # PyYAML makes dates of texts, editors don't
    resolved = resolve(Sources({}, {"SANITIZE_HASH_KEY": KEY}, folder / "config.yaml"))
    assert [f for f in resolved.faults if "is not available" not in f.text] == []
    return resolved.values


@pytest.mark.parametrize(
    ("step", "column", "rule", "cells", "left"),
    [(step, *row) for step in ("filter", "sanitize") for row in rows(f"rules of {step}")],
)
def test_a_rule_does_what_its_row_shows(
    step: str, column: str, rule: str, cells: str, left: str, tmp_path: Path
) -> None:
    values = settled(f"enable_{step}: true\n{step}_config: {{{rule}}}\n", tmp_path)
    (plan,) = plans(values)
    name, _, shown = column.partition(" ")
    kind = _DELTA.get(shown, shown.lower())
    types = {name: kind, "other": "long"}
    before = [{name: cell(value, kind), "other": 1} for value in json.loads(cells)]
    typed_files.write(tmp_path / "typed", types, before)
    assert step_faults(plan.steps, typed_files.schema(types)) == []
    work = Work(plan.steps, typed_files.schema(types), key=hash_key(values))
    apply(work, tmp_path / "typed", tmp_path / "claim")
    found, after = typed_files.read(tmp_path / "claim")
    if left == "withheld":
        assert name not in found
        return
    kind = "string" if found[name] == "string" else kind
    expected = [cell(value, kind) for value in json.loads(left)]
    if any(isinstance(one, Hash) for one in plan.steps[0].rules):
        after = [{name: row[name] and row[name][:16]} for row in after]
    told = [pytest.approx(value) if kind == "float" else value for value in expected]
    assert [row[name] for row in after] == told


@pytest.mark.parametrize(("shown", "value", "text"), list(rows("hashed texts")))
def test_a_hash_is_of_the_text_that_its_row_shows(shown: str, value: str, text: str, tmp_path: Path) -> None:
    kind = _DELTA.get(shown, shown.lower())
    typed_files.write(tmp_path / "typed", {"a": kind}, [{"a": cell(json.loads(value), kind)}])
    key = hash_key({"sanitize_hash_key": None, "sanitize_hash_key_file": key_file(tmp_path)})
    work = Work((SanitizeStep((Hash(column="a"),)),), typed_files.schema({"a": kind}), key=key)
    apply(work, tmp_path / "typed", tmp_path / "claim")
    _, (row,) = typed_files.read(tmp_path / "claim")
    assert row["a"] == hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def key_file(folder: Path) -> Path:
    (folder / "key").write_text(KEY + "\n")
    return folder / "key"


def test_its_pipelines_are_what_it_says(tmp_path: Path) -> None:
    (*_, text) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    found = plans(settled(text, tmp_path))
    assert [(plan.name, plan.target_table("readings"), len(plan.steps)) for plan in found] == [
        ("everything", "raw_readings", 0),
        ("alarms", "alarms", 1),
        ("public", "secure_readings", 2),
    ]
