"""How a load goes: what is asked of the workspace, and what becomes of it when that is not granted."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.edge import IDENTITY, EdgeNode
from tests.support.fakes import FakeClock
from tests.support.warehouse import Options, SlowStart, Warehouse, errors
from tests.support.warehouse.faults import Drop, Fail, Fault, at
from tests.support.workspace import Edge, see_idle_cost_nothing
from tests.support.writer import Writer

from databricks_uploader.destinations.databricks.authentication import ClientCredentials, GivenToken
from databricks_uploader.destinations.databricks.by_merge import ByMerge
from databricks_uploader.destinations.databricks.https import Https
from databricks_uploader.destinations.databricks.rows import pieces
from databricks_uploader.destinations.databricks.session import Session
from databricks_uploader.destinations.databricks.statements import equal_row, merge
from databricks_uploader.errors import ConfigError, PermanentError, StateError, TransientError
from databricks_uploader.events import Waiting
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.table import Column
from databricks_uploader.model.workspace import Compute, HttpPath, Schema
from databricks_uploader.ports import Destination
from databricks_uploader.settings.credentials import TokenFile

COLUMNS = "id BIGINT, ts TIMESTAMP, v BIGINT"
CREATE = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, ts TEXT, v INTEGER)"


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


class Node:
    """A source with a table `t`, and its uploader with a table of the warehouse."""

    def __init__(self, folder: Path, writer: Writer, edge: Edge, connect: Callable[[], Destination]) -> None:
        self.edge, self.warehouse = edge, edge.warehouse
        self.node = EdgeNode(folder, writer, connect=connect)
        self.node.write(CREATE)
        self.rows = 0

    def add(self, rows: int = 2) -> None:
        values = ", ".join(f"('2026-01-01T00:00:{v % 60:02}Z', {v})" for v in range(self.rows, self.rows + rows))
        self.node.write(f"INSERT INTO t (ts, v) VALUES {values}")
        self.rows += rows

    def load(self, rows: int = 2) -> None:
        self.add(rows)
        self.node.upload()

    def ids(self) -> list[int]:
        return sorted(self.edge.table("raw_t").column("id").to_pylist())

    def equal(self) -> bool:
        return self.ids() == list(range(1, self.rows + 1))

    def staged(self) -> list[str]:
        assert isinstance(self.warehouse, Warehouse)
        return sorted(f.name for f in self.warehouse.volume_path(str(self.edge.volume)).rglob("*.parquet"))


Make = Callable[..., Node]


@pytest.fixture
def make(tmp_path: Path, writer: Writer, warehouse: Warehouse) -> Iterator[Make]:
    nodes: list[Node] = []

    def made(*, volume: bool = True, lineage: bool | None = True, of: Warehouse | None = None, **more: Any) -> Node:  # noqa: ANN401
        edge = Edge(of or warehouse, clock=FakeClock(), **more)
        if lineage is not None:
            edge.create_table(lineage=lineage, columns=COLUMNS, name="raw_t")
        key = () if lineage else ("id",)
        node = Node(
            tmp_path, writer, edge, lambda: edge.by_volume(IDENTITY) if volume else edge.by_merge(IDENTITY, key)
        )
        if of is None:  # another one is gone by the end
            nodes.append(node)
        return node

    yield made
    for node in nodes:
        see_idle_cost_nothing(warehouse, node.node.upload)


# ---------------------------------------------------------------------- what is asked


def test_files_are_staged_before_the_warehouse_is_woken_and_one_statement_loads_all(
    make: Make, warehouse: Warehouse
) -> None:
    node = make()
    node.load()
    before = len(warehouse.requests)
    node.load(25)  # three claims
    asked = warehouse.requests[before:]
    opened = next(n for n, r in enumerate(asked) if r.rpc == "OpenSession")
    puts = [n for n, r in enumerate(asked) if r.method == "PUT"]
    assert len(puts) == 3
    assert max(puts) < opened
    assert [r.statement.split()[0] for r in asked if r.statement] == ["DESCRIBE", "SELECT", "COPY"]
    assert asked[-2].rpc == "CloseSession" or asked[-1].rpc == "CloseSession"
    assert node.equal()


def test_by_merge_nothing_is_staged_and_no_row_is_changed(make: Make, warehouse: Warehouse) -> None:
    before = len(warehouse.requests)
    node = make(volume=False)
    node.load()
    asked = warehouse.requests[before:]
    assert {request.path for request in asked} == {warehouse.http_path}
    assert not [r for r in asked if "WHEN MATCHED" in r.statement or r.statement.startswith("INSERT")]
    assert node.equal()


# ---------------------------------------------------------------------- tables


@pytest.mark.parametrize("volume", [True, False])
def test_a_table_that_is_missing_is_its_owners_to_make_and_the_statement_is_told(make: Make, *, volume: bool) -> None:
    node = make(volume=volume, lineage=None)
    node.node.connect = lambda: (
        node.edge.by_volume(IDENTITY, create_tables=False)
        if volume
        else node.edge.by_merge(IDENTITY, create_tables=False)
    )
    node.add()
    with pytest.raises(ConfigError, match="is not there") as told:
        node.node.upload()
    node.edge.warehouse.sql(told.value.hint.partition("\n")[2])
    node.node.upload()
    assert node.equal()


def test_a_table_of_ours_is_clustered_by_time_and_its_claims_can_be_skipped(
    tmp_path: Path, writer: Writer, warehouse: Warehouse
) -> None:
    edge = Edge(warehouse, clock=FakeClock())
    node = EdgeNode(tmp_path, writer, connect=lambda: edge.by_volume(IDENTITY))
    wide = ", ".join(f"c{n} INTEGER" for n in range(40))
    node.write(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {wide}, ts TEXT)", "INSERT INTO t VALUES (1"
               f"{', 0' * 40}, '2026-01-01T00:00:00Z')")  # fmt: skip
    node.upload()
    name = f"main.{edge.schema}.raw_t"
    columns = [row["col_name"] for row in warehouse.sql(f"DESCRIBE TABLE {name}")]
    assert {"_batch_id", "_node_id", "ts"} <= set(columns[:32])
    assert warehouse.sql(f"DESCRIBE DETAIL {name}")[0]["clusteringColumns"] == ["ts"]
    comments = {row["col_name"]: row["comment"] for row in warehouse.sql(f"DESCRIBE TABLE {name}")}
    assert comments["_batch_id"] == "the claim: rows of one claim were loaded together"


def test_a_table_without_lineage_columns_and_a_source_without_a_key_are_refused_with_the_statement_to_run(
    make: Make,
) -> None:
    node = make(volume=False, lineage=False)
    node.node.connect = lambda: node.edge.by_merge(IDENTITY, key=())
    node.add()
    with pytest.raises(PermanentError, match="could not be told") as told:
        node.node.upload()
    node.edge.warehouse.sql(told.value.hint.removeprefix("run ").partition("; or set")[0])
    node.node.upload()
    assert node.equal()


def test_a_table_that_was_made_anew_is_not_loaded(make: Make) -> None:
    node = make()
    node.load()
    node.edge.warehouse.sql(f"DROP TABLE main.{node.edge.schema}.raw_t")
    node.edge.create_table(lineage=True, columns=COLUMNS, name="raw_t")
    node.add()
    with pytest.raises(StateError, match="dropped and made anew"):
        node.node.upload()


@pytest.mark.parametrize("schema", [Schema("hive_metastore", "edge"), Schema(None, "edge")], ids=str)
def test_a_schema_of_the_old_metastore_or_of_the_default_catalog_will_do(
    tmp_path: Path, writer: Writer, warehouse: Warehouse, schema: Schema
) -> None:
    catalog = schema.catalog or "main"
    warehouse.sql(f"CREATE SCHEMA IF NOT EXISTS {catalog}.edge")
    warehouse.sql(f"CREATE OR REPLACE TABLE {catalog}.edge.raw_t ({COLUMNS})")
    edge = Edge(warehouse, clock=FakeClock())
    workspace = replace(edge.workspace, http_path=HttpPath(warehouse.cluster_path, Compute.CLUSTER), schema=schema)
    session = Session(workspace, edge.credential_of_admin(), edge.clock, edge.told.append)

    def connect() -> Destination:
        return ByMerge(lambda: session, workspace, IDENTITY, key=("id",), create_tables=False)

    node = EdgeNode(tmp_path, writer, connect=connect)
    node.write(CREATE, "INSERT INTO t (ts, v) VALUES ('2026-01-01T00:00:00Z', 1)")
    node.upload()
    assert warehouse.table(f"{catalog}.edge.raw_t").column("v").to_pylist() == [1]


# ---------------------------------------------------------------------- who we are


def test_a_token_that_was_rotated_is_read_again(make: Make, warehouse: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(warehouse.token_of("nobody"))
    node = make(credential=GivenToken(lambda: Secret(file.read_text())))
    node.add()
    with pytest.raises(PermanentError, match="a right is missing"):
        node.node.upload()
    file.write_text(warehouse.token)
    node.node.upload()
    assert node.equal()


def test_a_token_that_nobody_knows_is_a_fault_of_the_settings_and_not_shown(make: Make) -> None:
    node = make(credential=GivenToken(lambda: Secret("dapi00000000000000000000")))
    node.add()
    with pytest.raises(ConfigError, match="the token is not accepted") as told:
        node.node.upload()
    assert "dapi0" not in f"{told.value} {told.value.hint}"


@pytest.mark.parametrize("volume", [True, False])
def test_a_token_file_that_is_gone_is_told_as_that(make: Make, tmp_path: Path, *, volume: bool) -> None:
    node = make(volume=volume, credential=GivenToken(lambda: TokenFile(tmp_path / "gone").token()))
    node.add()
    with pytest.raises(ConfigError, match="databricks_token_file names no file"):
        node.node.upload()


@pytest.mark.parametrize("volume", [True, False])
def test_a_service_principal_without_rights_is_told_so(make: Make, warehouse: Warehouse, *, volume: bool) -> None:
    given = warehouse.service_principal("stranger")
    credential = ClientCredentials(Https(Edge(warehouse).host), given.client_id, Secret(given.client_secret))
    node = make(volume=volume, credential=credential)
    node.add()
    with pytest.raises((PermanentError, ConfigError), match=r"a right is missing|may not see it"):
        node.node.upload()


def test_a_client_that_nobody_knows_is_a_fault_of_the_settings(make: Make, warehouse: Warehouse) -> None:
    credential = ClientCredentials(Https(Edge(warehouse).host), "me", Secret("dose0123456789abcdef"))
    node = make(volume=False, credential=credential)
    node.add()
    with pytest.raises(ConfigError, match="can't get a token for databricks_client_id") as told:
        node.node.upload()
    assert "dose0" not in f"{told.value}"


@pytest.mark.parametrize("right", ["SELECT", "MODIFY"])
def test_a_right_that_is_missing_is_told(make: Make, warehouse: Warehouse, right: str) -> None:
    node = make()
    schema = node.edge.schema
    token = warehouse.token_of(f"lacking {right}")
    others = {"SELECT", "MODIFY"} - {right}
    for rights, on in (
        ("USE CATALOG", "CATALOG main"), ("USE SCHEMA", f"SCHEMA main.{schema}"),
        (", ".join(others), f"TABLE main.{schema}.raw_t"),
        ("READ VOLUME, WRITE VOLUME", f"VOLUME main.{schema}.files"),
    ):  # fmt: skip
        warehouse.grant(rights, on, to=f"lacking {right}")
    node.load()
    node.edge.token = token
    node.add()
    with pytest.raises(PermanentError, match=rf"a right is missing: .*{right}") as told:
        node.node.upload()
    assert "docs/databricks.md" in told.value.hint


# ---------------------------------------------------------------------- slow starts and lost statements


@pytest.mark.parametrize("start", [SlowStart(refusals=3), SlowStart(stillborn=2), SlowStart(refusals=2, stillborn=1)])
def test_a_warehouse_that_is_starting_is_waited_for_and_that_is_told(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: SlowStart
) -> None:
    with Warehouse(tmp_path / "cold", Options(slow_start=start)) as cold:
        monkeypatch.setenv("SSL_CERT_FILE", str(cold.certificate))
        node = make(of=cold)
        node.load()
        assert node.equal()
        assert any(isinstance(event, Waiting) for event in node.edge.told)


def test_a_statement_that_cannot_be_asked_for_is_cancelled_before_it_is_sent_again(
    make: Make, warehouse: Warehouse
) -> None:
    node = make()
    node.load()
    before = len(warehouse.requests)
    warehouse.faults.script(Fault(at(rpc="GetOperationStatus"), Drop(), times=4))
    node.add()
    with pytest.raises(TransientError):
        node.node.upload()
    assert "CancelOperation" in [request.rpc for request in warehouse.requests[before:]]
    node.node.upload()
    assert node.equal()


def test_a_statement_that_has_failed_is_not_asked_for_again(make: Make, warehouse: Warehouse) -> None:
    node = make()
    node.load()
    before = len(warehouse.requests)
    warehouse.faults.script(Fault(at(statement="^COPY"), Fail(errors.COPY_CONFLICT)))
    node.add()
    with pytest.raises(TransientError, match="another writer was faster"):
        node.node.upload()
    assert [request.rpc for request in warehouse.requests[before:]].count("GetOperationStatus") == 1


def test_who_signed_the_certificate_must_be_known(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    node = make()
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    node.add()
    with pytest.raises(TransientError, match=r"(?i)certificate"):
        node.node.upload()
    assert node.ids() == []


class Tunnels:
    """A proxy that opens tunnels (CONNECT) and keeps count of where to."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked: list[str] = []
        self._sockets = [self._listener]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                place = client.recv(65_536).decode().split()[1]
                self.asked.append(place)
                host, _, port = place.rpartition(":")
                server = socket.create_connection((host, int(port)))
                self._sockets += [client, server]
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                for one, other in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=_pass_on, args=(one, other), daemon=True))
                    self._threads[-1].start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
        other.shutdown(socket.SHUT_RDWR)


def test_files_and_statements_go_through_the_proxy_of_the_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Tunnels() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        node = make()
        node.load()
        assert node.equal()
        assert set(proxy.asked) == {str(node.edge.host)}
        assert len(proxy.asked) >= 2


# ---------------------------------------------------------------------- files of the volume


def test_staged_files_are_freed_after_their_time_and_the_newest_never(make: Make, warehouse: Warehouse) -> None:
    node = make()
    for _ in range(3):
        node.load()
    files = warehouse.volume_path(str(node.edge.volume)).rglob("*.parquet")
    long_ago = time.time() - 2 * node.edge.retention_s
    for file in files:
        os.utime(file, (long_ago, long_ago))
    first = node.staged()
    node.load()
    (newest,) = set(node.staged()) - set(first)
    assert node.staged() == [newest]
    node.load()
    assert len(node.staged()) == 2
    assert node.equal()


def test_a_file_that_somebody_takes_away_is_put_there_again(make: Make, warehouse: Warehouse) -> None:
    node = make()
    node.load()
    for file in warehouse.volume_path(str(node.edge.volume)).rglob("*.parquet"):
        file.unlink()
    node.load()
    assert node.equal()


# ---------------------------------------------------------------------- copies of a node


@pytest.mark.parametrize("volume", [True, False])
def test_a_copy_of_a_node_that_claims_other_rows_by_the_same_number_is_stopped(
    make: Make, tmp_path: Path, writer: Writer, *, volume: bool
) -> None:
    node = make(volume=volume)
    node.load()
    shutil.copytree(tmp_path, tmp_path / "copy", ignore=shutil.ignore_patterns("copy"))
    (tmp_path / "copy" / "state" / "spool").rmdir()
    copy = EdgeNode(tmp_path / "copy", writer, connect=node.node.connect)
    copy.write("INSERT INTO t (ts, v) VALUES ('2026-01-01T00:00:50Z', 50), ('2026-01-01T00:00:51Z', 51)")
    copy.clock.wait(1)
    node.load()
    with pytest.raises(StateError, match="another uploader"):
        copy.upload()
    assert node.equal()


# ---------------------------------------------------------------------- lost state


@pytest.mark.parametrize("volume", [True, False])
def test_lost_state_is_taken_from_the_table(make: Make, *, volume: bool) -> None:
    node = make(volume=volume)
    node.load(25)
    node.node.lose_state()
    node.load()
    node.load()
    assert node.equal()


def test_a_claim_that_was_staged_and_not_loaded_is_loaded_when_state_is_lost(make: Make, warehouse: Warehouse) -> None:
    node = make()
    node.load()
    warehouse.faults.script(Fault(at(statement="^COPY"), Drop()))
    node.add()
    with pytest.raises(TransientError):
        node.node.upload()
    node.node.lose_state()
    node.load()
    assert node.equal()


def test_without_lineage_columns_lost_state_is_a_second_reading_that_doubles_nothing(make: Make) -> None:
    node = make(volume=False, lineage=False)
    node.load(25)
    node.node.lose_state()
    node.load()
    assert node.equal()


# ---------------------------------------------------------------------- values

EXTREMES = {
    "long": pa.array([-(2**63), 2**63 - 1, 0, None], pa.int64()),
    "integer": pa.array([-(2**31), 2**31 - 1, 0, None], pa.int32()),
    "short": pa.array([-(2**15), 2**15 - 1, 0, None], pa.int16()),
    "byte": pa.array([-128, 127, 0, None], pa.int8()),
    "double": pa.array([-0.0, float("inf"), 5e-324, float("nan")], pa.float64()),
    "float": pa.array([-0.0, float("-inf"), 1.1, None], pa.float32()),
    "string": pa.array(["", 'it\'s \\ "quoted"\n\t\x01 é 𝄞 ${x} :y ? {z} %s', "null", None], pa.string()),
    "binary": pa.array([b"", b"\x00\xff'\\", b"null", None], pa.binary()),
    "boolean": pa.array([True, False, True, None], pa.bool_()),
    "date": pa.array([-719_162, 2_932_896, 0, None], pa.int32()).cast(pa.date32()),
    "timestamp": pa.array([-62_135_596_800_000_000, 253_402_300_799_999_999, 1, None], pa.timestamp("us", "UTC")),
    "timestamp_ntz": pa.array([-1, 1_767_225_600_123_456, 0, None], pa.timestamp("us")),
    "decimal(38,6)": pa.array(["-99999999999999999999999999999999.999999", "0.000001", "0", None]).cast(
        pa.decimal128(38, 6)
    ),
}
SQL_NAMES = {"long": "BIGINT", "integer": "INT", "short": "SMALLINT", "byte": "TINYINT"}


@pytest.mark.parametrize("kind", EXTREMES)
def test_by_merge_every_value_is_what_it_was_and_equal_to_itself(
    warehouse: Warehouse, tmp_path: Path, kind: str
) -> None:
    edge = Edge(warehouse, clock=FakeClock())
    target = f"main.{edge.schema}.t"
    warehouse.sql(f"CREATE TABLE {target} (id BIGINT, x {SQL_NAMES.get(kind, kind)})")
    given = pa.table({"id": pa.array([1, 2, 3, 4], pa.int64()), "x": EXTREMES[kind]})
    pq.write_table(given, tmp_path / "a.parquet")
    columns = [Column("id", "long"), Column("x", kind)]
    session = edge.session()
    for _ in range(2):
        for rows in pieces(tmp_path / "a.parquet", columns, columns[0], most=40):
            within = f"t.`id` BETWEEN {rows.lowest} AND {rows.highest}"
            session.execute(merge(target, rows.query, equal_row(columns, within), columns))
    session.close()
    found, meant = warehouse.table(target).sort_by("id").column("x"), EXTREMES[kind]
    if kind.startswith("timestamp"):  # some are beyond Python's
        found, meant = found.cast(pa.int64()), meant.cast(pa.int64())
    assert repr(found.cast(meant.type).to_pylist()) == repr(meant.to_pylist())


def test_rows_come_in_pieces_of_bounded_size(tmp_path: Path) -> None:
    words = ["x" * 50] * 100
    pq.write_table(pa.table({"id": pa.array(range(100), pa.int64()), "v": words}), tmp_path / "a.parquet")
    columns = [Column("id", "long"), Column("v", "string")]
    found = list(pieces(tmp_path / "a.parquet", columns, columns[0], most=1_000))
    assert sum(rows.number for rows in found) == 100
    assert max(len(rows.query) for rows in found) < 1_400
