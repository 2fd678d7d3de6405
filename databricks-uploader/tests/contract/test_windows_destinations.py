"""What every destination promises of aggregated rows, on real tables."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from tests.support import typed_files
from tests.support.fakes import MemoryTable, MemoryWindows
from tests.support.real import RealWorkspace
from tests.support.warehouse import Warehouse
from tests.support.workspace import Edge

from databricks_uploader.destinations.databricks import staging
from databricks_uploader.destinations.databricks.windows import (
    WindowsByMerge,
    WindowsByVolume,
    bounds,
    newest_of,
    upsert_statement,
)
from databricks_uploader.destinations.delta_windows import DeltaWindows
from databricks_uploader.errors import StateError, TransientError
from databricks_uploader.model.aggregation import AggregateStep, Aggregation, Function
from databricks_uploader.model.claim import Claim, Counts, Head, Identity, Span
from databricks_uploader.model.table import LINEAGE, Column, TableSchema
from databricks_uploader.model.upsert import Upsert, check_ours
from databricks_uploader.model.windows import key_of
from databricks_uploader.model.work import Aggregate, Work
from databricks_uploader.ports import Destination, Lineage
from databricks_uploader.spool.folder import FolderSpool
from databricks_uploader.steps.aggregating import aggregate, look

NODE, OTHER = (Identity(node, "readings", "aggregated_readings") for node in ("node", "other"))
TYPES = {"seen": "timestamp", "Site": "string", "level": "long", "temperature": "double"}
STEP = AggregateStep(
    ("Site", "hour_of_day"),
    (
        Aggregation(column="level", function=Function.SUM),
        Aggregation(column="temperature", function=Function.AVG),
        Aggregation(column="readings", function=Function.COUNT),
    ),
)
OWN = STEP.output(typed_files.schema(TYPES))
DAY = datetime(2026, 1, 31, tzinfo=UTC)
NOON = DAY + timedelta(hours=12)
Reading = tuple[float, str | None, int]
"""Hours after midnight, site, level."""


class Windows(Destination, Protocol):
    def windows_between(self, columns: tuple[str, ...], low: datetime, high: datetime) -> set[tuple[int, ...]]: ...


@pytest.fixture
def spool(tmp_path: Path) -> FolderSpool:
    (tmp_path / "spool").mkdir()
    return FolderSpool(tmp_path / "spool")


def claim_of(spool: FolderSpool, sequence: int, *readings: Reading, identity: Identity = NODE, owner: int = 7) -> Claim:
    """Return a claim of all windows of some readings, as an aggregation makes it."""
    lineage = Lineage(identity.node_id, 99, owner, sequence, NOON)
    rows = [
        {"seen": DAY + timedelta(hours=hours), "Site": site, "level": level, "temperature": level / 2}
        for hours, site, level in readings
    ]
    folder = spool.folder
    typed_files.write(folder / "typed", TYPES, rows)
    work = Aggregate(STEP, typed_files.schema(TYPES), "seen", OWN)
    windows = [seen.start for seen in look(work, [folder / "typed"]).seen]
    done = aggregate(work, [folder / "typed"], windows, lineage, folder / "made")
    batches = iter(batches_of(folder / "made"))
    file = spool.write(batches, Work((), OWN), lineage).file
    return Claim(
        identity=identity, owner=owner, sequence=sequence, incarnation=99, span=Span(None, len(rows)),
        counts=Counts(len(rows), len(rows)), file=file, columns=OWN, statistics=done.statistics, newest=None,
        claimed_at=NOON,
    )  # fmt: skip


def batches_of(file: Path) -> list[Any]:
    table = pq.read_table(file)
    own = [column.name for column in OWN.columns]
    return list(table.select([*own, "_row"]).to_batches())


def load(destination: Windows, spool: FolderSpool, *claims: Claim, known: Head | None = None) -> None:
    missing = destination.not_loaded(known, claims)
    for claim in missing:
        destination.stage(claim, spool.path(claim))
    if missing:
        destination.table()
        destination.load(missing)
    destination.prove(claims)


class WindowsContract:
    schema = TableSchema.of([*OWN.columns, *LINEAGE.columns])

    def connect(self, identity: Identity) -> Windows:
        raise NotImplementedError

    def table(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def levels(self) -> list[tuple[str | None, int, int]]:
        """Return (site, hour, sum of levels) of all rows, in order."""
        rows = [(row["Site"], row["hour_of_day"], int(row["sum_level"])) for row in self.table()]
        return sorted(rows, key=lambda row: (row[1], row[0] or "", row[2]))

    @pytest.fixture
    def destination(self) -> Windows:
        created = self.connect(NODE)
        created.create(self.schema)
        created.table()
        return created

    def test_rows_are_those_of_the_claim(self, destination: Windows, spool: FolderSpool) -> None:
        load(destination, spool, claim_of(spool, 1, (1, "a", 2**62), (1.5, "a", 2**62), (1, None, 3), (2, "a", 4)))
        first = next(row for row in self.table() if row["Site"] == "a" and row["hour_of_day"] == 1)
        assert first["sum_level"] == Decimal(2**63)
        assert (first["day"], first["avg_temperature"], first["reading_count"]) == (DAY, 2**61, 2)
        assert self.levels() == [(None, 1, 3), ("a", 1, 2**63), ("a", 2, 4)]

    def test_loading_again_changes_nothing(self, destination: Windows, spool: FolderSpool) -> None:
        claim = claim_of(spool, 1, (1, "a", 1), (1, None, 2))
        load(destination, spool, claim)
        with suppress(TransientError):
            destination.load([claim])
        again = self.connect(NODE)
        again.table()
        load(again, spool, claim)
        assert self.levels() == [(None, 1, 2), ("a", 1, 1)]

    def test_a_later_claim_replaces_a_window_and_leaves_others(self, destination: Windows, spool: FolderSpool) -> None:
        first = claim_of(spool, 1, (1, "a", 1), (1, None, 2), (3, "a", 5))
        load(destination, spool, first)
        second = claim_of(spool, 2, (1, "a", 1), (1.9, "a", 10), (1, None, 20), (4, None, 6))
        load(destination, spool, second, known=Head.after(first) if self.tells_digest else None)
        assert self.levels() == [(None, 1, 20), ("a", 1, 11), ("a", 3, 5), (None, 4, 6)]

    def test_of_several_claims_the_newest_of_a_window_stays(self, destination: Windows, spool: FolderSpool) -> None:
        claims = [claim_of(spool, n, (1, "a", n), (n, None, n)) for n in (1, 2, 3)]
        load(destination, spool, *claims)
        assert self.levels() == [(None, 1, 1), ("a", 1, 3), (None, 2, 2), (None, 3, 3)]

    def test_a_claim_that_changes_nothing_is_loaded_too(self, destination: Windows, spool: FolderSpool) -> None:
        first = claim_of(spool, 1, (1, "a", 1))
        load(destination, spool, first)
        second = claim_of(spool, 2, (1, "a", 1))
        load(destination, spool, second, known=Head.after(first) if self.tells_digest else None)
        assert self.levels() == [("a", 1, 1)]

    def test_the_windows_of_a_time_can_be_asked_for(self, destination: Windows, spool: FolderSpool) -> None:
        load(destination, spool, claim_of(spool, 1, (1, "a", 1), (5, "b", 1), (30, "a", 1)))
        destination.table()
        found = destination.windows_between(("day", "hour_of_day"), DAY, DAY + timedelta(hours=1))
        micros = int(DAY.timestamp()) * 10**6
        assert found == {(micros, 1), (micros, 5)} == {key_of(STEP, micros + h * 3_600_000_000) for h in (1, 5)}

    tells_digest = False


class Guarded(WindowsContract):
    """What those promise besides whose tables tell which row is newer."""

    def test_an_older_claim_never_replaces_a_newer_one(self, destination: Windows, spool: FolderSpool) -> None:
        older, newer = claim_of(spool, 1, (1, "a", 1), (2, "a", 9)), claim_of(spool, 2, (1, "a", 2))
        load(destination, spool, newer)
        self.load_late(destination, spool, older)
        assert self.levels() == [("a", 1, 2), ("a", 2, 9)]

    def test_another_owner_replaces_only_with_as_many_rows(self, destination: Windows, spool: FolderSpool) -> None:
        load(destination, spool, claim_of(spool, 5, (1, "a", 1), (1, "a", 2), (2, "a", 1), (2, "a", 2), (3, "b", 1)))
        rebuilt = claim_of(spool, 1, (1, "a", 7), (2, "a", 3), (2, "a", 4), (3, "b", 2), (3, "b", 3), owner=3)
        self.load_late(destination, spool, rebuilt)
        assert self.levels() == [("a", 1, 3), ("a", 2, 7), ("b", 3, 5)]

    def load_late(self, destination: Windows, spool: FolderSpool, claim: Claim) -> None:
        """Load a claim past the head check, as a statement does that comes late."""
        destination.stage(claim, spool.path(claim))
        destination.table()
        destination.load([claim])


class TwoNodes(Guarded):
    """What those promise besides whose tables tell the nodes apart."""

    def test_nodes_have_rows_of_their_own(self, destination: Windows, spool: FolderSpool) -> None:
        load(destination, spool, claim_of(spool, 1, (1, "a", 1), (1, None, 2)))
        other = self.connect(OTHER)
        load(other, spool, claim_of(spool, 1, (1, "a", 10), (1, None, 20), identity=OTHER, owner=8))
        assert self.levels() == [(None, 1, 2), (None, 1, 20), ("a", 1, 1), ("a", 1, 10)]


class TestMemory(TwoNodes):
    tells_digest = True

    @pytest.fixture(autouse=True)
    def memory(self) -> None:
        self.memory_ = MemoryTable()

    def connect(self, identity: Identity) -> Windows:
        return MemoryWindows(self.memory_, identity, keys=STEP.keys)

    def table(self) -> list[dict[str, Any]]:
        return self.memory_.rows()

    def load_late(self, destination: Windows, spool: FolderSpool, claim: Claim) -> None:
        destination.stage(claim, spool.path(claim))
        destination.table()
        assert isinstance(destination, MemoryWindows)
        destination.looked = destination.seen
        destination.load([claim])


class OnDelta(WindowsContract):
    tells_digest = True

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "lake" / "aggregated_readings"

    def connect(self, identity: Identity) -> Windows:
        return DeltaWindows(self.path, identity, STEP.keys)

    def table(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = DeltaTable(self.path).to_pyarrow_table().to_pylist()
        return found

    def load_late(self, destination: Windows, spool: FolderSpool, claim: Claim) -> None:
        destination.stage(claim, spool.path(claim))
        destination.table()
        assert isinstance(destination, DeltaWindows)
        destination._head = destination.head()
        destination.load([claim])


class TestDelta(OnDelta, TwoNodes):
    def test_a_load_and_its_transactions_are_one_commit(self, destination: Windows, spool: FolderSpool) -> None:
        claims = [claim_of(spool, n, (n, "a", n)) for n in (1, 2)]
        load(destination, spool, *claims)
        assert DeltaTable(self.path).version() == 2
        assert destination.head() == Head.after(claims[-1])

    def test_a_claim_that_replaces_nothing_is_the_head_too(self, destination: Windows, spool: FolderSpool) -> None:
        load(destination, spool, claim_of(spool, 1, (1, "a", 1), (1, "a", 2)))
        rebuilt = claim_of(spool, 1, (1, "a", 2), owner=3)
        self.load_late(destination, spool, rebuilt)
        destination.prove([rebuilt])
        assert self.levels() == [("a", 1, 3)]

    def test_of_two_handles_one_is_refused(self, destination: Windows, spool: FolderSpool) -> None:
        twin = self.connect(NODE)
        ours, theirs = claim_of(spool, 1, (1, "a", 1)), claim_of(spool, 1, (1, "a", 2), owner=8)
        assert twin.not_loaded(None, [theirs]) == [theirs]
        twin.stage(theirs, spool.path(theirs))
        load(destination, spool, ours)
        with pytest.raises(TransientError):
            twin.load([theirs])
        assert self.levels() == [("a", 1, 1)]

    def test_a_column_that_is_not_ours_stays_as_it_is(self, spool: FolderSpool) -> None:
        destination = self.connect(NODE)
        destination.create(TableSchema.of([Column("note", "string"), *self.schema.columns]))
        destination.table()
        load(destination, spool, claim_of(spool, 1, (1, "a", 1)))
        table = DeltaTable(self.path)
        table.update({"note": "'seen'"})
        again = self.connect(NODE)
        again.table()
        first = claim_of(spool, 1, (1, "a", 1))
        load(again, spool, claim_of(spool, 2, (1, "a", 2)), known=Head.after(first))
        (row,) = self.table()
        assert (row["note"], row["sum_level"]) == ("seen", 2)

    def test_windows_of_any_century_are_replaced_however_many_there_are(
        self, destination: Windows, spool: FolderSpool
    ) -> None:
        hours = [-3_700_000, *range(0, 24 * 90, 60), 4_300_000]  # from the year 1603 to 2516
        first = claim_of(spool, 1, *((hour, "a", 1) for hour in hours))
        load(destination, spool, first)
        load(destination, spool, claim_of(spool, 2, *((hour, "a", 5) for hour in hours)), known=Head.after(first))
        assert [row["sum_level"] for row in self.table()] == [5] * len(hours)
        ends = [DAY + timedelta(hours=hours[end]) for end in (0, -1)]
        assert len(destination.windows_between(("day",), *(end - timedelta(days=1) for end in ends))) == 37

    def test_only_files_of_about_its_windows_are_read_for_a_claim(
        self, destination: Windows, spool: FolderSpool
    ) -> None:
        first, second = (claim_of(spool, n, (24 * 30 * n, "a", n), (24 * 30 * n + 9, "a", n)) for n in (1, 2))
        load(destination, spool, first, second)
        load(destination, spool, claim_of(spool, 3, (24 * 30, "a", 7)), known=Head.after(second))
        metrics = DeltaTable(self.path).history(1)[0]["operationMetrics"]
        assert (metrics["num_target_files_scanned"], metrics["num_target_files_skipped_during_scan"]) == (1, 1)


class TestDeltaWithoutNodes(OnDelta, Guarded):
    schema = TableSchema.of([*OWN.columns, *(c for c in LINEAGE.columns if c.name != "_node_id")])


class TestDeltaWithoutLineage(OnDelta):
    schema = OWN


class InWorkspace(WindowsContract):
    @pytest.fixture(autouse=True)
    def edge(self, workspace: Warehouse | RealWorkspace) -> Iterator[None]:
        self.edge_ = Edge(workspace)
        self.opened: list[Windows] = []
        yield
        for one in self.opened:
            one.close()
        self.edge_.drop()

    def connect(self, identity: Identity) -> Windows:
        self.opened.append(self.way(identity))
        return self.opened[-1]

    def way(self, identity: Identity) -> Windows:
        raise NotImplementedError

    def table(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.edge_.table("aggregated_readings").to_pylist()
        return found


class ByVolume(InWorkspace):
    def way(self, identity: Identity) -> Windows:
        edge = self.edge_
        return WindowsByVolume(
            edge.session, edge.workspace, identity, edge.folder(identity), keys=STEP.keys, retention_s=0.0,
            create_tables=True,
        )  # fmt: skip


class ByMerge(InWorkspace):
    def way(self, identity: Identity) -> Windows:
        edge = self.edge_
        return WindowsByMerge(edge.session, edge.workspace, identity, keys=STEP.keys, create_tables=True)


class TestByVolume(ByVolume, TwoNodes):
    def load_late(self, destination: Windows, spool: FolderSpool, claim: Claim) -> None:
        destination.stage(claim, spool.path(claim))
        destination.table()
        assert isinstance(destination, WindowsByVolume)
        destination._known = Head(claim.owner, claim.sequence, 0)
        with suppress(StateError):
            destination.load([claim])
            return
        upsert = Upsert.into(self.schema, STEP.keys, [claim])
        file = f"{destination._volume.folder}/{staging.name_of(claim)}"
        statement = upsert_statement(destination._name, newest_of([file], upsert), upsert, bounds([claim], upsert))
        destination._statements().execute(statement)


class TestByVolumeWithoutLineage(ByVolume):
    schema = OWN


class TestByMerge(ByMerge, TwoNodes):
    pass


class TestByMergeWithoutLineage(ByMerge):
    schema = OWN


def test_a_window_of_another_writer_is_refused_where_the_table_tells_no_nodes() -> None:
    there, ours = {(1,), (2,)}, {(2,), (3,)}
    check_ours(WindowsContract.schema, there, ours, ())
    check_ours(OWN, there, ours, {(2,)})
    check_ours(OWN, there, {(3,)}, ())
    with pytest.raises(StateError, match="1 window that"):
        check_ours(OWN, there, ours, {(1,)})
