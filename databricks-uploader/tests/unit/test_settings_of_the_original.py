"""Every key, variable, flag and example of the original works here, or fails with what the reader must replace."""

from pathlib import Path

import pytest

from databricks_uploader.model.aggregation import AggregateStep, Aggregation, Function
from databricks_uploader.model.steps import (
    Condition,
    FilterStep,
    Operator,
    Pattern,
    RemoveNulls,
    Replacement,
    SanitizeStep,
)
from databricks_uploader.settings.model import FLAGS, NAMES, VARIABLES
from databricks_uploader.settings.resolve import Resolved, Sources, resolve

SANITIZE = SanitizeStep(
    (
        Pattern(column="column_to_clean", pattern="pattern_to_remove"),
        Replacement(column="another_column", pairs=(("X", "Y"),)),
    )
)
SANITIZE_JSON = '{"column_to_clean": "pattern_to_remove", "another_column": {"replace_value": "X", "with_value": "Y"}}'
FILTER = FilterStep(
    (
        Condition(column="numeric_column", operator=Operator.GREATER, values=(100,)),
        Condition(column="numeric_column", operator=Operator.AT_MOST, values=(200,)),
        Condition(column="string_column_equals", operator=Operator.EQUAL, values=("active_value",)),
    )
)
FILTER_JSON = '{"numeric_column": {">": 100, "<=": 200}, "string_column_equals": "active_value"}'


def aggregate(time: str, rows: str) -> AggregateStep:
    """Return what both examples of an aggregation ask for, but for their time and their name of rows."""
    return AggregateStep(
        ("device_id", time),
        (
            Aggregation(column="temperature", function=Function.AVG),
            Aggregation(column="humidity", function=Function.MAX),
            Aggregation(column=rows, function=Function.COUNT),
        ),
    )


AGGREGATE_JSON = (
    '{"group_by": ["device_id", "hour_of_day"], '
    '"aggregations": {"temperature": "avg", "humidity": "max", "records": "count"}}'
)

# key of our model, text, what it means here (as text, where that is not the text itself)
VARIABLES_OF_THE_ORIGINAL = [
    ("DATABRICKS_HOST", "databricks_host", "adb-1234567890123456.7.azuredatabricks.net", None),
    ("DATABRICKS_HTTP_PATH", "databricks_http_path", "/sql/1.0/warehouses/abcdef1234567890",
     "/sql/1.0/warehouses/abcdef1234567890 (SQL warehouse)"),
    ("DATABRICKS_TOKEN", "databricks_token", "dapi0123456789abcdef0123456789abcdef", "********"),
    ("DATABRICKS_DATABASE", "databricks_database", "bronze_layer", "`bronze_layer`"),
    ("DATABRICKS_DATABASE", "databricks_database", "default", "`default`"),
    ("DATABRICKS_DATABASE", "databricks_database", "main.sensordata", "`main`.`sensordata`"),
    ("DATABRICKS_DATABASE", "databricks_database", "dev_catalog.bronze_data", "`dev_catalog`.`bronze_data`"),
    ("DATABRICKS_TABLE", "databricks_table", "raw_iot_feed", None),
    ("DATABRICKS_TABLE", "databricks_table", "sensor_metrics", None),
    ("SQLITE_PATH", "sqlite", "/data/sensor_readings.db", None),
    ("SQLITE_TABLE_NAME", "sqlite_table_name", "environment_sensors", None),
    ("SQLITE_TABLE_NAME", "sqlite_table_name", "machine_logs", None),
    ("TIMESTAMP_COL", "timestamp_col", "event_timestamp", None),
    ("TIMESTAMP_COL", "timestamp_col", "MeasurementTime", None),
    ("STATE_DIR", "state_dir", "/app/state_files", None),
    ("UPLOAD_INTERVAL", "interval", "60", "60.0"),
    ("UPLOAD_INTERVAL", "interval", "3600", "3600.0"),
    ("ONCE", "once", "true", "True"),
    ("ONCE", "once", "TRUE", "True"),
    ("ONCE", "once", "1", "True"),
    ("ENABLE_SANITIZE", "enable_sanitize", "true", "True"),
    ("ENABLE_SANITIZE", "enable_sanitize", "1", "True"),
    ("SANITIZE_CONFIG", "sanitize_config", SANITIZE_JSON, SANITIZE),
    ("ENABLE_FILTER", "enable_filter", "true", "True"),
    ("FILTER_CONFIG", "filter_config", FILTER_JSON, FILTER),
    ("ENABLE_AGGREGATE", "enable_aggregate", "1", "True"),
    ("AGGREGATE_CONFIG", "aggregate_config", AGGREGATE_JSON, str(aggregate("hour_of_day", "records"))),
]  # fmt: skip


def loaded(folder: Path, text: str = "", **sources: object) -> Resolved:
    file = folder / "uploader-config.yaml"
    file.write_text(text)
    file.chmod(0o600)
    return resolve(Sources(config=file, **sources))  # type: ignore[arg-type]


def told(value: object) -> object:
    """Return rules as they are, and any other value as its text."""
    return value if isinstance(value, FilterStep | SanitizeStep) else str(value)


def real_faults(resolved: Resolved) -> list[str]:
    """Return the faults but those of features that this version lacks."""
    faults = sorted(resolved.faults, key=lambda fault: fault.place)
    return [f"{f.place.label}: {f.text}" for f in faults if "is not available in this version" not in f.text]


@pytest.mark.parametrize(("variable", "key", "text", "meaning"), VARIABLES_OF_THE_ORIGINAL)
def test_a_variable_means_what_it_did(variable: str, key: str, text: str, meaning: object, tmp_path: Path) -> None:
    resolved = loaded(tmp_path, environment={variable: text})
    assert told(resolved.values[key]) == (meaning or text)
    assert resolved.given[key].place.label == f"environment {variable}"


@pytest.mark.parametrize(("variable", "key", "text", "meaning"), VARIABLES_OF_THE_ORIGINAL)
def test_its_key_and_its_flag_mean_the_same(
    variable: str, key: str, text: str, meaning: object, tmp_path: Path
) -> None:
    name = variable.lower()
    flag = "--" + name.replace("_", "-")
    native = text if text.startswith("{") else f"'{text}'"  # JSON is YAML
    assert told(loaded(tmp_path, f"{name}: {native}\n").values[key]) == (meaning or text)
    assert told(loaded(tmp_path, flags={flag: text}).values[key]) == (meaning or text)
    assert NAMES[name] == FLAGS[flag] == VARIABLES[variable]


@pytest.mark.parametrize("key", ["sqlite", "sqlite_path", "interval", "state_dir", "delta_path", "node_id",
                                 "databricks_volume", "create_tables"])  # fmt: skip
def test_keys_besides_have_flag_and_variable_too(key: str) -> None:
    assert NAMES[key] == VARIABLES[key.upper()] == FLAGS["--" + key.replace("_", "-")]


def test_the_defaults_are_the_original_ones(tmp_path: Path) -> None:
    values = loaded(tmp_path).values
    assert (values["interval"], values["once"]) == (300, False)
    assert not any(values[f"enable_{step}"] for step in ("sanitize", "filter", "aggregate"))


def test_a_state_folder_that_is_relative_is_so_to_where_it_was_written(tmp_path: Path) -> None:
    text = "data/uploader_status"
    assert loaded(tmp_path, environment={"STATE_DIR": text}).values["state_dir"] == Path(text).absolute()
    assert loaded(tmp_path, f"state_dir: {text}").values["state_dir"] == tmp_path / text


def test_a_windows_path_of_the_original_is_told_to_be_one(tmp_path: Path) -> None:
    (fault,) = real_faults(loaded(tmp_path, environment={"SQLITE_PATH": r"C:\data\local_metrics.sqlite"}))
    assert fault.startswith("environment SQLITE_PATH: sqlite is a Windows path")


PLACEHOLDER = "still has the placeholder of an example: replace it"


def test_the_first_yaml_example_names_what_to_replace_and_the_rest_means_what_it_says(tmp_path: Path) -> None:
    text = (
        'sqlite: "/path/to/sensor_data.db"\nsqlite_table_name: "sensor_logs"\ntimestamp_col: "timestamp"\n\n'
        'databricks_host: "your-workspace.cloud.databricks.com"\n'
        'databricks_http_path: "/sql/1.0/warehouses/your_warehouse_id"\ndatabricks_token: "dapi..."\n'
        'databricks_database: "your_database"\ndatabricks_table: "sensor_readings"\n\n'
        "enable_sanitize: false\nenable_filter: false\nenable_aggregate: false\n\n"
        'state_dir: "./state"\ninterval: 300\n'
    )
    resolved = loaded(tmp_path, text)
    assert real_faults(resolved) == [
        f"uploader-config.yaml:{line}: {key} {PLACEHOLDER}"
        for line, key in [(1, "sqlite"), (5, "databricks_host"), (6, "databricks_http_path"), (7, "databricks_token"),
                          (8, "databricks_database")]
    ]  # fmt: skip
    values = resolved.values
    assert (values["sqlite_table_name"], values["timestamp_col"]) == ("sensor_logs", "timestamp")
    assert (values["databricks_table"], values["interval"]) == ("sensor_readings", 300)
    assert values["state_dir"] == tmp_path / "state"


def test_the_second_yaml_example_too(tmp_path: Path) -> None:
    text = (
        'databricks_host: "your-workspace.azuredatabricks.net"\n'
        'databricks_http_path: "/sql/1.0/warehouses/your_sql_warehouse_http_path"\n'
        'databricks_database: "your_database"\ndatabricks_table: "your_table"\n\n'
        'sqlite_path: "/data/sensor.db"\nsqlite_table_name: "sensor_data"\n'
    )
    resolved = loaded(tmp_path, text, environment={"DATABRICKS_TOKEN": "dapi0123456789abcdef"})
    assert real_faults(resolved) == [
        f"uploader-config.yaml:{line}: {key} {PLACEHOLDER}"
        for line, key in enumerate(
            ("databricks_host", "databricks_http_path", "databricks_database", "databricks_table"), start=1
        )
    ]
    assert str(resolved.values["sqlite"]) == "/data/sensor.db"


def test_the_command_line_example_overrules_the_file_and_names_what_to_replace(tmp_path: Path) -> None:
    flags = {"--sqlite": "/path/to/another/sensor.db", "--once": "true"}
    resolved = loaded(tmp_path, "sqlite_path: /data/sensor.db\n", flags=flags)
    assert real_faults(resolved) == [f"--sqlite: sqlite {PLACEHOLDER}"]
    resolved = loaded(
        tmp_path, "sqlite_path: /data/sensor.db\n", flags={**flags, "--sqlite": "/data/another/sensor.db"}
    )
    assert real_faults(resolved) == []
    assert (str(resolved.values["sqlite"]), resolved.values["once"]) == ("/data/another/sensor.db", True)


def test_the_query_flag_is_known_and_told_not_to_be_there_yet(tmp_path: Path) -> None:
    resolved = loaded(tmp_path, flags={"--run-query": "SELECT * FROM a.b LIMIT 10"})
    assert [f.text for f in resolved.faults] == ["run_query is not available in this version"]


@pytest.mark.parametrize(
    ("text", "key", "meaning"),
    [
        ('enable_sanitize: true\nsanitize_config:\n  remove_nulls: ["temperature", "humidity"]\n'
         '  replace_values:\n    status: {"error": "unknown", "": "unknown"}\n',
         "sanitize_config",
         SanitizeStep((RemoveNulls(column="temperature"), RemoveNulls(column="humidity"),
                       Replacement(column="status", pairs=(("error", "unknown"), ("", "unknown")))))),
        ('enable_filter: true\nfilter_config:\n  temperature:\n    ">": -50\n    "<": 150\n'
         '  device_status: "active"\n',
         "filter_config",
         FilterStep((Condition(column="temperature", operator=Operator.GREATER, values=(-50,)),
                     Condition(column="temperature", operator=Operator.LESS, values=(150,)),
                     Condition(column="device_status", operator=Operator.EQUAL, values=("active",))))),
        ('enable_aggregate: true\naggregate_config:\n  group_by: ["device_id", "hour"]\n  aggregations:\n'
         '    temperature: "avg"\n    humidity: "max"\n    readings: "count"\n',
         "aggregate_config",
         aggregate("hour", "readings")),
    ],
)  # fmt: skip
def test_rules_in_yaml_mean_what_they_say_and_are_not_passed_over(
    text: str, key: str, meaning: object, tmp_path: Path
) -> None:
    resolved = loaded(tmp_path, text)
    assert resolved.values[key] == meaning
    assert real_faults(resolved) == []
    assert resolved.faults == ()


def test_a_token_of_the_surroundings_can_be_referred_to_as_in_the_job_and_compose_examples(tmp_path: Path) -> None:
    environment = {"DATABRICKS_TOKEN": "dapi0123456789abcdef"}
    resolved = loaded(tmp_path, "databricks_token: ${DATABRICKS_TOKEN}\n", environment={**environment, "A": "b"})
    assert resolved.values["databricks_token"].reveal() == environment["DATABRICKS_TOKEN"]
    assert resolved.warnings == ()
