"""The traps of databricks-sql-connector 4.9.0 that the product is designed around: here they can be seen.

One that disappears with a newer connector is good news, and a test to change.
"""

import warnings
from collections.abc import Iterator

import pytest
import urllib3
from tests.support.warehouse import Warehouse
from tests.support.warehouse.faults import Answer, Delay, Drop, Fault, at
from tests.support.warehouse_client import put_rows, run
from tests.warehouse.conftest import Connect

T, FOLDER = "main.edge.t", "/Volumes/main/edge/files/t"
INSERT = f"INSERT INTO {T} VALUES (1)"
COPY = f"COPY INTO {T} FROM '{FOLDER}' FILEFORMAT = PARQUET FILES = ('a.parquet')"
LOST = Fault(at(statement="^(INSERT|COPY|MERGE)"), Drop(after=True))
# The connector's own values, where the tests otherwise make it impatient: auth/retry.py and thrift_backend.py.
ITS_DEFAULTS = {"_retry_delay_min": 1.0, "_retry_delay_max": 60.0}


@pytest.fixture
def warehouse(shared: Warehouse) -> Iterator[Warehouse]:
    shared.sql(f"DROP TABLE IF EXISTS {T}")
    shared.sql(f"CREATE TABLE {T} (id BIGINT)")
    if not shared.volume_path(FOLDER).exists():
        put_rows(shared, f"{FOLDER}/a.parquet", [7, 8, 9])
    yield shared
    shared.faults.clear()


def ids(warehouse: Warehouse) -> list[int]:
    return sorted(warehouse.table(T).column("id").to_pylist())


@pytest.mark.parametrize(
    "more",
    [{}, {"_retry_stop_after_attempts_count": 1}, {"_respect_server_retry_after_header": True}],
    ids=["by default", "one attempt", "respecting Retry-After"],
)
def test_an_insert_whose_answer_is_lost_is_doubled_and_reported_as_one(
    warehouse: Warehouse, connect: Connect, more: dict[str, object]
) -> None:
    warehouse.faults.script(LOST)
    assert run(connect(warehouse, **more), INSERT) == [(1, 1)]
    assert ids(warehouse) == [1, 1]


def test_a_copy_into_whose_answer_is_lost_is_right_and_reported_as_nothing(
    warehouse: Warehouse, connect: Connect
) -> None:
    warehouse.faults.script(LOST)
    assert run(connect(warehouse), COPY) == [(0, 0, 0)]
    assert ids(warehouse) == [7, 8, 9]


def test_a_merge_on_every_column_whose_answer_is_lost_is_right_and_reported_as_nothing(
    warehouse: Warehouse, connect: Connect
) -> None:
    merge = (
        f"MERGE INTO {T} t USING parquet.`{FOLDER}/a.parquet` s ON t.id <=> s.id"
        " WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)"
    )
    warehouse.faults.script(LOST)
    assert run(connect(warehouse), merge) == [(0, 0, 0, 0)]
    assert ids(warehouse) == [7, 8, 9]


def test_an_insert_that_outlasts_the_socket_timeout_runs_once_an_attempt_and_fails(
    warehouse: Warehouse, connect: Connect
) -> None:
    connection = connect(warehouse, _socket_timeout=0.5, _retry_stop_after_attempts_count=1)
    warehouse.faults.script(Fault(at(statement="INSERT"), Delay(seconds=1.5, after=True), times=9))
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        run(connection, INSERT)
    assert ids(warehouse) == [1, 1]


def test_a_retry_after_of_a_second_is_a_sleep_of_a_minute(
    warehouse: Warehouse, connect: Connect, slept: list[float]
) -> None:
    warehouse.faults.script(Fault(at(statement="INSERT"), Answer(503, retry_after=1)))
    run(connect(warehouse, **ITS_DEFAULTS), INSERT)
    assert slept == [60.0]


def test_the_shortest_sleep_after_503_that_can_be_had_is_five_seconds(
    warehouse: Warehouse, connect: Connect, slept: list[float]
) -> None:
    warehouse.faults.script(Fault(at(statement="INSERT"), Answer(503, retry_after=1)))
    run(connect(warehouse, _retry_delay_max=1), INSERT)
    assert slept == [5]


def test_what_is_too_busy_for_ever_raises_what_no_database_error_is(
    warehouse: Warehouse, connect: Connect, slept: list[float]
) -> None:
    connection, before = connect(warehouse), len(warehouse.requests)
    warehouse.faults.script(Fault(at(statement="INSERT"), Answer(503), times=99))
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        run(connection, INSERT)
    asked = [request for request in warehouse.requests[before:] if request.rpc == "ExecuteStatement"]
    assert len(asked) == len(slept) + 1 == 4


def test_a_policy_told_not_to_read_again_sends_nothing_twice(warehouse: Warehouse, connect: Connect) -> None:
    connection = connect(warehouse)
    policy = vars(connection.session.backend)["retry_policy"]  # private, and all there is
    policy.read = False
    warehouse.faults.script(LOST)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        run(connection, INSERT)
    assert ids(warehouse) == [1]


def test_the_older_way_of_retrying_sends_nothing_twice_but_is_deprecated(
    warehouse: Warehouse, connect: Connect
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        connection = connect(warehouse, _enable_v3_retries=False)
    warehouse.faults.script(LOST)
    with pytest.raises(Exception, match=r"(?i)connection|closed|remote|request"):
        run(connection, INSERT)
    assert ids(warehouse) == [1]
