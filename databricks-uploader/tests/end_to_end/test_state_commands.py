"""`state show | adopt | reset | rebuild`, as the errors that name them need them."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import databases, program, tables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    databases.add_readings(tmp_path / "sensor.db", 10)
    assert upload(tmp_path).exit_code == 0
    return tmp_path


def upload(folder: Path, *more: str) -> program.Result:
    given = ("--sqlite", "sensor.db", "--delta-path", "lake", "--state-dir", "state", "--node-id", "n", "--once")
    return program.run(*given, "--retry-for", "0", *more, cwd=folder)


def state(folder: Path, verb: str, *more: str) -> program.Result:
    return program.run("state", verb, "--state-dir", "state", *more, cwd=folder)


def ids(folder: Path) -> list[int]:
    return [row[0] for row in tables.rows(folder / "lake" / "raw_readings", "id")]


def test_show_prints_what_is_remembered(folder: Path) -> None:
    assert state(folder, "show").output == (
        f"state     {folder}/state/state.db\n"
        "node      n\n"
        f"source    {folder}/sensor.db\n"
        "\n"
        "pipeline  readings → raw_readings\n"
        "loaded    10 rows, newest 2026-01-01T00:00:01.233000+00:00\n"
        "position  after row 10\n"
    )


def test_show_prints_what_is_pending(folder: Path) -> None:
    databases.add_readings(folder / "sensor.db", 5)
    log = folder / "lake" / "raw_readings" / "_delta_log"
    log.rename(log.with_name("away"))
    upload(folder)
    assert state(folder, "show").output.splitlines()[-1] == "pending   5 rows in 1 claims"


@pytest.mark.parametrize("verb", ["show", "adopt", "reset", "rebuild"])
def test_without_state_there_is_nothing_to_do(tmp_path: Path, verb: str) -> None:
    result = state(tmp_path, verb)
    assert (result.exit_code, result.errors) == (
        2,
        f"databricks-uploader: no state in {tmp_path}/state — name the right folder with --state-dir\n",
    )


def test_settings_may_stand_before_the_command(folder: Path) -> None:
    result = program.run("--state-dir", "state", "state", "show", cwd=folder)
    assert result.output == state(folder, "show").output


def test_adopt_goes_on_with_a_moved_database(folder: Path) -> None:
    (folder / "sensor.db").rename(folder / "moved.db")
    databases.add_readings(folder / "moved.db", 5)
    assert upload(folder, "--sqlite", "moved.db").exit_code == 3
    adopted = state(folder, "adopt", "--sqlite", "moved.db")
    assert adopted.output == f"node n goes on here, with the database {folder}/moved.db\n"
    assert upload(folder, "--sqlite", "moved.db").exit_code == 0
    assert ids(folder) == list(range(1, 16))


def test_adopt_goes_on_on_another_machine(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "state" / "state.db", isolation_level=None)) as connection:
        connection.execute("UPDATE node SET serial = 'x', machine_id = 'y'")
    shown = state(folder, "show").output
    if "made on another machine" not in shown:
        pytest.skip("this machine has no machine id")
    assert upload(folder).exit_code == 3
    assert state(folder, "adopt").exit_code == 0
    assert upload(folder).exit_code == 0
    assert ids(folder) == list(range(1, 11))


def test_reset_and_the_same_node_goes_on_from_the_table(folder: Path) -> None:
    databases.add_readings(folder / "sensor.db", 5)
    assert state(folder, "reset").exit_code == 0
    assert (folder / "state" / "state.db.before-reset").exists()
    assert "going on after row 10" in upload(folder).errors
    assert ids(folder) == list(range(1, 16))


def test_reset_and_another_node_loads_every_row_as_its_own(folder: Path) -> None:
    state(folder, "reset")
    assert upload(folder, "--node-id", "m").exit_code == 0
    assert ids(folder) == sorted([*range(1, 11), *range(1, 11)])


def test_reset_helps_where_state_is_damaged(folder: Path) -> None:
    (folder / "state" / "state.db").write_bytes(b"x" * 5000)
    assert upload(folder).exit_code == 3
    assert state(folder, "reset").exit_code == 0
    assert upload(folder).exit_code == 0
    assert ids(folder) == list(range(1, 11))


def test_rebuild_takes_the_position_from_the_table_after_an_old_state_was_put_back(folder: Path) -> None:
    shutil.copytree(folder / "state", folder / "backup")
    databases.add_readings(folder / "sensor.db", 5)
    upload(folder)
    shutil.rmtree(folder / "state")
    (folder / "backup").rename(folder / "state")
    databases.add_readings(folder / "sensor.db", 5)
    refused = upload(folder, "--log-level", "error")
    assert refused.exit_code == 3
    assert "disagree on claim 2: another uploader made it with other rows" in refused.errors
    assert state(folder, "rebuild").output == (
        "positions are forgotten; the next start takes each from its target table\n"
    )
    assert upload(folder).exit_code == 0
    assert ids(folder) == list(range(1, 21))


def test_rebuild_loads_all_again_into_a_table_that_was_made_anew(folder: Path) -> None:
    shutil.rmtree(folder / "lake")
    assert upload(folder).exit_code == 0, "nothing new asks the destination nothing"
    databases.add_readings(folder / "sensor.db", 5)
    assert upload(folder).exit_code == 3
    assert state(folder, "rebuild").exit_code == 0
    assert upload(folder).exit_code == 0
    assert ids(folder) == list(range(1, 16))
