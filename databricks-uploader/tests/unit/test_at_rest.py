"""Reading a database that nobody has open, until somebody has; and looking at files without harm to locks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import databases, writers
from tests.support.fakes import standing_at

from databricks_uploader.errors import PermanentError
from databricks_uploader.model.columns import matched, natural_schema
from databricks_uploader.source import pages
from databricks_uploader.source.connection import Connection, MovedError, connect
from databricks_uploader.source.files import Stamp
from databricks_uploader.source.signature import signature
from databricks_uploader.source.sqlite import SqliteSource

INSERT = "INSERT INTO readings (sensor, value) VALUES ('c', 2.5)"
COUNT = "SELECT count(*) FROM readings"


@pytest.fixture
def resting(tmp_path: Path) -> Path:
    writers.make(tmp_path / "a.db", "WAL")
    return tmp_path / "a.db"


def opened(path: Path) -> Connection:
    return connect(path, lambda _: None)


def test_what_was_read_while_a_writer_came_and_went_is_read_again(resting: Path) -> None:
    counted: list[int] = []

    def count() -> int:
        counted.append(connection.rows(COUNT)[0][0])
        if len(counted) == 1:
            databases.execute(resting, INSERT)
        return counted[-1]

    with opened(resting) as connection:
        assert connection.consistent(count) == 3
    assert counted == [2, 3]


def test_a_transaction_during_which_a_writer_came_says_so_and_the_next_sees_its_rows(resting: Path) -> None:
    def interrupted() -> None:
        with connection.transaction():
            connection.rows(COUNT)
            databases.execute(resting, INSERT)

    with opened(resting) as connection:
        with pytest.raises(MovedError, match="came back"):
            interrupted()
        assert connection.rows(COUNT) == [(3,)]


def test_a_writer_that_comes_and_stays_is_seen_by_its_log(resting: Path) -> None:
    with opened(resting) as connection:
        assert connection.rows("SELECT count(*) FROM sqlite_schema WHERE name = 'readings'") == [(1,)]
        with writers.committing(resting) as writer:
            writer.commit()
            assert connection.rows(COUNT) == [(3,)]
            assert {path.name for path in resting.parent.iterdir()} == {"a.db", "a.db-wal", "a.db-shm"}


def test_an_error_from_a_file_that_moved_is_not_believed(resting: Path) -> None:
    def torn() -> int:
        if not tried:
            tried.append(True)
            databases.execute(resting, INSERT)
            raise PermanentError("malformed", hint="")
        return int(connection.rows(COUNT)[0][0])

    tried: list[bool] = []
    with opened(resting) as connection:
        assert connection.consistent(torn) == 3


def test_a_database_that_never_holds_still_is_transient(resting: Path) -> None:
    def read() -> None:
        databases.execute(resting, INSERT)

    with opened(resting) as connection, pytest.raises(MovedError):
        connection.consistent(read)


def test_pages_that_were_read_stay_and_the_others_follow_when_a_writer_comes_between(resting: Path) -> None:
    databases.execute(resting, *[INSERT] * 4)
    source = SqliteSource(resting, lambda _: None, page_size=pages.PageSize(first_rows=2, rows=2))
    table = source.table()
    columns = matched(table, None, natural_schema(table, None)).pairs
    with source.reading(table, columns, standing_at(None), []) as reading:
        assert next(reading.pages).up_to == 2
        databases.execute(resting, INSERT, "DELETE FROM readings WHERE id IN (1, 3)")
        assert [page.up_to for page in reading.pages] == [5, 7]
    assert list(resting.parent.iterdir()) == [resting]


def test_a_link_is_followed_to_the_log_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link.db").symlink_to("data/100% #?.db")
    with writers.in_state(tmp_path / "data" / "100% #?.db", "running"), opened(tmp_path / "link.db") as connection:
        assert connection.rows(COUNT) == [(2,)]
    assert {path.name for path in tmp_path.iterdir()} == {"data", "link.db"}


def _look(path: Path) -> None:
    for _ in range(3):
        signature(path)
        with opened(path):
            pass


def _open_and_close(path: Path) -> None:
    path.open("rb").close()


@pytest.mark.parametrize(("look", "kept"), [(_look, True), (_open_and_close, False)], ids=["ours", "plain open"])
def test_looking_at_files_takes_no_lock_from_an_open_connection(
    tmp_path: Path, look: Callable[[Path], None], *, kept: bool
) -> None:
    path = tmp_path / "a.db"
    with writers.in_state(path, "running") as writer, opened(path) as connection:
        connection.rows(COUNT)
        look(path)
        writers.stop(writer)
        assert path.with_name("a.db-wal").exists() is kept


def test_no_descriptor_is_left_open(resting: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with opened(resting) as connection:
        _look(resting)
        connection.rows(COUNT)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("ctime_ns", "now_ns", "seconds"),
    [
        (1_000_000_001, 1_010_000_001, 0.01),
        (1_000_000_001, 1_020_000_001, 0),
        (1_000_000_000, 1_020_000_000, 2),
        (1_000_000_000, 3_020_000_000, 0),
        (9_000_000_001, 1_000_000_000, 0),
    ],
    ids=["young", "old", "whole seconds, young", "whole seconds, old", "from a clock that was set back"],
)
def test_a_time_tells_later_writes_once_it_is_older_than_a_tick(ctime_ns: int, now_ns: int, seconds: float) -> None:
    assert Stamp(1, 1, 1, 1, ctime_ns).settled_in(now_ns) == pytest.approx(seconds)


def test_a_file_that_is_deleted_while_its_pages_are_read_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    databases.execute(
        path, "CREATE TABLE readings (id INTEGER PRIMARY KEY)", *["INSERT INTO readings DEFAULT VALUES"] * 9
    )
    source = SqliteSource(path, lambda _: None, page_size=pages.PageSize(first_rows=2, rows=2))
    table = source.table()
    columns = matched(table, None, natural_schema(table, None)).pairs
    with source.reading(table, columns, standing_at(None), []) as reading:
        assert next(reading.pages).up_to == 2
        path.unlink()
        assert [page.up_to for page in reading.pages] == [4, 6, 8, 9]
