"""What a person sees when something is wrong: one clear message, and the exit code of design.md's table."""

import grp
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import databases, program, tables

_UNPRIVILEGED = (
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    databases.add_readings(tmp_path / "sensor.db", 10)
    return tmp_path


def upload(folder: Path, *more: str, prefix: tuple[str, ...] = ()) -> program.Result:
    given = ("--sqlite", "sensor.db", "--delta-path", "lake", "--state-dir", "state", "--node-id", "n", "--once")
    return program.run(*given, "--retry-for", "0", *more, cwd=folder, prefix=prefix)


def made(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)


SOURCES: dict[str, tuple[Callable[[Path], object], list[str], str]] = {
    "missing file": (
        lambda f: (f / "sensor.db").rename(f / "other.db"),
        [],
        "ERROR   no file {f}/sensor.db — there is {f}/other.db\n",
    ),
    "missing folder": (
        lambda f: None,
        ["--sqlite", "no/where.db"],
        "ERROR   no file {f}/no/where.db — check --sqlite (sqlite in YAML)\n",
    ),
    "directory": (
        lambda f: None,
        ["--sqlite", "."],
        "ERROR   {f} is a directory — name the file in it: {f}/sensor.db\n",
    ),
    "pipe": (
        lambda f: os.mkfifo(f / "pipe.db"),
        ["--sqlite", "pipe.db"],
        "ERROR   {f}/pipe.db is not a file — name the database file itself\n",
    ),
    "not a database": (
        lambda f: (f / "junk.db").write_bytes(b"timestamp,value\n" * 100),
        ["--sqlite", "junk.db"],
        "ERROR   {f}/junk.db is not a SQLite database — check --sqlite; is the file encrypted?\n",
    ),
    "empty file": (
        lambda f: (f / "empty.db").write_bytes(b""),
        ["--sqlite", "empty.db"],
        "ERROR   no table in {f}/empty.db — is it the right file, and has its writer started?\n",
    ),
    "table not there": (
        lambda f: None,
        ["--sqlite-table", "reading"],
        "ERROR   no table 'reading' in {f}/sensor.db — did you mean 'readings'?\n",
    ),
    "several tables": (
        lambda f: databases.execute(f / "sensor.db", "CREATE TABLE sites AS SELECT 1 AS number"),
        [],
        "ERROR   2 tables in {f}/sensor.db:\n"
        "  readings: 10 rows, time in timestamp\n"
        "  sites: 1 row, no time column — name one with --sqlite-table (sqlite_table_name in YAML)\n",
    ),
    "column not there": (
        lambda f: None,
        ["--timestamp-col", "timestmp"],
        "ERROR   no column 'timestmp' in table 'readings' — did you mean 'timestamp'?\n",
    ),
    "column without times": (
        lambda f: None,
        ["--timestamp-col", "sensor"],
        "ERROR   column 'sensor' of table 'readings' holds no times: neither ISO-8601 nor numbers of a "
        "known unit — name another with "
        "--timestamp-col (timestamp_col in YAML)\n",
    ),
    "delta path is a file": (
        lambda f: (f / "lake").write_text(""),
        [],
        "ERROR   can't write {f}/lake/raw_readings — name another folder with --delta-path, or let this user write "
        "there\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SOURCES)
def test_a_source_or_destination_that_is_not_there_is_a_configuration_error(folder: Path, case: str) -> None:
    prepare, arguments, expected = SOURCES[case]
    prepare(folder)
    result = upload(folder, "--log-level", "warning", *arguments)
    assert (result.exit_code, result.output) == (2, "")
    assert result.errors == expected.format(f=folder)
    assert not (folder / "state" / "spool").exists() or not list((folder / "state" / "spool").iterdir())


def test_no_destination_names_both_kinds(folder: Path) -> None:
    result = program.run("--sqlite", "sensor.db", cwd=folder)
    assert (result.exit_code, result.errors) == (
        2,
        "databricks-uploader: no destination: set --delta-path DIR (delta_path in YAML) for Delta tables in a local "
        "folder, or databricks_host, databricks_http_path and databricks_database for a workspace — see "
        "databricks-uploader --help\n",
    )


def test_an_unknown_flag_is_a_configuration_error(folder: Path) -> None:
    result = upload(folder, "--intervall", "3")
    assert (result.exit_code, result.errors) == (
        2,
        "databricks-uploader: --intervall: no such flag, did you mean '--interval'? — see databricks-uploader --help\n",
    )


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv to do without root's rights")
@pytest.mark.parametrize(
    ("protected", "arguments", "code", "expected"),
    [
        ("shelf", ["--delta-path", "shelf/lake", "--state-dir", "fresh"], 2,
         "ERROR   can't write {f}/shelf/lake/raw_readings — name another folder with --delta-path, or let this user "
         "write there\n"),
        ("lake/raw_readings", [], 1,
         "ERROR   can't write into the table {f}/lake/raw_readings: Permission denied — let user {u} write there\n"),
        (".", ["--state-dir", "new"], 2,
         "databricks-uploader: can't write the state directory {f}/new: Permission denied — name another with "
         "--state-dir (state_dir in YAML), or let this user write there\n"),
        ("sensor.db", [], 2,
         "ERROR   {n} can't read {f}/sensor.db: it is {n}'s, group {g}, ---------- — chmod u+r {f}/sensor.db\n"),
    ],
    ids=["destination", "table", "state", "source"],
)  # fmt: skip
def test_a_place_that_can_not_be_written_or_read_is_named(
    folder: Path, protected: str, arguments: list[str], code: int, expected: str
) -> None:
    upload(folder)
    databases.add_readings(folder / "sensor.db", 10)
    (folder / "shelf").mkdir()
    path = folder / protected
    with databases.live_writer(folder / "sensor.db"):
        path.chmod(0o000 if path.is_file() else 0o500)
        prefix = _UNPRIVILEGED if os.getuid() == 0 else ()
        result = upload(folder, "--log-level", "error", *arguments, prefix=prefix)
        path.chmod(0o700)
    names = {"n": pwd.getpwuid(os.getuid()).pw_name, "g": grp.getgrgid(os.getgid()).gr_name}
    assert (result.exit_code, result.errors) == (code, expected.format(f=folder, u=os.getuid(), **names))


def test_a_row_that_does_not_fit_is_set_aside_with_the_reason_and_the_others_are_loaded(folder: Path) -> None:
    databases.execute(folder / "sensor.db", "UPDATE readings SET temperature = 'hot' WHERE id = 7")
    result = upload(folder, "--log-level", "warning")
    assert (result.exit_code, result.errors) == (
        0,
        "WARNING 1 row for raw_readings can't be loaded and is in quarantine: in row 7, column 'temperature' holds "
        "TEXT that is no number. See databricks-uploader quarantine list\n",
    )
    assert (7,) not in tables.rows(folder / "lake" / "raw_readings", "id")


def test_a_second_uploader_is_told_of_the_first(folder: Path) -> None:
    given = ("--sqlite", folder / "sensor.db", "--delta-path", folder / "lake", "--state-dir", folder / "state")
    with program.running(*given, "--node-id", "n", "--interval", "60") as first:
        program.wait_for(first, "loaded")
        result = upload(folder, "--log-level", "warning")
        state = program.run("state", "reset", "--state-dir", "state", cwd=folder)
        shown = program.run("state", "show", "--state-dir", "state", cwd=folder)
        pid = first.pid
    told = f"another uploader (process {pid}) works with the state directory {folder}/state — stop it, or give this one"
    own = "a state directory of its own (--state-dir)\n"
    assert (result.exit_code, result.errors) == (75, f"ERROR   {told} {own}")
    assert (state.exit_code, state.errors) == (75, f"databricks-uploader: {told} {own}")
    assert shown.exit_code == 0


def test_a_locked_database_is_tried_again_and_then_left(folder: Path) -> None:
    databases.execute(folder / "sensor.db", "PRAGMA journal_mode = DELETE")
    with databases.locked(folder / "sensor.db"):
        result = upload(folder)
    told = "".join(
        f"INFO    {folder}/sensor.db is locked by another program, for {seconds} s now: trying again\n"
        for seconds in (1, 2, 3, 4)
    )
    assert (result.exit_code, result.errors) == (
        75,
        f"{told}ERROR   {folder}/sensor.db is locked by another program — it is tried again\n",
    )


STATES: dict[str, tuple[Callable[[Path], object], list[str], str]] = {
    "another node id": (
        lambda f: None,
        ["--node-id", "m"],
        "ERROR   the state directory belongs to node 'n', and node id 'm' is configured — configure 'n'; or, to load "
        "every row again as rows of 'm', run `databricks-uploader state reset`\n",
    ),
    "another machine": (
        lambda f: _in_state(f, "UPDATE node SET serial = 'x', machine_id = 'y'"),
        [],
        "ERROR   the state directory of node 'n' was made on another machine — if that machine is gone and this one "
        "takes its place, run `databricks-uploader state adopt`; if this is a copy of it, run `databricks-uploader "
        "state reset` to start as a node of its own\n",
    ),
    "another database": (
        lambda f: (f / "sensor.db").rename(f / "moved.db"),
        ["--sqlite", "moved.db"],
        "ERROR   the state directory belongs to the database {f}/sensor.db, and {f}/moved.db is configured — if the "
        "same database was moved, run `databricks-uploader state adopt`; another database needs a state directory of "
        "its own (--state-dir)\n",
    ),
    "another table": (
        lambda f: shutil.rmtree(f / "lake"),
        [],
        "ERROR   the target table is gone — put the table back; or, to load every row of the source again, run "
        "`databricks-uploader state rebuild`\n",
    ),
    "damaged state": (
        lambda f: (f / "state" / "state.db").write_bytes(b"x" * 5000),
        [],
        "ERROR   {f}/state/state.db is damaged — run `databricks-uploader state reset` to begin anew: what the tables "
        "hold is taken from them\n",
    ),
}  # fmt: skip


def _in_state(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "state" / "state.db", isolation_level=None)) as connection:
        connection.execute(statement)


def _machine_is_known() -> bool:
    return Path("/etc/machine-id").exists() and Path("/etc/machine-id").read_text().strip() != ""


@pytest.mark.parametrize("case", STATES)
def test_when_memory_and_world_disagree_nothing_is_loaded_and_the_choices_are_named(folder: Path, case: str) -> None:
    if case == "another machine" and not _machine_is_known():
        pytest.skip("this machine has no machine id")
    upload(folder)
    databases.add_readings(folder / "sensor.db", 10)
    prepare, arguments, expected = STATES[case]
    prepare(folder)
    result = upload(folder, "--log-level", "error", *arguments)
    assert (result.exit_code, result.errors) == (3, expected.format(f=folder))


def test_a_bug_says_that_it_is_one(folder: Path) -> None:
    upload(folder)
    databases.add_readings(folder / "sensor.db", 10)
    _in_state(folder, "UPDATE pipeline SET table_schema = 'no JSON'")
    quiet = upload(folder, "--log-level", "error")
    assert quiet.exit_code == 70
    assert quiet.errors.startswith("ERROR   this is a bug of the uploader (exit code 70): JSONDecodeError: ")
    assert "Traceback" not in quiet.errors
    assert "Traceback" in upload(folder, "--log-level", "debug").errors


def test_a_damaged_table_is_told_without_a_backtrace(folder: Path) -> None:
    upload(folder)
    databases.add_readings(folder / "sensor.db", 10)
    (folder / "lake" / "raw_readings" / "_delta_log" / f"{1:020}.json").write_text("junk")
    result = upload(folder, "--log-level", "error")
    assert result.exit_code == 1
    assert len(result.errors.splitlines()) == 1


def test_a_bug_outside_of_the_loop_is_one_line_without_a_value() -> None:
    broken = (
        "from databricks_uploader import cli\n"
        "@cli.program.command()\n"
        "def broken():\n"
        "    raise ValueError('a value of a row')\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", broken, "broken"], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert done.stderr == (
        "databricks-uploader: this is a bug of the uploader (exit code 70): ValueError in line 4 of <string>; "
        "please report it\n"
    )
