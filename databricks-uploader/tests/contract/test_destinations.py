"""What every destination promises, on the fake and on real ones."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support import tables
from tests.support.fakes import READINGS, START, MemoryDestination, MemoryTable, page_of, spooled, time_of
from tests.support.real import RealWorkspace
from tests.support.warehouse import Warehouse
from tests.support.workspace import Edge

from databricks_uploader.destinations.delta import DeltaDestination
from databricks_uploader.errors import StateError, TransientError
from databricks_uploader.model.claim import Claim, Counts, Head, Identity, Span
from databricks_uploader.model.columns import columns_of, matched, natural_schema
from databricks_uploader.ports import Destination, LastRow, Lineage
from databricks_uploader.spool.folder import FolderSpool

NODE, OTHER = (Identity(node, "readings", "raw_readings") for node in ("node", "other"))
SCHEMA = natural_schema(READINGS, "time")
OWN = columns_of(matched(READINGS, "time", SCHEMA).pairs)
Connect = Callable[[Identity], Destination]


@pytest.fixture
def spool(tmp_path: Path) -> FolderSpool:
    (tmp_path / "spool").mkdir()
    return FolderSpool(tmp_path / "spool")


def claim_of(spool: FolderSpool, identity: Identity, sequence: int, keys: list[int], owner: int = 7) -> Claim:
    lineage = Lineage(identity.node_id, 99, owner, sequence, START)
    file, statistics = spooled(spool, [page_of(keys)], OWN, lineage)
    return Claim(
        identity=identity, owner=owner, sequence=sequence, incarnation=99, span=Span(None, keys[-1]),
        counts=Counts(len(keys), len(keys)), file=file, columns=OWN, statistics=statistics, newest=None,
        claimed_at=START,
    )  # fmt: skip


def load(destination: Destination, spool: FolderSpool, *claims: Claim, known: Head | None = None) -> None:
    for claim in destination.not_loaded(known, claims):
        destination.stage(claim, spool.path(claim))
    destination.table()
    destination.load(claims)


def claimed(head: Head | None) -> tuple[int, int] | None:
    """Return owner and sequence of a head; not every destination can tell its digest."""
    return None if head is None else (head.owner, head.sequence)


class DestinationContract:
    schema = SCHEMA

    def connect(self, identity: Identity) -> Destination:
        raise NotImplementedError

    def rows(self) -> list[tuple[Any, ...]]:
        """Return (id, time in s after START, value, _node_id, _batch_id, _row) of all rows, in order of id."""
        raise NotImplementedError

    def ids(self) -> list[int]:
        return [row[0] for row in self.rows()]

    @pytest.fixture
    def destination(self) -> Destination:
        created = self.connect(NODE)
        assert created.table() is None
        created.create(self.schema, "time")
        return created

    def test_a_table_that_is_not_there_is_none(self) -> None:
        assert self.connect(NODE).table() is None

    def test_a_created_table_has_its_schema_and_keeps_its_id(self, destination: Destination) -> None:
        first, second = destination.table(), self.connect(OTHER).table()
        assert first is not None
        assert first == second
        assert [(c.name, c.type) for c in first.schema.columns] == [(c.name, c.type) for c in self.schema.columns]

    def test_a_table_is_not_created_over_another(self, destination: Destination) -> None:
        with pytest.raises(TransientError):
            destination.create(self.schema)

    def test_a_loaded_claim_is_rows(self, destination: Destination, spool: FolderSpool) -> None:
        claim = claim_of(spool, NODE, 1, [1, 2])
        load(destination, spool, claim)
        destination.prove([claim])
        assert [row[:3] for row in self.rows()] == [(1, 1.0, 0.5), (2, 2.0, 1.0)]

    def test_several_claims_are_loaded_together(self, destination: Destination, spool: FolderSpool) -> None:
        claims = [claim_of(spool, NODE, 1, [1, 2]), claim_of(spool, NODE, 2, [3]), claim_of(spool, NODE, 3, [4])]
        load(destination, spool, *claims)
        destination.prove(claims)
        assert self.ids() == [1, 2, 3, 4]

    def test_staging_alone_loads_nothing(self, destination: Destination, spool: FolderSpool) -> None:
        claim = claim_of(spool, NODE, 1, [1])
        for _ in range(2):
            assert destination.not_loaded(None, [claim]) == [claim]
            destination.stage(claim, spool.path(claim))
        assert self.rows() == []

    def test_a_claim_that_is_not_loaded_is_not_proved(self, destination: Destination, spool: FolderSpool) -> None:
        first, second = claim_of(spool, NODE, 1, [1]), claim_of(spool, NODE, 2, [2])
        load(destination, spool, first)
        with pytest.raises(TransientError):
            destination.prove([first, second])

    def test_loading_again_doubles_nothing(self, destination: Destination, spool: FolderSpool) -> None:
        claim = claim_of(spool, NODE, 1, [1, 2])
        load(destination, spool, claim)
        with suppress(TransientError):
            destination.load([claim])
        assert self.ids() == [1, 2]

    def test_another_process_loads_only_what_is_missing(self, destination: Destination, spool: FolderSpool) -> None:
        first, second = claim_of(spool, NODE, 1, [1, 2]), claim_of(spool, NODE, 2, [3])
        load(destination, spool, first)
        again = self.connect(NODE)
        missing = again.not_loaded(None, [first, second])
        for claim in missing:
            again.stage(claim, spool.path(claim))
        again.table()
        again.load(missing)
        again.prove([first, second])
        assert self.ids() == [1, 2, 3]

    def test_nodes_share_a_table(self, destination: Destination, spool: FolderSpool) -> None:
        load(destination, spool, claim_of(spool, NODE, 1, [1]))
        load(self.connect(OTHER), spool, claim_of(spool, OTHER, 1, [2], owner=8))
        assert self.ids() == [1, 2]


class KeepsLineage(DestinationContract):
    """What those promise besides whose tables say where each row came from."""

    def test_a_loaded_claim_is_the_head_and_its_rows_say_so(self, destination: Destination, spool: FolderSpool) -> None:
        claims = [claim_of(spool, NODE, 1, [1, 2]), claim_of(spool, NODE, 2, [3])]
        load(destination, spool, *claims)
        destination.table()
        assert claimed(destination.head()) == (7, 2)
        first, second = 7 << 24 | 1, 7 << 24 | 2
        assert [row[3:] for row in self.rows()] == [("node", first, 1), ("node", first, 2), ("node", second, 3)]

    def test_nodes_do_not_see_each_other(self, destination: Destination, spool: FolderSpool) -> None:
        other = self.connect(OTHER)
        load(destination, spool, claim_of(spool, NODE, 1, [1]))
        load(other, spool, claim_of(spool, OTHER, 1, [2], owner=8))
        for one, owner in ((destination, 7), (other, 8)):
            one.table()
            assert claimed(one.head()) == (owner, 1)

    def test_an_older_copy_of_a_node_is_refused(self, destination: Destination, spool: FolderSpool) -> None:
        first, second = claim_of(spool, NODE, 1, [1, 2]), claim_of(spool, NODE, 2, [3])
        load(destination, spool, first, second)
        with pytest.raises(StateError):
            self.connect(NODE).not_loaded(None, [first])

    def test_the_newest_row_can_be_asked_for_also_when_the_newest_claim_is_one_of_late_rows(
        self, destination: Destination, spool: FolderSpool
    ) -> None:
        claims = [claim_of(spool, NODE, 1, [1, 2, 6]), claim_of(spool, NODE, 2, [5])]
        load(destination, spool, *claims)
        destination.table()
        assert destination.last_row(Head.after(claims[1]), "time") == LastRow(6, 99, time_of(6))
        assert destination.last_row(Head.after(claims[0]), None) == LastRow(6, 99, None)


class NoticesTwins(KeepsLineage):
    """What those promise besides whose every load shows the loads before."""

    def test_of_two_copies_of_a_node_one_is_refused(self, destination: Destination, spool: FolderSpool) -> None:
        twin = self.connect(NODE)
        ours, theirs = claim_of(spool, NODE, 1, [1, 2]), claim_of(spool, NODE, 1, [3], owner=8)
        assert twin.not_loaded(None, [theirs]) == [theirs]
        load(destination, spool, ours)
        twin.stage(theirs, spool.path(theirs))
        twin.table()
        with pytest.raises((TransientError, StateError)):
            twin.load([theirs])
        with pytest.raises(StateError):
            self.connect(NODE).not_loaded(None, [theirs])
        assert [row[0] for row in self.rows()] == [1, 2]


class TestMemoryDestination(NoticesTwins):
    @pytest.fixture(autouse=True)
    def shared(self) -> None:
        self.table = MemoryTable()

    def connect(self, identity: Identity) -> Destination:
        return MemoryDestination(self.table, identity)

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (r["id"], (r["time"] - START).total_seconds(), r["value"], r["_node_id"], r["_batch_id"], r["_row"])
            for r in sorted(self.table.rows(), key=lambda r: int(r["id"]))
        ]


class TestDeltaDestination(NoticesTwins):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.table = tmp_path / "lake" / "raw_readings"

    def connect(self, identity: Identity) -> Destination:
        return DeltaDestination(self.table, identity)

    def rows(self) -> list[tuple[Any, ...]]:
        seconds = f"epoch(time) - {START.timestamp()}"
        return tables.rows(self.table, f"id, {seconds}, value, _node_id, _batch_id, _row")


class InWorkspace(DestinationContract):
    """A table of the local warehouse, every request real."""

    @pytest.fixture(autouse=True)
    def edge(self, workspace: Warehouse | RealWorkspace) -> Iterator[None]:
        catalog = os.environ.get("DATABRICKS_CATALOG", "main")
        self.edge_ = Edge(workspace, catalog=catalog)
        self.opened: list[Destination] = []
        yield
        for one in self.opened:
            one.close()
        self.edge_.drop()

    def connect(self, identity: Identity) -> Destination:
        self.opened.append(self.way(identity))
        return self.opened[-1]

    def way(self, identity: Identity) -> Destination:
        raise NotImplementedError

    def rows(self) -> list[tuple[Any, ...]]:
        return self.edge_.rows()


class TestDatabricksByVolume(InWorkspace, NoticesTwins):
    def way(self, identity: Identity) -> Destination:
        return self.edge_.by_volume(identity)


class TestDatabricksByVolumeWithoutLineage(InWorkspace):
    schema = OWN

    def way(self, identity: Identity) -> Destination:
        return self.edge_.by_volume(identity)


class TestDatabricksByMerge(InWorkspace, KeepsLineage):
    def way(self, identity: Identity) -> Destination:
        return self.edge_.by_merge(identity)


class TestDatabricksByMergeWithoutLineage(InWorkspace):
    schema = OWN

    def way(self, identity: Identity) -> Destination:
        return self.edge_.by_merge(identity, key=("id",))
