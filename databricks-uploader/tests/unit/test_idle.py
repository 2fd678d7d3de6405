"""Nothing new costs no query."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.cycles import whole_cycle
from tests.support.fakes import FakeClock, MemoryDestination, MemoryTable
from tests.support.writer import Writer

from databricks_uploader.model.claim import Identity
from databricks_uploader.model.columns import Pair
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.model.position import Position
from databricks_uploader.model.source import SourceTable
from databricks_uploader.ports import Ports, Reading, TimedPage
from databricks_uploader.source.signature import signature
from databricks_uploader.source.sqlite import SqliteSource
from databricks_uploader.spool.folder import FolderSpool
from databricks_uploader.state.store import Store

TABLES = {
    "rowid": "CREATE TABLE t (id INTEGER PRIMARY KEY, ts TEXT)",
    "time": "CREATE TABLE t (id INTEGER, ts TEXT, PRIMARY KEY (id, ts)) WITHOUT ROWID",
}


@dataclass
class Counted(SqliteSource):
    """A source that counts how often it is asked for rows or for its table."""

    asked: int = 0

    def table(self) -> SourceTable:
        self.asked += 1
        return super().table()

    @contextmanager
    def reading(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, witnesses: Sequence[int]
    ) -> Iterator[Reading]:
        self.asked += 1
        with super().reading(table, columns, position, witnesses) as found:
            yield found

    @contextmanager
    def sweep(
        self, table: SourceTable, columns: Sequence[Pair], position: Position, since: object
    ) -> Iterator[Iterator[TimedPage]]:
        self.asked += 1
        with super().sweep(table, columns, position, since) as found:  # type: ignore[arg-type]
            yield found


@pytest.mark.parametrize("order", TABLES)
def test_a_cycle_asks_the_database_nothing_until_something_is_committed(tmp_path: Path, order: str) -> None:
    database = tmp_path / "source.db"
    (tmp_path / "state" / "spool").mkdir(parents=True)
    identity = Identity("node", "t", "raw_t")
    source = Counted(database, lambda _: None)
    table = MemoryTable()
    with Writer() as writer, Store.open(tmp_path / "state") as store:
        writer.write(database, TABLES[order], "INSERT INTO t VALUES (1, '2026-11-24T08:00:00Z')")
        destination, spool = MemoryDestination(table, identity), FolderSpool(tmp_path / "state" / "spool")
        ports = Ports(source, destination, spool, store, FakeClock())

        def asked_by_a_cycle() -> int:
            before = source.asked
            whole_cycle(Pipeline(identity), ports, lambda _: None)
            return source.asked - before

        asked_by_a_cycle()
        while signature(database) is None:
            pass  # the file is too young for its times to be trusted
        assert asked_by_a_cycle() > 0
        assert [asked_by_a_cycle() for _ in range(3)] == [0, 0, 0]
        writer.write(database, "INSERT INTO t VALUES (2, '2026-11-24T08:00:01Z')")
        assert asked_by_a_cycle() > 0
        assert len(table.rows()) == 2
