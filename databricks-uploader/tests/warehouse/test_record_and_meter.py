"""What was asked, and what being awake cost."""

import pytest
from databricks.sql.common.feature_flag import FeatureFlagsContextFactory
from databricks.sql.exc import ServerOperationError
from tests.support.warehouse import Warehouse
from tests.support.warehouse.compute import Awake
from tests.support.warehouse.faults import Drop, Fault, at
from tests.support.warehouse_client import put, rest, run
from tests.warehouse.conftest import Clock, Connect, Start

from databricks import sql

VOLUME = "/Volumes/main/edge/files"


def test_every_request_is_recorded_with_who_what_and_how_it_ended(start: Start, connect: Connect) -> None:
    warehouse = start()
    fault = Fault(at(statement="SELECT 2"), Drop())
    warehouse.faults.script(fault)
    connection = connect(warehouse, user_agent_entry="edge-uploader/1.0")
    run(connection, "SELECT 1")
    run(connection, "SELECT 2")
    put(warehouse, f"{VOLUME}/a.bin", b"12345")
    opened, first, dropped, again, upload = warehouse.requests
    assert (opened.rpc, opened.path, opened.principal) == ("OpenSession", warehouse.http_path, "admin")
    assert "edge-uploader/1.0" in opened.user_agent
    assert (first.rpc, first.statement, first.status, first.fault) == ("ExecuteStatement", "SELECT 1", 200, None)
    assert (dropped.statement, dropped.status, dropped.fault) == ("SELECT 2", 0, fault)
    assert (again.statement, again.status) == ("SELECT 2", 200)
    assert (upload.method, upload.query, upload.body, upload.status) == ("PUT", "overwrite=false", 5, 204)


def test_every_execution_is_recorded_with_its_error_and_its_count(start: Start, connect: Connect) -> None:
    clock = Clock()
    warehouse = start(clock=clock)
    connection = connect(warehouse, schema="edge")
    run(connection, "CREATE TABLE t (id INT)")
    run(connection, "INSERT INTO t VALUES (1), (2)")
    with pytest.raises(ServerOperationError):
        run(connection, "SELECT * FROM nope")
    made, inserted, failed = warehouse.statements
    assert (made.sql, made.principal, made.started, made.ended) == ("CREATE TABLE t (id INT)", "admin", 1000, 1000)
    assert (inserted.changed, inserted.error) == (2, "")
    assert failed.error.startswith("[TABLE_OR_VIEW_NOT_FOUND]")


def test_what_the_connector_asks_by_itself_is_seen(start: Start) -> None:
    # It asks once a host and process for its flags; an earlier test may have been that once.
    FeatureFlagsContextFactory._context_map.clear()
    warehouse = start(tls=False)
    told = warehouse.connection(enable_telemetry=True, server_hostname=warehouse.url)
    with sql.connect(**told) as connection:
        run(connection, "SELECT 1")
    flags = [request for request in warehouse.requests if "feature-flags" in request.path]
    assert [(request.method, request.status) for request in flags] == [("GET", 200)]
    FeatureFlagsContextFactory._context_map.clear()


@pytest.mark.parametrize("path", ["/telemetry-ext", "/telemetry-unauth"])
def test_telemetry_is_taken_and_seen(shared: Warehouse, path: str) -> None:
    assert rest(shared, "POST", path, body=b"{}").status == 200
    assert (shared.requests[-1].path, shared.requests[-1].body) == (path, 2)


def test_a_connection_without_telemetry_asks_nothing_by_itself(shared: Warehouse, connect: Connect) -> None:
    before = len(shared.requests)
    run(connect(shared), "SELECT 1")
    assert {request.rpc for request in shared.requests[before:]} == {"OpenSession", "ExecuteStatement"}


# ---------------------------------------------------------------------- the meter


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metered(start: Start, clock: Clock) -> Warehouse:
    return start(clock=clock, auto_stop_s=600)


def statement(warehouse: Warehouse, connect: Connect) -> None:
    run(connect(warehouse), "SELECT 1")


def test_a_warehouse_that_nobody_asks_sleeps(metered: Warehouse) -> None:
    put(metered, f"{VOLUME}/a.bin", b"x")
    assert (metered.meter.woken, metered.meter.awake_s) == (0, 0)


def test_one_statement_costs_the_auto_stop(metered: Warehouse, connect: Connect) -> None:
    statement(metered, connect)
    assert (metered.meter.woken, metered.meter.awake_s) == (1, 600)


def test_statements_within_the_auto_stop_share_it(metered: Warehouse, connect: Connect, clock: Clock) -> None:
    statement(metered, connect)
    clock.now += 500
    statement(metered, connect)
    assert (metered.meter.woken, metered.meter.awake_s) == (1, 1100)


def test_a_statement_after_the_auto_stop_wakes_it_again(metered: Warehouse, connect: Connect, clock: Clock) -> None:
    statement(metered, connect)
    clock.now += 3600
    statement(metered, connect)
    assert metered.meter.times_awake == (Awake(1000, 1600), Awake(4600, 5200))
    assert (metered.meter.woken, metered.meter.awake_s) == (2, 1200)


def test_a_warehouse_stopped_by_hand_costs_until_then(metered: Warehouse, connect: Connect, clock: Clock) -> None:
    statement(metered, connect)
    clock.now += 10
    metered.meter.stop()
    assert metered.meter.awake_s == 10
