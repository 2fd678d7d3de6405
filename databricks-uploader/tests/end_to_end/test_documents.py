"""What the documents show of settings is what the program does."""

import json
import re
from pathlib import Path

import fastjsonschema
import pytest
import yaml
from tests.support import documents, program, values

from databricks_uploader.settings.model import KEYS
from databricks_uploader.settings.resolve import Sources, resolve

FAULTS = list(documents.examples(documents.FAULTS.read_text()))
EXAMPLE = documents.PRODUCT / "databricks-uploader-config.yaml.example"


@pytest.mark.parametrize("example", FAULTS, ids=str)
def test_a_broken_configuration_is_answered_as_the_document_shows(example: documents.Example, tmp_path: Path) -> None:
    shown, codes = documents.played(example, tmp_path)
    assert shown == example.session
    assert codes[-1] in ((0,) if "| sed" in shown else (2,))


def test_the_document_shows_at_least_twenty_five() -> None:
    assert len(FAULTS) >= 25


def test_the_table_of_settings_is_that_of_the_model() -> None:
    text = documents.SETTINGS.read_text()
    assert documents.with_table(text) == text
    assert all(f"`{flag}`" in text for key in KEYS for flag in key.flags)


def test_the_table_of_errors_is_that_of_the_program() -> None:
    text = documents.DATABRICKS.read_text()
    assert documents.with_errors(text) == text


def test_the_tables_of_types_say_what_the_source_gives(tmp_path: Path) -> None:
    text = documents.TYPES.read_text()
    assert values.written_anew(text, tmp_path) == text


def test_the_schema_is_that_of_the_model_and_what_the_command_prints() -> None:
    assert documents.SCHEMA.read_text() == documents.schema_text() == program.run("schema").output


def uncommented() -> str:
    """Return the example file with all its settings."""
    return re.sub(r"^#(?=\w|  )", "", EXAMPLE.read_text(), flags=re.MULTILINE)


def test_the_example_is_valid_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(EXAMPLE.read_text())
    settings = resolve(Sources(config=tmp_path / "config.yaml")).settings()
    assert (settings.sqlite, settings.delta_path) == (tmp_path / "data" / "sensor.db", tmp_path / "lake")


def test_the_example_has_every_setting_and_shows_the_defaults() -> None:
    shown = yaml.safe_load(uncommented())
    assert set(shown) == {key.name for key in KEYS if key.names}
    defaults = {key.name: key.default_text.lower() for key in KEYS if key.default_text is not None}
    assert {name: str(shown[name]).lower() for name in defaults} == defaults


def test_of_the_example_with_all_settings_only_what_is_not_there_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(uncommented())
    environment = {"DATABRICKS_TOKEN": "dapi0123456789", "DATABRICKS_CLIENT_SECRET": "dose0123456789"}
    told = [fault.text for fault in resolve(Sources({}, environment, tmp_path / "config.yaml")).faults]
    files = {text.split()[0] for text in told if not text.endswith("is not available in this version")}
    assert files == {"databricks_config_profile", "databricks_token_file", "sanitize_hash_key_file"}


def test_the_example_with_all_settings_fits_the_schema_and_editors_find_the_schema() -> None:
    check = fastjsonschema.compile(json.loads(documents.schema_text()))
    check(yaml.safe_load(EXAMPLE.read_text()))
    check(yaml.safe_load(uncommented()))
    first = EXAMPLE.read_text().splitlines()[0]
    assert (EXAMPLE.parent / first.removeprefix("# yaml-language-server: $schema=")).is_file()


@pytest.mark.parametrize(
    "text",
    [
        "", "interval: 5", "interval: 5m", "interval: 0.5", "once: 1", "once: yes", "once: 'off'", "node_id: 7",
        "node_id:", "spool_max_bytes: 64 MiB", "spool_max_bytes: ${ROOM}", "sqlite_table_name: 2026",
        "create_tables: on",
    ],
)  # fmt: skip
def test_the_schema_takes_what_the_program_takes(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    assert resolve(Sources({}, {"ROOM": "1GB"}, tmp_path / "config.yaml")).faults == ()
    fastjsonschema.compile(json.loads(documents.schema_text()))(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "intervall: 5", "interval: soon", "interval: [5]", "once: maybe", "spool_max_bytes: 1G", "log_level: loud",
        "node_id: [a]", "filter_config: {a: {'=<': 1}}", "aggregate_config: {group_by: [a]}",
        "sanitize_config: {a: {b: c}}", "pipelines: {}",
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_program_refuses(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    assert [f for f in resolve(Sources({}, {}, tmp_path / "config.yaml")).faults if "not available" not in f.text]
    with pytest.raises(fastjsonschema.JsonSchemaException):
        fastjsonschema.compile(json.loads(documents.schema_text()))(yaml.safe_load(text))
