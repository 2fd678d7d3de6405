"""What an owner of a database sees of us: nothing, whatever its writer does and wherever we may not write."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support import program, tables, writers

OTHER = 10_001
UNPRIVILEGED = (
    "setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search",
)  # fmt: skip
MOUNTED = ("unshare", "--mount", "sh", "-c")
HOT = (
    "the writer of {db} died in the middle of a transaction, and its sensor.db-journal must be rolled back first, "
    "which changes the file: that is not ours to do — start its writer; or, as a user who may write there: "
    "sqlite3 {db} 'SELECT 1 FROM sqlite_schema'"
)
NO_INDEX = (
    "the writer of {db} died, and the index (sensor.db-shm) of the log that it left is gone; it can't be made anew "
    "in a folder that is read-only here — start its writer; or let this user write in the folder"
)
ALONE = (
    "{db} is mounted without its folder, so what its writer keeps beside it (a log, a journal) is hidden, and rows "
    "would be missed — mount the folder that the file lies in, not the file"
)


def can(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not can(*MOUNTED, "mount --bind / /"), reason="needs the right to mount")
needs_users = pytest.mark.skipif(os.getuid() != 0 or not can(*UNPRIVILEGED, "true"), reason="needs root and setpriv")
PLACES = [
    "writable folder",
    pytest.param("read-only mount", marks=needs_mounts),
    pytest.param("folder of another user", marks=needs_users),
]


def upload(database: Path, prefix: tuple[str, ...] = ()) -> program.Result:
    out = database.parents[1]
    return program.run(
        "--sqlite", database, "--delta-path", out / "lake", "--state-dir", out / "state", "--node-id", "n",
        "--once", "--retry-for", "0", "--log-level", "error", prefix=prefix,
    )  # fmt: skip


def prefix_of(place: str, folder: Path) -> tuple[str, ...]:
    if place == "read-only mount":
        return (*MOUNTED, 'mount --bind -o ro "$0" "$0" && exec "$@"', str(folder))
    if place == "folder of another user":
        for path in (folder, *folder.iterdir()):
            os.chown(path, OTHER, OTHER)
        return UNPRIVILEGED
    return ()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("state", writers.STATES)
def test_a_database_is_read_or_one_message_says_what_to_do_and_no_file_is_left(
    tmp_path: Path, state: str, place: str
) -> None:
    database = tmp_path / "data" / "sensor.db"
    database.parent.mkdir()
    may_make_index = state == "killed, index gone" and place == "writable folder"
    refused = {"killed, hot journal": HOT, "killed, index gone": NO_INDEX}.get(state) if not may_make_index else None
    with writers.in_state(database, state):
        there = {path.name: path.stat().st_size for path in database.parent.iterdir()}
        result = upload(database, prefix_of(place, database.parent))
        left = {path.name: path.stat().st_size for path in database.parent.iterdir()}
    if refused:
        assert (result.exit_code, result.errors) == (75, f"ERROR   {refused.format(db=database)}\n")
    else:
        assert (result.exit_code, result.errors) == (0, "")
        assert tables.rows(tmp_path / "lake" / "raw_readings", "id, sensor, value") == [(1, "a", 0.5), (2, "b", 1.5)]
    if may_make_index:  # SQLite makes it anew, as any program would that opens the database
        assert left.pop("sensor.db-shm")
    assert left == there


@needs_mounts
@pytest.mark.parametrize("state", writers.STATES)
def test_a_file_that_is_mounted_without_its_folder_is_refused(tmp_path: Path, state: str) -> None:
    database, mounted = tmp_path / "data" / "sensor.db", tmp_path / "mounted" / "sensor.db"
    for path in (database, mounted):
        path.parent.mkdir()
    mounted.touch()
    with writers.in_state(database, state):
        prefix = (*MOUNTED, 'mount --bind "$0" "$1" && shift && exec "$@"', str(database), str(mounted))
        result = upload(mounted, prefix)
    assert (result.exit_code, result.errors) == (2, f"ERROR   {ALONE.format(db=mounted)}\n")
    assert list(mounted.parent.iterdir()) == [mounted]


@needs_users
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_file_of_another_user_that_can_not_be_read_is_named_with_its_owner_and_group(
    tmp_path: Path, suffix: str
) -> None:
    database = tmp_path / "data" / "sensor.db"
    database.parent.mkdir()
    with writers.in_state(database, "running"):
        file = database.with_name(f"sensor.db{suffix}")
        file.chmod(0o600)
        result = upload(database, prefix_of("folder of another user", database.parent))
    assert (result.exit_code, result.errors) == (
        2,
        f"ERROR   root can't read {file}: it is user {OTHER}'s, group {OTHER}, -rw------- — run as user {OTHER}; or "
        f"run in group {OTHER} and let it read (chmod g+r; its writer: umask 027)\n",
    )


@needs_users
def test_a_file_that_our_group_may_read_is_read(tmp_path: Path) -> None:
    database = tmp_path / "data" / "sensor.db"
    database.parent.mkdir()
    with writers.in_state(database, "running"):
        for path in database.parent.iterdir():
            os.chown(path, OTHER, os.getgid())
            path.chmod(0o640)
        result = upload(database, UNPRIVILEGED)
    assert (result.exit_code, result.errors) == (0, "")
