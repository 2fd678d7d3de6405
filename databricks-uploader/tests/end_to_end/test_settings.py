"""Settings as the program takes and shows them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import databases, documents, program

from databricks_uploader.settings.model import KEYS
from databricks_uploader.settings.resolve import Sources, resolve

ENV = """\
# --- Databricks Connection ---
DATABRICKS_HOST="adb-1234567890123456.7.azuredatabricks.net"
DATABRICKS_HTTP_PATH="/sql/1.0/warehouses/abcdef1234567890"
DATABRICKS_TOKEN="dapi0123456789abcdef" # a secret
DATABRICKS_DATABASE="sensor_data" # or "catalog.sensor_data"
DATABRICKS_TABLE="raw_readings"

SQLITE_PATH="data/local_sensor_data.db"
# SQLITE_TABLE_NAME="my_sensor_table" # detected
# UPLOAD_INTERVAL=300                 # seconds
"""
MEANT = {
    "databricks_host": "adb-1234567890123456.7.azuredatabricks.net",
    "databricks_http_path": "/sql/1.0/warehouses/abcdef1234567890 (SQL warehouse)",
    "databricks_token": "********",
    "databricks_database": "`sensor_data`",
    "databricks_table": "raw_readings",
    "sqlite": "{f}/data/local_sensor_data.db",
}
UV = shutil.which("uv") or str(documents.PRODUCT.parent / ".tools" / "bin" / "uv")
SHOW = f"{program.PROGRAM} --show-config"
SHELLS = {
    "sh": f"set -a; . ./.env; set +a; {SHOW}",
    "ours": f"{SHOW} --env-file .env",
    "uv": f"{UV} run --no-project --offline --no-config --env-file .env {SHOW}",
}


def shown(output: str) -> dict[str, tuple[str, str]]:
    """Return value and origin by setting, of what --show-config printed."""
    names = [key.name for key in KEYS]
    lines = [line.split() for line in output.splitlines()]
    return {line[0]: (line[1], " ".join(line[2:])) for line in lines if line and line[0] in names}


@pytest.mark.parametrize("way", SHELLS)
def test_the_file_of_variables_works_in_every_usual_way(tmp_path: Path, way: str) -> None:
    if way == "uv" and not Path(UV).exists():
        pytest.skip("uv is not here")
    (tmp_path / ".env").write_text(ENV)
    done = subprocess.run(
        ["/bin/sh", "-c", SHELLS[way]],
        cwd=tmp_path,
        env=program.plain_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = shown(done.stdout)
    assert {name: found[name][0] for name in MEANT} == {
        name: text.format(f=tmp_path).split()[0] for name, text in MEANT.items()
    }
    assert found["interval"] == ("5m", "default")
    assert found["sqlite"][1] == (".env:8" if way == "ours" else "environment SQLITE_PATH")
    assert "still carries" not in done.stderr


def test_a_file_of_variables_taken_as_docker_does_is_told_to_carry_quotes() -> None:
    raw = dict(line.split("=", 1) for line in ENV.splitlines() if line and not line.startswith("#"))
    faults = [fault.text for fault in resolve(Sources(environment=raw)).faults]
    assert len([text for text in faults if "still carries its quotes" in text]) == len(MEANT)


def test_show_config_tells_every_setting_its_value_and_its_origin(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("sqlite: sensor.db\ndelta_path: lake\nretry_for: 90\n")
    result = program.run(
        "--config", "config.yaml", "--spool-max-bytes", "1GB", "--show-config", cwd=tmp_path, environment={"ONCE": "1"}
    )
    assert (result.exit_code, result.errors) == (0, "")
    found = shown(result.output)
    assert set(found) >= {key.name for key in KEYS if key.default_text is not None}
    assert found["sqlite"] == (f"{tmp_path}/sensor.db", "config.yaml:1")
    assert found["retry_for"] == ("1m30s", "config.yaml:3")
    assert found["once"] == ("true", "environment ONCE")
    assert found["spool_max_bytes"] == ("1000000000B", "--spool-max-bytes")
    assert found["interval"] == ("5m", "default")


def test_show_config_of_faulty_settings_shows_what_it_can_and_ends_as_uploading_would(tmp_path: Path) -> None:
    result = program.run("--interval", "soon", "--node-id", "pump", "--show-config", cwd=tmp_path)
    assert result.exit_code == 2
    assert shown(result.output)["node_id"] == ("pump", "--node-id")
    assert result.errors.splitlines()[1].startswith("  --interval: interval takes a time above 0")


def test_a_flag_can_take_back_what_a_file_turned_on(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("enable_filter: true\nonce: true\n")
    given = ("--config", "config.yaml", "--no-once", "--no-enable-filter", "--show-config")
    found = shown(program.run(*given, cwd=tmp_path).output)
    assert (found["once"], found["enable_filter"]) == (("false", "--once"), ("false", "--enable-filter"))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["schema"], ["state", "--help"], ["--show-config"]])
def test_what_only_tells_loads_no_engine(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from databricks_uploader.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "engines = {'adbc_driver_manager', 'arro3', 'databricks', 'deltalake', 'urllib3'}\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & engines))"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=program.plain_environment())
    assert done.stdout.splitlines()[-1] == "[]"


SECRET = "dapiFEEDface0123456789abcdef"  # noqa: S105
ODD = "s3cret-of-no-known-shape"
PROFILE = "[plant]\nhost = https://h\ntoken = {s}\nclient_id = me\nclient_secret = {s}\n"
GIVING = {
    "flag": (["--databricks-token", "{s}"], {}, {}),
    "flag with =": (["--databricks-token={s}"], {}, {}),
    "flag of a client": (["--databricks-client-id", "me", "--databricks-client-secret", "{s}"], {}, {}),
    "variable": ([], {"DATABRICKS_TOKEN": "{s}"}, {}),
    "variable with quotes": ([], {"DATABRICKS_TOKEN": "'{s}'"}, {}),
    "variable in two pieces": ([], {"DATABRICKS_CLIENT_SECRET": "{s} x"}, {}),
    "YAML": (["--config", "c.yaml"], {}, {"c.yaml": "databricks_token: {s}\ndatabricks_client_secret: {s}\n"}),
    "YAML that refers": (["--config", "c.yaml"], {"X": "{s}"}, {"c.yaml": "databricks_token: ${X}\n"}),
    "YAML, as a list": (["--config", "c.yaml"], {}, {"c.yaml": "databricks_token: [{s}]\n"}),
    "YAML, twice": (["--config", "c.yaml"], {}, {"c.yaml": "databricks_token: {s}\ndatabricks_token: x\n"}),
    "YAML that is none": (["--config", "c.yaml"], {}, {"c.yaml": "databricks_token: {s}: {s}\n"}),
    "file of variables": (["--env-file", "v.env"], {}, {"v.env": "DATABRICKS_TOKEN={s}\n"}),
    "file of variables, unclosed": (["--env-file", "v.env"], {}, {"v.env": "DATABRICKS_TOKEN='{s}\n"}),
    "token file": (["--databricks-token-file", "t"], {}, {"t": "{s}\n"}),
    "token file of two words": (["--databricks-token-file", "t", "--databricks-host", "h"], {}, {"t": "{s} {s}\n"}),
    "profile": ([], {"DATABRICKS_CONFIG_PROFILE": "plant", "DATABRICKS_CONFIG_FILE": "cfg"}, {"cfg": PROFILE}),
    "profile that is none": ([], {"DATABRICKS_CONFIG_PROFILE": "x", "DATABRICKS_CONFIG_FILE": "cfg"}, {"cfg": "{s}"}),
}  # fmt: skip
MISPUT = {
    "host": (["--databricks-host", "https://me:{s}@host"], {}, {}),
    "wrong variable": ([], {"DATABRICKS_HTTP_PATH": "{s}", "UPLOAD_INTERVAL": "{s}"}, {}),
    "wrong key": (["--config", "c.yaml"], {}, {"c.yaml": "{s}: 1\ninterval: {s}\n"}),
    "argument": (["{s}"], {}, {}),
    "flag that is none": (["--{s}", "--databricks-tokn={s}"], {}, {}),
    "query": (["--run-query", "SELECT '{s}'"], {}, {}),
    "name": (["--node-id", "{s}", "--databricks-client-id", "{s}"], {}, {}),
}
COMMANDS = (["--once", "--log-level", "debug"], ["--show-config"], ["state", "show"], ["state", "reset"], ["schema"])


@pytest.mark.parametrize("way", [*GIVING, *MISPUT])
def test_no_secret_is_in_anything_that_is_printed(way: str, tmp_path: Path) -> None:
    databases.add_readings(tmp_path / "sensor.db", 3)
    arguments, variables, files = {**GIVING, **MISPUT}[way]
    secret = ODD if way in GIVING else SECRET  # where a secret has no business, only one that looks like it is known
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace("{s}", secret))
    given = [argument.replace("{s}", secret) for argument in arguments]
    environment = {name: text.replace("{s}", secret) for name, text in variables.items()}
    for command in COMMANDS:
        own = ["--sqlite", "sensor.db", "--delta-path", "lake", "--state-dir", "state", *given]
        result = program.run(*own, *command, cwd=tmp_path, environment=environment)
        assert secret not in result.output + result.errors
        assert result.exit_code in (0, 2)
    kept = [file for file in tmp_path.rglob("*") if file.is_file() and file.name not in files]
    assert not [file for file in kept if secret.encode() in file.read_bytes()]


@pytest.mark.parametrize("way", GIVING)
def test_no_secret_is_in_a_repr(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, variables, files = GIVING[way]
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace("{s}", ODD))
    words = [part.replace("{s}", ODD) for argument in arguments for part in argument.split("=")]
    flags = dict(zip(words[::2], words[1::2], strict=True))
    config, env_file = (Path(flags.pop(flag, os.devnull)) for flag in ("--config", "--env-file"))
    sources = Sources(flags, {name: text.replace("{s}", ODD) for name, text in variables.items()}, config, env_file)
    assert ODD not in f"{sources!r} {resolve(sources)!r} {resolve(sources)}"


def test_a_secret_on_the_command_line_works_and_warns(tmp_path: Path) -> None:
    result = program.run("--databricks-token", SECRET, "--show-config", cwd=tmp_path)
    assert shown(result.output)["databricks_token"] == ("********", "--databricks-token")
    assert result.errors.startswith("databricks-uploader: warning: --databricks-token: lists of processes show it")
