"""The program, as its users run it, with a workspace."""

import os
from pathlib import Path

import pytest
from tests.support import databases, program
from tests.support.real import RealWorkspace
from tests.support.warehouse import Warehouse
from tests.support.workspace import READINGS, Edge

CATALOG = os.environ.get("DATABRICKS_CATALOG", "main")
SENSOR_LOGS = (
    "CREATE TABLE sensor_logs (id INTEGER PRIMARY KEY, device_id TEXT, timestamp TEXT, temperature REAL, "
    "humidity REAL, status TEXT)",
    "INSERT INTO sensor_logs VALUES (1, 'a', '2026-01-01T00:00:00Z', 20.5, 40.0, 'active'), "
    "(2, 'b', '2026-01-01T00:00:01Z', NULL, 41.0, 'it''s')",
)
# The configuration of the original's quick start, with the five values that its reader has to change.
CONFIG = """\
sqlite: "{folder}/sensor_data.db"
sqlite_table_name: "sensor_logs"
timestamp_col: "timestamp"
databricks_host: "{host}"
databricks_http_path: "{http_path}"
databricks_token: "{token}"
databricks_database: "{database}"
databricks_table: "sensor_readings"
enable_sanitize: false
enable_filter: false
enable_aggregate: false
state_dir: "./state"
interval: 300
"""
# Its tables (https://github.com/bacalhau-project: the example that this product answers to).
ORIGINAL_TABLE = "id BIGINT, device_id STRING, timestamp TIMESTAMP, temperature DOUBLE, humidity DOUBLE, status STRING"
OF_OTHER_TYPES = (
    ORIGINAL_TABLE.replace("BIGINT", "INT")
    .replace("temperature DOUBLE", "temperature FLOAT")
    .replace("humidity DOUBLE", "humidity DECIMAL(10,2)")
)
WITH_KEY = "id BIGINT, device_id STRING, timestamp TIMESTAMP, temperature DOUBLE, humidity DOUBLE, PRIMARY KEY (id)"


def original(folder: Path, edge: Edge, database: str) -> None:
    """Write source and configuration."""
    databases.execute(folder / "sensor_data.db", *SENSOR_LOGS)
    text = CONFIG.format(
        folder=folder, host=edge.host, http_path=edge.warehouse.http_path, token=edge.warehouse.token, database=database
    )
    (folder / "config.yaml").write_text(text)
    (folder / "config.yaml").chmod(0o600)


@pytest.mark.parametrize("columns", [ORIGINAL_TABLE, WITH_KEY, OF_OTHER_TYPES], ids=["its own", "with a key", "others"])
def test_the_originals_quick_start_works_with_five_values_changed(
    tmp_path: Path, workspace: Warehouse | RealWorkspace, columns: str
) -> None:
    edge = Edge(workspace, catalog=CATALOG)
    try:
        edge.create_table(lineage=False, columns=columns, name="raw_sensor_readings")
        original(tmp_path, edge, f"{CATALOG}.{edge.schema}" if isinstance(workspace, RealWorkspace) else edge.schema)
        for _ in range(2):
            done = program.run("--config", "config.yaml", "--once", cwd=tmp_path)
            assert done.exit_code == 0, done.errors
        found = edge.table("raw_sensor_readings").sort_by("id").to_pydict()
    finally:
        edge.drop()
    assert found["device_id"] == ["a", "b"]
    assert found["temperature"] == [20.5, None]
    assert found.get("status", ["active", "it's"]) == ["active", "it's"]
    assert "by MERGE, some 10,000 rows/s" in done.errors
    assert (tmp_path / "state" / "last_upload.json").exists()


def node(folder: Path, edge: Edge, *more: str, volume: bool = True) -> tuple[str, ...]:
    databases.add_readings(folder / "sensor.db", 30)
    return (
        "--sqlite", str(folder / "sensor.db"), "--state-dir", str(folder / "state"), "--node-id", "node",
        *edge.flags(volume=volume), *more,
    )  # fmt: skip


def test_a_daemon_waits_for_the_table_that_its_owner_makes(
    tmp_path: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = Edge(warehouse)
    for name, text in edge.variables().items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(program, "plain_environment", lambda: dict(os.environ))
    with program.running(*node(tmp_path, edge, "--interval", "1")) as process:
        lines = program.wait_for(process, "CREATE TABLE")
        assert "is not there" in "".join(lines)
        edge.create_table(lineage=True, columns=READINGS)
        program.wait_for(process, "loaded 30 rows")
    assert edge.table().num_rows == 30


def test_once_ends_with_2_where_the_table_is_missing(tmp_path: Path, warehouse: Warehouse) -> None:
    edge = Edge(warehouse)
    done = program.run(*node(tmp_path, edge, "--once"), environment=edge.variables())
    assert done.exit_code == 2
    assert "CREATE TABLE `main`" in done.errors
    assert done.errors.count("\n") < 12


@pytest.mark.parametrize("way", ["token file", "profile", "OAuth client"])
def test_who_we_are_can_be_said_in_every_way(tmp_path: Path, warehouse: Warehouse, way: str) -> None:
    edge = Edge(warehouse)
    edge.create_table(lineage=True)
    variables = edge.variables()
    token = variables.pop("DATABRICKS_TOKEN")
    if way == "token file":
        (tmp_path / "token").write_text(token + "\n")
        variables["DATABRICKS_TOKEN_FILE"] = str(tmp_path / "token")
    elif way == "profile":
        (tmp_path / "cfg").write_text(f"[plant]\nhost = https://{edge.host}/\ntoken = {token}\n")
        (tmp_path / "cfg").chmod(0o600)
        variables |= {"DATABRICKS_CONFIG_PROFILE": "plant", "DATABRICKS_CONFIG_FILE": str(tmp_path / "cfg")}
    else:
        client = warehouse.service_principal("plant")
        for rights, on in edge.rights():
            warehouse.grant(rights, on, to="plant")
        variables |= {"DATABRICKS_CLIENT_ID": client.client_id, "DATABRICKS_CLIENT_SECRET": client.client_secret}
    done = program.run(*node(tmp_path, edge, "--once"), environment=variables)
    assert done.exit_code == 0, done.errors
    assert edge.table().num_rows == 30


@pytest.mark.parametrize("volume", [True, False])
def test_no_token_is_in_the_log_the_state_or_the_statements(
    tmp_path: Path, warehouse: Warehouse, *, volume: bool
) -> None:
    edge = Edge(warehouse)
    edge.create_table(lineage=True)
    arguments = node(tmp_path, edge, "--once", "--log-level", "debug", volume=volume)
    done = program.run(*arguments, environment=edge.variables())
    wrong = program.run(*arguments, environment=edge.variables() | {"DATABRICKS_TOKEN": "s3cret-that-is-wrong"})
    assert (done.exit_code, wrong.exit_code) == (0, 0)
    databases.add_readings(tmp_path / "sensor.db", 1)
    wrong = program.run(*arguments, environment=edge.variables() | {"DATABRICKS_TOKEN": "s3cret-that-is-wrong"})
    assert wrong.exit_code == 2
    kept = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file())
    for secret in (warehouse.token, "s3cret-that-is-wrong"):
        assert secret not in done.output + done.errors + wrong.output + wrong.errors
        assert secret.encode() not in kept
        assert not [s for s in warehouse.statements if secret in s.sql]


def test_the_start_line_says_that_the_warehouse_never_sleeps_and_what_would_let_it(
    tmp_path: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = Edge(warehouse)
    edge.create_table(lineage=True)
    for name, text in edge.variables().items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(program, "plain_environment", lambda: dict(os.environ))
    with program.running(*node(tmp_path, edge, "--interval", "30s")) as process:
        told = "".join(program.wait_for(process, "loaded 30 rows"))
    assert "by the volume" in told
    assert "never sleeps. With max_delay: 1h it would" in told


def test_it_works_without_arrow_for_python_which_the_connector_does_not_need(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    edge = Edge(warehouse)
    edge.create_table(lineage=True)
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "pyarrow.py").write_text("raise ImportError('not here')\n")
    variables = edge.variables() | {"PYTHONPATH": str(tmp_path / "without")}
    done = program.run(*node(tmp_path, edge, "--once"), environment=variables)
    assert (done.exit_code, "Traceback" in done.errors) == (0, False), done.errors
    assert "pyarrow" not in done.errors
    assert edge.table().num_rows == 30
