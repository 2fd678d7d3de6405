"""Nothing new is told by files alone, and no commit ever goes unseen."""

import mmap
from pathlib import Path

import pytest
from tests.support import writers

from databricks_uploader.source import files
from databricks_uploader.source.connection import connect
from databricks_uploader.source.signature import Signature, signature


def settled(path: Path) -> Signature:
    """Return the signature once files can tell."""
    while (found := signature(path)) is None:
        pass
    return found


class Looker:
    """Looks for rows as the loop does: by a query only if the signature moved, or can't tell."""

    def __init__(self, path: Path) -> None:
        self.path, self.queries = path, 0
        self.seen: Signature | None = None
        self.rows = 0

    def look(self) -> int:
        found = signature(self.path)
        if found is None or found != self.seen:
            self.queries += 1
            with connect(self.path, lambda _: None) as connection:
                self.rows = connection.rows("SELECT count(*) FROM readings")[0][0]
            self.seen = found
        return self.rows


@pytest.mark.parametrize("mode", ["WAL", "DELETE", "TRUNCATE", "PERSIST"])
def test_no_commit_goes_unseen(tmp_path: Path, mode: str) -> None:
    path, looker = tmp_path / "a.db", Looker(tmp_path / "a.db")
    writers.make(path, mode)
    with writers.committing(path) as writer:
        for number in range(3, 603):
            writer.commit()
            assert looker.look() == number
            if number % 4 == 0:
                settled(path)
                assert looker.look() == number
                queries = looker.queries
                assert (looker.look(), looker.queries) == (number, queries)


def test_the_index_of_the_log_alone_tells_every_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_TICK_NS", 0)
    path, looker = tmp_path / "a.db", Looker(tmp_path / "a.db")
    writers.make(path, "WAL")
    with writers.committing(path) as writer:
        for number in range(3, 2003):
            writer.commit()
            assert looker.look() == number


def test_a_commit_that_was_written_long_before_it_is_published_moves_the_signature(tmp_path: Path) -> None:
    path, index = tmp_path / "a.db", tmp_path / "a.db-shm"
    path.write_bytes(b"SQLite format 3\0")
    (tmp_path / "a.db-wal").write_bytes(b"frames, synced slowly")
    index.write_bytes(bytes(32768))
    before = settled(path)
    times = index.stat().st_mtime_ns
    with index.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[16] = memory[48 + 16] = 7  # mxFrame, in both copies
        after = signature(path)
        memory[16] = 8  # a writer is in the middle of it
        torn = signature(path)
    assert (after != before, torn, index.stat().st_mtime_ns - times >= 0) == (True, None, True)


@pytest.mark.parametrize("state", ["stopped", "killed", "running", "rollback journal"])
def test_our_own_reading_does_not_move_the_signature(tmp_path: Path, state: str) -> None:
    path = tmp_path / "a.db"
    with writers.in_state(path, state):
        looker = Looker(path)
        settled(path)
        for _ in range(2):  # the first may find a log that nobody has indexed
            looker.look()
        queries = looker.queries
        assert [looker.look() for _ in range(5)] == [2] * 5
        assert looker.queries == queries


def test_another_file_of_the_same_size_and_time_has_another_signature(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writers.make(path, "DELETE")
    before = settled(path)
    other = tmp_path / "b.db"
    other.write_bytes(path.read_bytes())
    other.replace(path)
    assert settled(path) != before


def test_files_can_not_tell_where_there_is_none_or_on_a_file_system_with_times_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    assert signature(path) is None
    writers.make(path, "DELETE")
    settled(path)
    other = tmp_path / "b.db"
    path.rename(other)
    monkeypatch.setattr("databricks_uploader.source.signature._LOCAL", frozenset())
    assert [signature(other) for _ in range(1000)] == [None] * 1000


def test_files_can_not_tell_as_long_as_two_writes_in_one_tick_would_look_like_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    writers.make(path, "DELETE")
    settled(path)
    monkeypatch.setattr(files, "_TICK_NS", 3600 * 10**9)
    assert signature(path) is None
