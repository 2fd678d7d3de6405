"""Ending the program, and what it says of itself."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import databases, program, tables

from databricks_uploader.settings.model import KEYS

STUCK = 3  # seconds: half of what SQLite waits for a lock, over which a late handler would not come
HERE = Path(__file__).parents[2]


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[str, ...]:
    databases.add_readings(tmp_path / "sensor.db", 10)
    given = {"sqlite": "sensor.db", "delta-path": "lake", "state-dir": "state"}
    return (*(part for name, path in given.items() for part in (f"--{name}", str(tmp_path / path))), "--node-id", "n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_ends_well_while_it_waits(arguments: tuple[str, ...], number: signal.Signals) -> None:
    with program.running(*arguments, "--interval", "600") as uploader:
        program.wait_for(uploader, "loaded")
        uploader.send_signal(number)
        assert uploader.wait(timeout=STUCK) == 0


@pytest.mark.parametrize(("once", "code"), [([], 0), (["--once"], 75)])
def test_it_ends_while_it_is_deep_in_sqlite(
    tmp_path: Path, arguments: tuple[str, ...], once: list[str], code: int
) -> None:
    database = tmp_path / "sensor.db"
    databases.execute(database, "PRAGMA journal_mode = DELETE")
    with databases.locked(database), program.running(*arguments, *once) as uploader:
        program.wait_until_open(uploader, database)
        uploader.send_signal(signal.SIGTERM)
        assert uploader.wait(timeout=STUCK) == code


def test_it_ends_in_the_middle_of_a_backlog_and_goes_on_later(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    databases.add_readings(tmp_path / "sensor.db", 600_000)
    with program.running(*arguments, "--once") as uploader:
        program.wait_for(uploader, "claimed")
        uploader.send_signal(signal.SIGTERM)
        assert uploader.wait(timeout=STUCK) == 75
    assert program.run(*arguments, "--once").exit_code == 0
    rows = tables.rows(tmp_path / "lake" / "raw_readings", "count(*), count(DISTINCT id)")
    assert rows == [(600_010, 600_010)]


def test_a_daemon_waits_for_a_database_that_is_not_there_yet(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "sensor.db").unlink()
    with program.running(*arguments, "--interval", "600") as uploader:
        program.wait_for(uploader, "no file")
        databases.add_readings(tmp_path / "sensor.db", 10)
        assert "loaded 10 rows" in program.wait_for(uploader, "loaded")[-1]


def test_a_daemon_with_a_state_error_stays_and_loads_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    program.run(*arguments, "--once")
    databases.add_readings(tmp_path / "sensor.db", 10)
    with program.running(*arguments[:-1], "other") as uploader:
        program.wait_for(uploader, "the state directory belongs to node 'n'")
        with pytest.raises(subprocess.TimeoutExpired):
            uploader.wait(timeout=0.5)
        uploader.send_signal(signal.SIGTERM)
        assert uploader.wait(timeout=STUCK) == 0
    assert tables.rows(tmp_path / "lake" / "raw_readings", "count(*)") == [(10,)]


def test_version_is_printed() -> None:
    assert program.run("--version").output == "databricks-uploader, version 0.1.0\n"


def test_help_tells_every_setting_of_this_version_with_its_default_and_variable_and_names_the_others() -> None:
    shown = " ".join(program.run("--help").output.split())
    for key in KEYS:
        assert key.flags[0] in shown
        if key.available:
            default = f"; default: {key.default_text}" if key.default_text else ""
            assert f"{key.help} [{key.variables[-1]}{default}]" in shown


def test_the_script_without_the_package_says_what_to_run() -> None:
    script = HERE / "sqlite_to_databricks_uploader.py"
    done = subprocess.run([sys.executable, "-S", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "`uv run -s " in done.stderr


def test_the_script_is_the_program() -> None:
    script = HERE / "sqlite_to_databricks_uploader.py"
    done = subprocess.run([sys.executable, str(script), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == "databricks-uploader, version 0.1.0\n"
