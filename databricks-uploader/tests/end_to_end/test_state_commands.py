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
    assert state(folder, "show").output.splitlines()[-1] == "pending   5 rows in 1 claim"


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


NO_TIMES = "CREATE TABLE readings (id INTEGER PRIMARY KEY AUTOINCREMENT, v INTEGER)"


@pytest.fixture
def without_times(tmp_path: Path) -> Path:
    databases.execute(tmp_path / "sensor.db", NO_TIMES, "INSERT INTO readings (v) VALUES (1), (2), (3)")
    assert upload(tmp_path).exit_code == 0
    databases.execute(tmp_path / "sensor.db", "UPDATE readings SET v = 9 WHERE id > 1")
    return tmp_path


def test_an_update_that_can_not_be_told_from_another_database_stops_and_names_the_ways_on(without_times: Path) -> None:
    result = upload(without_times, "--log-level", "error")
    assert (result.exit_code, result.errors) == (
        3,
        "ERROR   row 3, which was loaded, has other values now, and no column tells the rows' time: it was updated, or "
        "this is another database — if rows were updated, which is not loaded, run `databricks-uploader state adopt "
        "--after last`; if the database was made anew, run `databricks-uploader state adopt --after beginning`\n",
    )


@pytest.mark.parametrize(
    ("after", "said", "loaded"),
    [
        ("last", "after row 3", [1, 2, 3, 4]),
        ("beginning", "from the beginning", [1, 1, 2, 2, 3, 3, 4]),
        ("1", "after row 1", [1, 2, 2, 3, 3, 4]),
    ],
)
def test_adopt_goes_on_where_a_person_says(without_times: Path, after: str, said: str, loaded: list[int]) -> None:
    adopted = state(without_times, "adopt", "--after", after)
    assert adopted.output.splitlines()[-1] == f"readings goes on {said}"
    databases.execute(without_times / "sensor.db", "INSERT INTO readings (v) VALUES (4)")
    assert upload(without_times).exit_code == 0
    assert ids(without_times) == loaded


def test_adopt_takes_a_rowid_or_a_word(without_times: Path) -> None:
    result = state(without_times, "adopt", "--after", "yesterday")
    assert result.exit_code == 2
    assert "'yesterday' is neither a rowid nor last nor beginning" in result.errors


@pytest.mark.parametrize(
    ("content", "reached", "go_on"),
    [
        ('{"last_upload": "2026-01-01T00:00:00.500000"}', "up to 2026-01-01T00:00:00.500000",
         "2026-01-01T00:00:00.500000"),
        ("junk", "up to a time that can't be read there", "TIME"),
    ],
)  # fmt: skip
def test_where_another_program_has_uploaded_before_a_person_says_where_to_begin(
    tmp_path: Path, content: str, reached: str, go_on: str
) -> None:
    databases.add_readings(tmp_path / "sensor.db", 10)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "last_upload.json").write_text(content)
    result = upload(tmp_path, "--log-level", "error")
    assert (result.exit_code, result.errors) == (
        3,
        f"ERROR   {tmp_path}/state/last_upload.json is of another program, which uploaded rows {reached} — to go on "
        f"there, set start: {go_on} (--start); to load every row, set start: beginning\n",
    )
    assert (tmp_path / "state" / "last_upload.json").read_text() == content
    if go_on != "TIME":
        assert upload(tmp_path, "--start", go_on).exit_code == 0
        assert ids(tmp_path) == [5, 6, 7, 8, 9, 10]
    else:
        assert upload(tmp_path, "--start", "beginning").exit_code == 0
        assert ids(tmp_path) == list(range(1, 11))
    assert "node_id" in (tmp_path / "state" / "last_upload.json").read_text()
    assert upload(tmp_path).exit_code == 0


def test_start_now_leaves_what_is_there(tmp_path: Path) -> None:
    databases.add_readings(tmp_path / "sensor.db", 10)
    result = upload(tmp_path, "--start", "now")
    assert "readings is read after row 10" in result.errors
    databases.add_readings(tmp_path / "sensor.db", 2)
    assert upload(tmp_path).exit_code == 0
    assert ids(tmp_path) == [11, 12]


def test_show_tells_a_time_where_rows_are_read_in_the_order_of_times(tmp_path: Path) -> None:
    databases.execute(
        tmp_path / "sensor.db",
        "CREATE TABLE readings (ts TEXT PRIMARY KEY, v INTEGER) WITHOUT ROWID",
        "INSERT INTO readings VALUES ('2026-01-01T00:00:00Z', 1), ('2026-01-01T00:00:05Z', 2)",
    )
    assert upload(tmp_path).exit_code == 0
    assert state(tmp_path, "show").output.splitlines()[-1] == "position  up to 2026-01-01T00:00:05+00:00"
