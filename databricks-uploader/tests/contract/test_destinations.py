"""What every destination promises, on the fake and on real ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support import tables
from tests.support.fakes import READINGS, START, MemoryDestination, MemoryTable, page_of, spooled, time_of

from databricks_uploader.destinations.delta import DeltaDestination
from databricks_uploader.errors import TransientError
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


def load(destination: Destination, spool: FolderSpool, *claims: Claim) -> None:
    destination.table()
    for claim in claims:
        destination.stage(claim, spool.path(claim))
    destination.load(claims)


class DestinationContract:
    def connect(self, identity: Identity) -> Destination:
        raise NotImplementedError

    def rows(self) -> list[tuple[Any, ...]]:
        """Return (id, time in s after START, value, _node_id, _batch_id, _row) of all rows, in order of id."""
        raise NotImplementedError

    @pytest.fixture
    def destination(self) -> Destination:
        created = self.connect(NODE)
        assert created.table() is None
        created.create(SCHEMA)
        return created

    def test_a_table_that_is_not_there_is_none(self) -> None:
        assert self.connect(NODE).table() is None

    def test_a_created_table_has_its_schema_and_keeps_its_id(self, destination: Destination) -> None:
        first, second = destination.table(), self.connect(OTHER).table()
        assert first is not None
        assert first == second
        assert [(c.name, c.type) for c in first.schema.columns] == [(c.name, c.type) for c in SCHEMA.columns]

    def test_a_table_is_not_created_over_another(self, destination: Destination) -> None:
        with pytest.raises(TransientError):
            destination.create(SCHEMA)

    def test_a_loaded_claim_is_rows_and_head(self, destination: Destination, spool: FolderSpool) -> None:
        claim = claim_of(spool, NODE, 1, [1, 2])
        load(destination, spool, claim)
        destination.prove([claim])
        destination.table()
        assert destination.head() == Head.after(claim)
        batch = 7 << 24 | 1
        assert self.rows() == [(1, 1.0, 0.5, "node", batch, 1), (2, 2.0, 1.0, "node", batch, 2)]

    def test_several_claims_are_loaded_in_order_of_their_sequence(
        self, destination: Destination, spool: FolderSpool
    ) -> None:
        claims = [claim_of(spool, NODE, 1, [1, 2]), claim_of(spool, NODE, 2, [3]), claim_of(spool, NODE, 3, [4])]
        load(destination, spool, *claims)
        destination.prove(claims)
        destination.table()
        assert destination.head() == Head.after(claims[2])
        assert [row[0] for row in self.rows()] == [1, 2, 3, 4]

    def test_staging_alone_loads_nothing(self, destination: Destination, spool: FolderSpool) -> None:
        claim = claim_of(spool, NODE, 1, [1])
        destination.table()
        for _ in range(2):
            destination.stage(claim, spool.path(claim))
        assert self.rows() == []
        assert destination.head() is None

    def test_a_claim_that_is_not_loaded_is_not_proved(self, destination: Destination, spool: FolderSpool) -> None:
        first, second = claim_of(spool, NODE, 1, [1]), claim_of(spool, NODE, 2, [2])
        load(destination, spool, first)
        with pytest.raises(TransientError):
            destination.prove([first, second])

    def test_loading_again_on_the_same_look_is_refused_and_doubles_nothing(
        self, destination: Destination, spool: FolderSpool
    ) -> None:
        claim = claim_of(spool, NODE, 1, [1, 2])
        load(destination, spool, claim)
        with pytest.raises(TransientError):
            destination.load([claim])
        assert [row[0] for row in self.rows()] == [1, 2]

    def test_of_two_copies_of_a_node_one_is_refused(self, destination: Destination, spool: FolderSpool) -> None:
        twin = self.connect(NODE)
        twin.table()
        destination.table()
        ours, theirs = claim_of(spool, NODE, 1, [1, 2]), claim_of(spool, NODE, 1, [3], owner=8)
        for copy, claim in ((destination, ours), (twin, theirs)):
            copy.stage(claim, spool.path(claim))
        destination.load([ours])
        with pytest.raises(TransientError):
            twin.load([theirs])
        twin.table()
        assert twin.head() == Head.after(ours)
        assert [row[0] for row in self.rows()] == [1, 2]

    def test_nodes_share_a_table_without_seeing_each_other(self, destination: Destination, spool: FolderSpool) -> None:
        other = self.connect(OTHER)
        other.table()
        ours, theirs = claim_of(spool, NODE, 1, [1]), claim_of(spool, OTHER, 1, [2], owner=8)
        load(destination, spool, ours)
        other.stage(theirs, spool.path(theirs))
        other.load([theirs])
        other.table()
        assert other.head() == Head.after(theirs)
        assert [(row[0], row[3]) for row in self.rows()] == [(1, "node"), (2, "other")]

    def test_the_newest_row_can_be_asked_for_also_when_the_newest_claim_is_one_of_late_rows(
        self, destination: Destination, spool: FolderSpool
    ) -> None:
        claims = [claim_of(spool, NODE, 1, [1, 2, 6]), claim_of(spool, NODE, 2, [5])]
        load(destination, spool, *claims)
        destination.table()
        assert destination.last_row(Head.after(claims[1]), "time") == LastRow(6, 99, time_of(6))
        assert destination.last_row(Head.after(claims[0]), None) == LastRow(6, 99, None)


class TestMemoryDestination(DestinationContract):
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


class TestDeltaDestination(DestinationContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.table = tmp_path / "lake" / "raw_readings"

    def connect(self, identity: Identity) -> Destination:
        return DeltaDestination(self.table, identity)

    def rows(self) -> list[tuple[Any, ...]]:
        seconds = f"epoch(time) - {START.timestamp()}"
        return tables.rows(self.table, f"id, {seconds}, value, _node_id, _batch_id, _row")
