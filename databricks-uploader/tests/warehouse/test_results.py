"""How results travel: direct or polled, Arrow or columns, in parts, cancelled."""

import subprocess
import sys

import pytest
from databricks.sql.exc import DatabaseError
from tests.support.warehouse import Patience, Warehouse
from tests.support.warehouse.faults import Fault, Hold, at
from tests.support.warehouse_client import Background, run, wait_for
from tests.warehouse.conftest import Connect, Start

QUICK = Patience(direct_results_s=0.01, poll_s=0.01)
# What the connector does where pyarrow isn't installed: another process, in which it can't be imported.
WITHOUT_ARROW = """
import sys, warnings
sys.modules["pyarrow"] = None
warnings.simplefilter("ignore")
from databricks import sql
with sql.connect(server_hostname="127.0.0.1", http_path="/x", access_token=sys.argv[2], _connection_uri=sys.argv[1],
                 enable_telemetry=False) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT 1 AS a, 'x' AS b, 1.5D AS c, CAST(1.5 AS DECIMAL(10,2)) AS d, DATE'2026-01-01' AS e,"
                   " true AS g, CAST(NULL AS INT) AS h, array(1, 2) AS i, X'00ff' AS j, CAST(7 AS TINYINT) AS k")
    print([tuple(row) for row in cursor.fetchall()])
"""


def calls(warehouse: Warehouse, since: int = 0) -> list[str]:
    return [request.rpc for request in warehouse.requests[since:]]


def test_a_small_result_comes_with_the_answer_to_its_statement(shared: Warehouse, connect: Connect) -> None:
    connection, before = connect(shared), len(shared.requests)
    assert run(connection, "SELECT 1") == [(1,)]
    assert calls(shared, before) == ["ExecuteStatement"]


@pytest.mark.parametrize("compressed", [True, False], ids=["lz4", "plain"])
def test_a_large_result_comes_in_parts(shared: Warehouse, connect: Connect, *, compressed: bool) -> None:
    connection = connect(shared, enable_query_result_lz4_compression=compressed)
    before = len(shared.requests)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, CAST(id AS STRING) AS text FROM range(250000) ORDER BY id")
        rows = cursor.fetchall_arrow()
    assert rows.num_rows == 250_000
    assert rows.column("id").to_pylist()[-1] == 249_999
    assert "FetchResults" in calls(shared, before)


def test_every_type_arrives_as_arrow(shared: Warehouse, connect: Connect) -> None:
    with connect(shared).cursor() as cursor:
        cursor.execute("SELECT true AS b, CAST(1.5 AS DECIMAL(10,2)) AS d, map('k', 1) AS m, CAST(NULL AS BINARY) AS n")
        described = cursor.description or []
        assert [column[1] for column in described] == ["boolean", "decimal", "map", "binary"]
        assert described[1][4:6] == (10, 2)


def test_a_client_without_pyarrow_gets_columns(start: Start) -> None:
    warehouse = start(tls=False)
    address = f"{warehouse.url}{warehouse.http_path}"
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_ARROW, address, warehouse.token], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == (
        "[(1, 'x', 1.5, Decimal('1.50'), datetime.date(2026, 1, 1), True, None, '[1, 2]', b'\\x00\\xff', 7)]"
    )


def test_a_statement_that_takes_long_is_asked_for_until_it_is_finished(start: Start, connect: Connect) -> None:
    warehouse = start(patience=QUICK)
    connection = connect(warehouse)
    warehouse.faults.script(Fault(at(statement="SELECT 41"), Hold()))
    held = Background(lambda: run(connection, "SELECT 41 + 1"))
    wait_for(lambda: calls(warehouse).count("GetOperationStatus") > 2)
    warehouse.faults.release()
    assert held.result() == [(42,)]
    assert calls(warehouse)[-2:] == ["FetchResults", "CloseOperation"]


def test_execute_async_answers_at_once_and_its_state_can_be_asked_for(start: Start, connect: Connect) -> None:
    warehouse = start(patience=QUICK)
    warehouse.faults.script(Fault(at(statement="SELECT 42"), Hold()))
    with connect(warehouse).cursor() as cursor:
        cursor.execute_async("SELECT 42")
        assert cursor.is_query_pending()
        assert cursor.get_query_state().name == "RUNNING"
        warehouse.faults.release()
        wait_for(lambda: not cursor.is_query_pending())
        assert cursor.get_query_state().name == "SUCCEEDED"
        cursor.get_async_execution_result()
        assert [tuple(row) for row in cursor.fetchall()] == [(42,)]


def test_a_cancelled_statement_is_not_executed_and_has_no_rows(start: Start, connect: Connect) -> None:
    # As the connector's own end-to-end test has it: tests/e2e/test_driver.py, test_cancel_during_execute.
    warehouse = start(patience=QUICK)
    warehouse.sql("CREATE TABLE main.edge.t (id INT)")
    warehouse.faults.script(Fault(at(statement="INSERT"), Hold()))
    with connect(warehouse).cursor() as cursor:
        waiting = Background(lambda: cursor.execute("INSERT INTO main.edge.t VALUES (1)"))
        wait_for(lambda: "GetOperationStatus" in calls(warehouse))
        cursor.cancel()
        with pytest.raises(DatabaseError):
            waiting.result()
    assert warehouse.statements[-1].error == "CANCELED"
    assert warehouse.sql("SELECT * FROM main.edge.t") == []


@pytest.mark.long
def test_a_statement_of_sixteen_mebibytes_arrives(shared: Warehouse, connect: Connect) -> None:
    text = "x" * (16 << 20)
    assert run(connect(shared), f"SELECT length('{text}') AS n") == [(len(text),)]
