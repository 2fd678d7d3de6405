"""A source file that is broken: one clear line, the exit code of design.md's table, nothing half-done, no hang."""

import os
import random
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import databases, program, tables
from tests.support.writer import write_and_die

from databricks_uploader.source.diagnosis import RECOVER

PAGE = 4096
DAMAGED = "ERROR   {f}/sensor.db is damaged — " + RECOVER
NO_DATABASE = "ERROR   {f}/sensor.db is not a SQLite database — check --sqlite; is the file encrypted?"
NO_FILE = "ERROR   {f}/sensor.db is not a file — name the database file itself"
IN_THE_WAY = "ERROR   {f}/sensor.db-journal is not a file — remove it: SQLite keeps a file of that name there"
_INSERT = """
INSERT INTO readings WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
SELECT i, strftime('%Y-%m-%dT%H:%M:%SZ', 1.7e9 + i, 'unixepoch'), printf('note %090d', i),
CASE WHEN i % 50 = 0 THEN CAST(printf('%09000dimage', i) AS BLOB) END FROM n"""


@dataclass(frozen=True)
class Node:
    """A database of 400 readings, of which the first 200 were uploaded before it broke."""

    folder: Path
    whole: bytes

    @property
    def database(self) -> Path:
        return self.folder / "sensor.db"

    def upload(self, *more: str | Path) -> program.Result:
        given = ("--sqlite", "sensor.db", "--delta-path", "lake", "--state-dir", "state", "--node-id", "n", "--once")
        return program.run(*given, "--retry-for", "0", "--log-level", "warning", *more, cwd=self.folder)

    def restore(self) -> None:
        for path in self.folder.glob("sensor.db*"):
            path.rmdir() if path.is_dir() else path.unlink()
        self.database.write_bytes(self.whole)

    def standing(self) -> tuple[list[str], list[Path], list[Path], list[Path]]:
        """Return all that an upload changes."""
        state = self.folder / "state"
        with closing(sqlite3.connect(state / "state.db")) as connection:
            remembered = list(connection.iterdump())
        table = self.folder / "lake" / "raw_readings"
        return remembered, tables.versions(table), tables.files(table), list((state / "spool").glob("*.parquet"))


def add(database: Path, first: int, last: int) -> None:
    table = "CREATE TABLE IF NOT EXISTS readings (id INTEGER PRIMARY KEY, timestamp TEXT, note TEXT, image BLOB)"
    databases.execute(database, table, _INSERT.format(first=first, last=last))


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> Node:
    folder = tmp_path_factory.mktemp("node")
    add(folder / "sensor.db", 1, 200)
    assert Node(folder, b"").upload().exit_code == 0
    add(folder / "sensor.db", 201, 400)
    return Node(folder, (folder / "sensor.db").read_bytes())


@pytest.fixture
def node(uploaded: Node) -> Iterator[Node]:
    uploaded.restore()
    yield uploaded
    uploaded.restore()


def cut(size: int) -> Callable[[Node], object]:
    return lambda n: n.database.write_bytes(n.whole[:size])


def put(at: int, there: bytes) -> Callable[[Node], object]:
    return lambda n: n.database.write_bytes(n.whole[:at] + there + n.whole[at + len(there) :])


def put_where(words: bytes, there: bytes) -> Callable[[Node], object]:
    """Overwrite the page that has these words."""
    return lambda n: put(n.whole.index(words) // PAGE * PAGE, there)(n)


def instead(make: Callable[[Path], object]) -> Callable[[Node], object]:
    def replace(node: Node) -> None:
        node.database.unlink()
        make(node.database)

    return replace


def listen(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(os.path.relpath(path))  # a socket's whole path may have 107 bytes


RANDOM = random.Random(7).randbytes(40 * PAGE)  # noqa: S311  (the same in every run)
ROW = b"note %090d" % 321

BROKEN: dict[str, tuple[Callable[[Node], object], int, str]] = {
    "zero bytes": (
        cut(0), 2, "ERROR   no table in {f}/sensor.db — is it the right file, and has its writer started?"),
    "cut in the header": (cut(40), 1, DAMAGED),
    "header only": (cut(100), 1, DAMAGED),
    "cut in the first page": (cut(1000), 1, DAMAGED),
    "cut after the first page": (cut(PAGE), 1, DAMAGED),
    "cut between pages": (cut(5 * PAGE), 1, DAMAGED),
    "the last byte is missing": (lambda n: cut(len(n.whole) - 1)(n), 1, DAMAGED),
    "random bytes": (put(0, RANDOM), 2, NO_DATABASE),
    "a few bytes": (lambda n: n.database.write_bytes(RANDOM[:9]), 2, NO_DATABASE),
    "encrypted, all but a header in clear": (put(100, RANDOM), 1, DAMAGED),
    "another program's file": (lambda n: n.database.write_text("timestamp,value\n" * 500), 2, NO_DATABASE),
    "page size that can't be": (put(16, b"\0\3"), 2, NO_DATABASE),
    "schema page of zeros": (put(100, bytes(PAGE - 100)), 1, DAMAGED),
    "schema that makes no sense": (
        lambda n: n.database.write_bytes(n.whole.replace(b"CREATE TABLE ", b"CREATE TBALE ")), 1,
        "ERROR   the schema of {f}/sensor.db is damaged or too new — " + RECOVER),
    "schema of a later format": (
        put(44, b"\0\0\0\x09"), 1,
        "ERROR   {f}/sensor.db is damaged or too new — " + RECOVER),
    "page of zeros": (put_where(ROW, bytes(PAGE)), 1, DAMAGED),
    "page of random bytes": (put_where(ROW, RANDOM[:PAGE]), 1, DAMAGED),
    "overflow page of zeros": (lambda n: put(overflow(n) * PAGE, bytes(PAGE))(n), 1, DAMAGED),
    "pipe": (instead(os.mkfifo), 2, NO_FILE),
    "socket": (instead(listen), 2, NO_FILE),
    "device": (instead(lambda p: p.symlink_to("/dev/zero")), 2, NO_FILE),
    "name that is not UTF-8": (
        lambda n: n.database.symlink_to(n.database.rename(n.folder / os.fsdecode(b"sensor.db\xff"))), 2,
        "ERROR   {f}/sensor.db is {f}/sensor.db\\udcff, whose name is not UTF-8 — give it another name"),
    "directory": (
        instead(Path.mkdir), 2, "ERROR   {f}/sensor.db is a directory — name the database file itself"),
    "link to nothing": (
        instead(lambda p: p.symlink_to("gone.db")), 2,
        "ERROR   no file {f}/gone.db, to which {f}/sensor.db leads — check --sqlite (sqlite in YAML)"),
    "link to itself": (
        instead(lambda p: p.symlink_to(p.name)), 2,
        "ERROR   can't look at {f}/sensor.db: Too many levels of symbolic links — check --sqlite (sqlite in YAML)"),
    "journal that is a pipe": (lambda n: os.mkfifo(f"{n.database}-journal"), 2, IN_THE_WAY),
    "journal that is a directory": (lambda n: Path(f"{n.database}-journal").mkdir(), 2, IN_THE_WAY),
    "hot journal": (
        lambda n: Path(f"{n.database}-journal").write_bytes(RANDOM[:5000]), 75,
        "ERROR   the writer of {f}/sensor.db died in the middle of a transaction, and its sensor.db-journal must be "
        "rolled back first, which changes the file: that is not ours to do — start its writer; or, as a user who may "
        "write there: sqlite3 {f}/sensor.db 'SELECT 1 FROM sqlite_schema'"),
}  # fmt: skip


def overflow(node: Node) -> int:
    """Return the number (from 0) of the page that an unread row's image is continued on, with a page after it."""
    end = node.whole.index(b"image", node.whole.index(b"note %090d" % 350))
    return end // PAGE - 1


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_told_in_one_line_and_changes_nothing(node: Node, case: str) -> None:
    break_it, code, line = BROKEN[case]
    break_it(node)
    before = node.standing()
    result = node.upload()
    assert (result.exit_code, result.output) == (code, "")
    assert result.errors == line.format(f=node.folder) + "\n"
    assert node.standing() == before


def test_once_the_file_is_whole_again_the_rest_arrives(node: Node) -> None:
    assert node.upload().exit_code == 0
    assert [row for (row,) in tables.rows(node.folder / "lake" / "raw_readings", "id")] == list(range(1, 401))


def linked(node: Node) -> None:
    node.database.symlink_to(node.database.rename(node.folder / "real.sqlite"))


def log_of(there: bytes) -> Callable[[Node], object]:
    def write(node: Node) -> None:
        databases.execute(node.database, "PRAGMA journal_mode = WAL")
        Path(f"{node.database}-wal").write_bytes(there)

    return write


def index_of_random_bytes(node: Node) -> None:
    write_and_die(node.database, "DELETE FROM readings WHERE id > 400")
    Path(f"{node.database}-shm").write_bytes(RANDOM[:32_768])


ODD: dict[str, Callable[[Node], object]] = {
    "link": linked,
    "log of random bytes": log_of(RANDOM[:50_000]),
    "log of a few bytes": log_of(RANDOM[:9]),
    "index of the log of random bytes": index_of_random_bytes,
    "journal without bytes": lambda n: Path(f"{n.database}-journal").touch(),
}


@pytest.mark.parametrize("case", ODD)
def test_a_file_that_is_only_odd_is_read(node: Node, tmp_path: Path, case: str) -> None:
    ODD[case](node)
    result = node.upload("--state-dir", tmp_path / "state", "--delta-path", tmp_path / "lake")
    assert (result.exit_code, result.errors) == (0, "")
    assert tables.rows(tmp_path / "lake" / "raw_readings", "count(*)") == [(400,)]


def test_a_log_that_is_damaged_ends_there_as_after_a_power_cut(node: Node, tmp_path: Path) -> None:
    write_and_die(node.database, *(_INSERT.format(first=i, last=i) for i in range(401, 421)))
    log = Path(f"{node.database}-wal")
    there = log.read_bytes()
    log.write_bytes(there[: len(there) // 2] + RANDOM[:100] + there[len(there) // 2 + 100 :])
    assert node.upload("--state-dir", tmp_path / "state", "--delta-path", tmp_path / "lake").exit_code == 0
    rows = [row for (row,) in tables.rows(tmp_path / "lake" / "raw_readings", "id")]
    assert rows == list(range(1, len(rows) + 1))
    assert 400 < len(rows) < 420


@pytest.mark.parametrize("name", ['we\'re "100%20 sure?mode=rw&x=#1" \\ ünï ✓;\n\x1b.db', "-rf.db", "file:x.db"])
def test_a_file_may_have_any_name_and_is_told_by_it_in_one_line(tmp_path: Path, name: str) -> None:
    add(tmp_path / "sensor.db", 1, 20)
    (tmp_path / "sensor.db").rename(tmp_path / name)
    node = Node(tmp_path, b"")
    named = ("--sqlite", f"./{name}")
    assert node.upload(*named).exit_code == 0
    assert tables.rows(tmp_path / "lake" / "raw_readings", "count(*)") == [(20,)]
    (tmp_path / name).write_bytes(RANDOM)
    result = node.upload(*named)
    assert result.exit_code == 2
    (line,) = result.errors.splitlines()
    assert line.endswith("is not a SQLite database — check --sqlite; is the file encrypted?")


def test_rows_before_the_damage_are_loaded(tmp_path: Path) -> None:
    database, lake = tmp_path / "sensor.db", tmp_path / "lake"
    add(database, 1, 4000)
    whole = database.read_bytes()
    damaged = whole.index(b"note %090d" % 3000) // PAGE * PAGE
    database.write_bytes(whole[:damaged] + bytes(PAGE) + whole[damaged + PAGE :])
    node = Node(tmp_path, whole)
    result = node.upload("--spool-max-bytes", "100KiB")
    assert (result.exit_code, result.errors) == (1, DAMAGED.format(f=tmp_path) + "\n")
    rows = [row for (row,) in tables.rows(lake / "raw_readings", "id")]
    assert rows == list(range(1, len(rows) + 1))
    assert 0 < len(rows) < 3000
    node.restore()
    assert node.upload().exit_code == 0
    assert [row for (row,) in tables.rows(lake / "raw_readings", "id")] == list(range(1, 4001))


def test_a_daemon_waits_for_a_file_to_become_a_database(node: Node, tmp_path: Path) -> None:
    database, lake = tmp_path / "sensor.db", tmp_path / "lake"
    database.write_bytes(RANDOM)
    with program.running("--sqlite", database, "--delta-path", lake, "--state-dir", tmp_path / "state") as daemon:
        program.wait_for(daemon, "is not a SQLite database")
        shutil.copy(node.database, tmp_path / "new.db")
        (tmp_path / "new.db").replace(database)
        program.wait_for(daemon, "loaded 400 rows")


def test_a_daemon_goes_on_when_the_file_is_locked_no_more(node: Node, tmp_path: Path) -> None:
    database, lake = tmp_path / "sensor.db", tmp_path / "lake"
    shutil.copy(node.database, database)
    given = ("--sqlite", database, "--delta-path", lake, "--state-dir", tmp_path / "state")
    with ExitStack() as held:
        held.enter_context(databases.locked(database))
        with program.running(*given) as daemon:
            program.wait_for(daemon, "is locked by another program, for 1 s now")
            held.close()
            program.wait_for(daemon, "loaded 400 rows")
