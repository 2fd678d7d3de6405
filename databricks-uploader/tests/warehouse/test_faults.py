"""Faults: each scripted as a value, each met by the connector as it is."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import urllib3
from databricks.sql.exc import DatabaseError, OperationalError, RequestError, ServerOperationError
from tests.support.warehouse import Patience, SlowStart, Warehouse, errors
from tests.support.warehouse.errors import Condition
from tests.support.warehouse.faults import (
    COMMON,
    Answer,
    Delay,
    Drop,
    Fail,
    Fault,
    Faults,
    ForgetSession,
    GoOn,
    Hold,
    Place,
    Truncate,
    Twice,
    at,
)
from tests.support.warehouse_client import FILES, Background, parquet, put, rest, run, wait_for
from tests.warehouse.conftest import Clock, Connect, Start

from databricks import sql

T, VOLUME = "main.edge.t", "/Volumes/main/edge/files"
INSERT = f"INSERT INTO {T} VALUES (1)"


@pytest.fixture
def warehouse(shared: Warehouse) -> Iterator[Warehouse]:
    shared.sql(f"CREATE OR REPLACE TABLE {T} (id INT)")
    yield shared
    shared.faults.clear()


def inserted(warehouse: Warehouse) -> int:
    return len(warehouse.table(T).to_pylist())


# ---------------------------------------------------------------------- connections that are cut


def test_a_connection_cut_before_executing_is_tried_again(warehouse: Warehouse, connect: Connect) -> None:
    warehouse.faults.script(Fault(at(statement="INSERT"), Drop()))
    run(connect(warehouse), INSERT)
    assert inserted(warehouse) == 1
    assert [request.status for request in warehouse.requests[-2:]] == [0, 200]


def test_a_truncated_answer_is_an_error_about_a_statement_that_was_executed(
    warehouse: Warehouse, connect: Connect
) -> None:
    warehouse.faults.script(Fault(at(statement="INSERT"), Truncate(keep=10)))
    with pytest.raises(urllib3.exceptions.ProtocolError):
        run(connect(warehouse), INSERT)
    assert inserted(warehouse) == 1


def test_a_session_cannot_be_opened_over_a_connection_that_is_always_cut(
    warehouse: Warehouse, connect: Connect
) -> None:
    warehouse.faults.script(Fault(at(rpc="OpenSession"), Drop(), times=99))
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        connect(warehouse)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_upload_can_be_cut_before_and_after_it_was_stored(warehouse: Warehouse, *, after: bool) -> None:
    path = f"{VOLUME}/cut_{after}.bin"
    warehouse.faults.script(Fault(at(method="PUT", path="/fs/files/"), Drop(after=after)))
    with pytest.raises(urllib3.exceptions.HTTPError):
        put(warehouse, path, b"x")
    assert warehouse.volume_path(path).exists() == after


def test_a_presigned_upload_is_tried_once_and_no_more(warehouse: Warehouse, connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    warehouse.faults.script(Fault(at(method="PUT", path="/presigned/"), Answer(503)))
    with (
        connect(warehouse, staging_allowed_local_path=str(tmp_path)).cursor() as cursor,
        pytest.raises(OperationalError, match="503"),
    ):
        cursor.execute(f"PUT '{tmp_path}/a.bin' INTO '{VOLUME}/a.bin' OVERWRITE")
    assert warehouse.faults.left == ()


# ---------------------------------------------------------------------- answers of gateways


@pytest.mark.parametrize("status", [429, 503])
def test_too_busy_is_tried_again(warehouse: Warehouse, connect: Connect, slept: list[float], status: int) -> None:
    warehouse.faults.script(Fault(at(statement="INSERT"), Answer(status, retry_after=1)))
    run(connect(warehouse), INSERT)
    assert (inserted(warehouse), len(slept)) == (1, 1)


def test_too_busy_for_ever_is_no_error_of_the_database(
    warehouse: Warehouse, connect: Connect, slept: list[float]
) -> None:
    warehouse.faults.script(Fault(at(statement="INSERT"), Answer(429), times=99))
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        run(connect(warehouse), INSERT)
    assert (inserted(warehouse), len(slept), len(warehouse.faults.left)) == (0, 3, 1)


def test_a_gateway_can_give_up_on_what_was_done_behind_it(
    warehouse: Warehouse, connect: Connect, slept: list[float]
) -> None:
    warehouse.faults.script(Fault(at(statement="INSERT"), Answer(503, after=True)))
    run(connect(warehouse), INSERT)
    assert (inserted(warehouse), len(slept)) == (2, 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502, 504])
def test_other_answers_are_given_up_at_once(warehouse: Warehouse, connect: Connect, status: int) -> None:
    connection = connect(warehouse)
    warehouse.faults.script(Fault(at(statement="INSERT"), Answer(status, reason="the reason")))
    with pytest.raises(RequestError) as raised:
        run(connection, INSERT)
    assert raised.value.context["http-code"] == status
    assert raised.value.context["error-message"].endswith("the reason")
    assert inserted(warehouse) == 0


# ---------------------------------------------------------------------- statements and sessions


def test_a_session_can_be_gone_as_thrift_says_it_or_as_the_gateway_does(warehouse: Warehouse, connect: Connect) -> None:
    for by_gateway in (False, True):
        connection = connect(warehouse)
        warehouse.faults.script(Fault(at(statement="SELECT"), ForgetSession(by_gateway=by_gateway)))
        with pytest.raises((DatabaseError, RequestError), match="Invalid SessionHandle"):
            run(connection, "SELECT 1")
        with pytest.raises(DatabaseError, match="Invalid SessionHandle"):
            run(connection, "SELECT 1")


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        (errors.CONCURRENT_APPEND, ()),
        (errors.COPY_CONFLICT, ()),
        (errors.COPY_NOT_BLIND, ()),
        (errors.COPY_CONCURRENT, ()),
        (errors.COPY_ROCKSDB, ()),
        (errors.COPY_STATE, ()),
        (errors.MAY_NOT_WRITE, (("privilege", "MODIFY"), ("kind", "Table"), ("name", T))),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_statement_can_fail_as_scripted(
    warehouse: Warehouse, connect: Connect, condition: Condition, values: tuple[tuple[str, str], ...]
) -> None:
    connection = connect(warehouse)
    warehouse.faults.script(Fault(at(statement="INSERT"), Fail(condition, values)))
    with pytest.raises(ServerOperationError) as raised:
        run(connection, INSERT)
    assert str(raised.value) == str(condition.error(**dict(values)))
    assert inserted(warehouse) == 0
    run(connection, INSERT)
    assert inserted(warehouse) == 1


def test_a_statement_can_be_executed_twice(warehouse: Warehouse, connect: Connect) -> None:
    warehouse.faults.script(Fault(at(statement="INSERT"), Twice()))
    assert run(connect(warehouse), INSERT) == [(1, 1)]
    assert (inserted(warehouse), [statement.sql for statement in warehouse.statements[-2:]]) == (2, [INSERT, INSERT])


def test_statements_go_on_after_their_client_is_gone(warehouse: Warehouse, connect: Connect) -> None:
    connection = connect(warehouse, _retry_stop_after_attempts_count=1)
    warehouse.faults.script(Fault(at(statement="INSERT"), GoOn(), times=99))
    with pytest.raises(urllib3.exceptions.HTTPError):
        run(connection, INSERT)
    connection.close()
    assert (inserted(warehouse), [statement.ended for statement in warehouse.statements[-2:]]) == (0, [None, None])
    warehouse.faults.release()
    wait_for(lambda: all(statement.ended is not None for statement in warehouse.statements))
    assert inserted(warehouse) == 2


def test_what_is_held_when_the_warehouse_stops_is_not_executed(start: Start) -> None:
    warehouse = start(patience=Patience(direct_results_s=0.01, poll_s=0.01))
    warehouse.sql(f"CREATE TABLE {T} (id INT)")
    warehouse.faults.script(Fault(at(statement="INSERT"), Hold()))
    with sql.connect(**warehouse.connection()) as connection, connection.cursor() as cursor:
        cursor.execute_async(INSERT)
    warehouse.close()
    assert warehouse.statements[-1].error == "CANCELED"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_request_can_take_long_before_and_after_it_is_carried_out(start: Start, *, after: bool) -> None:
    warehouse, path = start(), f"{VOLUME}/a.bin"
    warehouse.faults.script(Fault(at(method="PUT"), Delay(seconds=600, after=after)))
    waiting = Background(lambda: put(warehouse, path, b"x"))
    wait_for(lambda: bool(warehouse.requests) and warehouse.volume_path(path).exists() == after)
    warehouse.close()  # which keeps nobody waiting
    with suppress(urllib3.exceptions.HTTPError):
        waiting.result()
    assert warehouse.volume_path(path).exists()


# ---------------------------------------------------------------------- a warehouse that starts slowly


@pytest.mark.parametrize("retry_after", [1, None], ids=["with Retry-After", "without"])
def test_a_stopped_warehouse_can_refuse_while_it_starts(
    start: Start, connect: Connect, slept: list[float], retry_after: int | None
) -> None:
    warehouse = start(slow_start=SlowStart(refusals=2, retry_after=retry_after))
    assert run(connect(warehouse), "SELECT 1") == [(1,)]
    assert (len(slept), warehouse.meter.woken) == (2, 1)


def test_a_stopped_warehouse_can_open_sessions_that_refuse_every_statement(start: Start, connect: Connect) -> None:
    warehouse = start(slow_start=SlowStart(stillborn=1))
    dead = connect(warehouse)
    for _ in range(2):
        with pytest.raises(DatabaseError, match=r"^requirement failed: Session handle: .* has not been initialized"):
            run(dead, "SELECT 1")
    assert run(connect(warehouse), "SELECT 1") == [(1,)]
    assert warehouse.meter.woken == 1


def test_a_stopped_warehouse_can_hold_the_request_that_wakes_it(start: Start, connect: Connect) -> None:
    warehouse = start(slow_start=SlowStart(held_s=0.01))
    assert run(connect(warehouse), "SELECT 1") == [(1,)]


def test_an_idle_warehouse_stops_and_its_sessions_with_it(start: Start, connect: Connect) -> None:
    clock = Clock()
    warehouse = start(clock=clock, auto_stop_s=600)
    connection = connect(warehouse)
    clock.now += 600
    assert run(connection, "SELECT 1") == [(1,)]
    clock.now += 601
    with pytest.raises(DatabaseError, match="Invalid SessionHandle"):
        run(connection, "SELECT 1")
    assert warehouse.meter.woken == 2


# ---------------------------------------------------------------------- scripts and seeds


def struck(faults: Faults, count: int) -> list[Any]:
    found = [faults.strike(rpc="ExecuteStatement", statement="SELECT", method="POST", path="/") for _ in range(count)]
    return [fault.effect if fault else None for fault in found]


def test_a_fault_strikes_after_so_many_requests_so_many_times() -> None:
    faults = Faults()
    faults.script(Fault(at(statement="SELECT"), Drop(), skip=1, times=2), Fault(at(statement="SELECT"), Twice()))
    assert struck(faults, 5) == [Twice(), Drop(), Drop(), None, None]


def test_a_place_is_named_by_method_path_rpc_or_statement() -> None:
    upload = {"rpc": "", "statement": "", "method": "PUT", "path": "/api/2.0/fs/files/Volumes/a"}
    copying = {"rpc": "ExecuteStatement", "statement": "copy  INTO t", "method": "POST", "path": "/sql/1.0"}
    assert Place().fits(**upload)
    assert at(method="PUT", path="fs/files").fits(**upload)
    assert not at(method="PUT", path="fs/files").fits(**copying)
    assert at(statement=r"^COPY\s+INTO").fits(**copying)
    assert not at(rpc="OpenSession").fits(**copying)


def test_a_seed_gives_the_same_faults_again_and_another_seed_others() -> None:
    def with_seed(seed: int) -> list[Any]:
        faults = Faults()
        faults.at_random(seed, chance=0.5)
        return struck(faults, 40)

    assert with_seed(7) == with_seed(7)
    assert with_seed(7) != with_seed(8)
    assert {effect for seed in range(20) for effect in with_seed(seed) if effect} == set(COMMON)


def test_random_faults_strike_where_they_are_wanted_until_they_are_cleared(warehouse: Warehouse) -> None:
    warehouse.faults.at_random(seed=1, chance=1.0, effects=[Answer(500)], where=at(method="PUT"))
    assert put(warehouse, f"{VOLUME}/wanted.bin", b"x") == 500
    assert rest(warehouse, "HEAD", f"{FILES}{VOLUME}/wanted.bin").status == 404
    warehouse.faults.clear()
    assert put(warehouse, f"{VOLUME}/wanted.bin", b"x") == 204


@pytest.mark.usefixtures("slept")
@pytest.mark.parametrize("seed", range(4))
def test_a_client_that_repeats_uploads_and_copy_into_loads_each_row_once_whatever_happens(
    warehouse: Warehouse, connect: Connect, seed: int
) -> None:
    table, folder, before = f"main.edge.loaded_{seed}", f"{VOLUME}/random/{seed}", len(warehouse.requests)
    warehouse.sql(f"CREATE TABLE {table} (id BIGINT)")
    connection = connect(warehouse)
    warehouse.faults.at_random(seed, chance=0.4)
    for number in range(5):
        body = parquet({"id": pa.array([number], pa.int64())})
        repeat(partial(stored, warehouse, f"{folder}/{number}.parquet", body))
        repeat(partial(run, connection, f"COPY INTO {table} FROM '{folder}' FILEFORMAT = PARQUET"))
    assert warehouse.table(table).sort_by("id").column("id").to_pylist() == [0, 1, 2, 3, 4]
    assert len([request for request in warehouse.requests[before:] if request.fault]) > 3


def stored(warehouse: Warehouse, path: str, body: bytes) -> None:
    status = put(warehouse, path, body)
    if status not in {204, 409}:
        raise OSError(f"{path}: {status}")


def repeat(attempt: Callable[[], object]) -> None:
    while True:
        try:
            attempt()
        except (DatabaseError, urllib3.exceptions.HTTPError, OSError):
            continue
        return


def test_a_fault_of_statements_must_say_which() -> None:
    with pytest.raises(ValueError, match="strikes statements only"):
        Fault(at(path="/fs/files"), GoOn())


def test_a_gateways_answer_is_json(warehouse: Warehouse) -> None:
    warehouse.faults.script(Fault(at(method="GET"), Answer(503, retry_after=7, reason="busy")))
    answer = rest(warehouse, "GET", f"{FILES}{VOLUME}/a")
    assert (answer.status, answer.headers["Retry-After"], json.loads(answer.data)["message"]) == (503, "7", "busy")
