"""Statements through the connector: the matrix of what is documented, and what takes more than a row to show."""

import pytest
from tests.support.warehouse import Warehouse
from tests.support.warehouse_client import put_rows, run
from tests.warehouse.conftest import Connect
from tests.warehouse.documented import MATRIX, Documented


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_a_statement_does_what_is_documented(shared: Warehouse, connect: Connect, row: Documented) -> None:
    if not shared.volume_path("/Volumes/main/edge/files/matrix").exists():
        put_rows(shared, "/Volumes/main/edge/files/matrix/two.parquet", [1, 2])
    connection = connect(shared, catalog="main", schema="edge")
    for statement in row.before:
        run(connection, statement)
    assert run(connection, row.sql, row.parameters) == row.rows
    if row.then is not None:
        assert run(connection, row.shows) == row.then


def test_rowcount_is_what_a_statement_changed_and_minus_one_where_it_changes_nothing(
    shared: Warehouse, connect: Connect
) -> None:
    with connect(shared, schema="edge").cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE counted (id INT)")
        cursor.execute("INSERT INTO counted VALUES (1), (2), (3)")
        assert cursor.rowcount == 3
        cursor.execute("SELECT * FROM counted")
        assert cursor.rowcount == -1


def test_use_moves_the_session_and_no_other(shared: Warehouse, connect: Connect) -> None:
    moving, staying = connect(shared), connect(shared)
    run(moving, "USE main.edge")
    assert run(moving, "SELECT current_schema()") == [("edge",)]
    assert run(staying, "SELECT current_schema()") == [("default",)]
    run(moving, "USE CATALOG hive_metastore")
    assert run(moving, "SELECT current_catalog(), current_schema()") == [("hive_metastore", "default")]


def test_the_cluster_path_leads_to_the_same_tables(shared: Warehouse, connect: Connect) -> None:
    run(connect(shared), "CREATE OR REPLACE TABLE main.edge.both (id INT)")
    assert run(connect(shared, http_path=shared.cluster_path), "SELECT * FROM main.edge.both") == []


def test_detail_and_history_tell_id_files_and_operations(shared: Warehouse, connect: Connect) -> None:
    connection = connect(shared, schema="edge")
    run(connection, "CREATE OR REPLACE TABLE told (id BIGINT) TBLPROPERTIES ('a.b' = 'c')")
    run(connection, "ALTER TABLE told SET TBLPROPERTIES ('edge.owner' = 'node')")
    run(connection, "INSERT INTO told VALUES (1)")
    with connection.cursor() as cursor:
        cursor.execute("DESCRIBE DETAIL told")
        detail = cursor.fetchall()[0]
        cursor.execute("DESCRIBE HISTORY told")
        operations = [row.operation for row in cursor.fetchall()]
    assert (detail.format, detail.name, detail.numFiles) == ("delta", "main.edge.told", 1)
    assert len(detail.id) == 36
    assert dict(detail.properties) == {"a.b": "c", "edge.owner": "node"}
    assert operations[0] == "WRITE"


def test_metadata_calls_list_catalogs_schemas_tables_and_columns(shared: Warehouse, connect: Connect) -> None:
    connection = connect(shared, schema="edge")
    run(connection, "CREATE OR REPLACE TABLE listed (id BIGINT, at TIMESTAMP)")
    with connection.cursor() as cursor:
        assert ("main",) in [tuple(row) for row in cursor.catalogs().fetchall()]
        assert [row.TABLE_SCHEM for row in cursor.schemas(catalog_name="main", schema_name="edg_").fetchall()] == [
            "edge"
        ]
        assert [row.TABLE_NAME for row in cursor.tables(schema_name="edge", table_name="list%").fetchall()] == [
            "listed"
        ]
        found = cursor.columns(schema_name="edge", table_name="listed").fetchall()
        assert [(row.COLUMN_NAME, row.TYPE_NAME) for row in found] == [("id", "BIGINT"), ("at", "TIMESTAMP")]


def test_another_engine_reads_the_same_rows(shared: Warehouse, connect: Connect) -> None:
    run(connect(shared), "CREATE OR REPLACE TABLE main.edge.read_back (id BIGINT, name STRING)")
    run(connect(shared), "INSERT INTO main.edge.read_back VALUES (1, 'a')")
    assert shared.table("main.edge.read_back").to_pylist() == [{"id": 1, "name": "a"}]
