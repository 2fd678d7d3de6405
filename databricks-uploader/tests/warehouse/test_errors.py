"""Errors: each with the class and SQLSTATE that Databricks documents, each with what it stands on."""

import json

import pytest
from databricks.sql.exc import RequestError, ServerOperationError
from tests.support.warehouse import Warehouse, errors
from tests.support.warehouse.errors import Basis, Condition
from tests.support.warehouse_client import rest, run
from tests.warehouse.conftest import Connect, Start

SETUP = "CREATE OR REPLACE TABLE strict (id BIGINT NOT NULL, name STRING)"
TWICE = "(SELECT 1 AS id, 'a' AS name UNION ALL SELECT 1, 'b')"
MATRIX = [
    (errors.PARSE_SYNTAX_ERROR, "SELEC 1"),
    (errors.PARSE_SYNTAX_ERROR, "SELECT 1 +"),
    (errors.PARSE_SYNTAX_ERROR, "SELECT 1; SELECT 2"),
    (errors.TABLE_OR_VIEW_NOT_FOUND, "SELECT * FROM nope"),
    (errors.TABLE_OR_VIEW_NOT_FOUND, "SELECT * FROM main.nope.t"),
    (errors.TABLE_OR_VIEW_NOT_FOUND, "SELECT * FROM nope.edge.t"),
    (errors.TABLE_OR_VIEW_NOT_FOUND, "INSERT INTO nope VALUES (1)"),
    (errors.TABLE_OR_VIEW_NOT_FOUND, "DESCRIBE TABLE nope"),
    (errors.TABLE_OR_VIEW_NOT_FOUND, "DROP TABLE nope"),
    (errors.TABLE_OR_VIEW_ALREADY_EXISTS, "CREATE TABLE strict (id INT)"),
    (errors.SCHEMA_NOT_FOUND, "USE main.nope"),
    (errors.SCHEMA_NOT_FOUND, "CREATE TABLE nope.t (id INT)"),
    (errors.SCHEMA_ALREADY_EXISTS, "CREATE SCHEMA main.edge"),
    (errors.SCHEMA_NOT_EMPTY, "DROP SCHEMA main.edge"),
    (errors.CATALOG_NOT_FOUND, "USE CATALOG nope"),
    (errors.UC_VOLUME_NOT_FOUND, "DROP VOLUME main.edge.nope"),
    (errors.UC_VOLUME_NOT_FOUND, "SELECT * FROM parquet.`/Volumes/main/edge/nope/a.parquet`"),
    (errors.VOLUME_ALREADY_EXISTS, "CREATE VOLUME main.edge.files"),
    (errors.PATH_NOT_FOUND, "SELECT * FROM parquet.`/Volumes/main/edge/files/nope.parquet`"),
    (errors.UNRESOLVED_COLUMN, "SELECT nope FROM strict"),
    (errors.UNRESOLVED_COLUMN, "UPDATE strict SET nope = 1"),
    (errors.UNRESOLVED_COLUMN, "INSERT INTO strict (nope) VALUES (1)"),
    (errors.UNRESOLVED_ROUTINE, "SELECT nope(1)"),
    (errors.UNBOUND_SQL_PARAMETER, "SELECT :nope"),
    (errors.FIELD_ALREADY_EXISTS, "ALTER TABLE strict ADD COLUMN NAME INT"),
    (errors.INSERT_ARITY, "INSERT INTO strict VALUES (1)"),
    (errors.NOT_NULL_VIOLATED, "INSERT INTO strict VALUES (NULL, 'a')"),
    (errors.CAST_INVALID_INPUT, "SELECT CAST('x' AS INT)"),
    (errors.DIVIDE_BY_ZERO, "SELECT 1 / 0"),
    (
        errors.MERGE_TWO_SOURCES,
        f"MERGE INTO strict t USING {TWICE} s ON t.id = s.id WHEN MATCHED THEN UPDATE SET t.name = s.name",
    ),
    (errors.CONFIG_NOT_AVAILABLE, "SET spark.databricks.delta.write.txnAppId = 'a'"),
]
NOT_DONE = [
    "VACUUM strict",
    "RESTORE TABLE strict TO VERSION AS OF 0",
    "TRUNCATE TABLE strict",
    "CREATE CATALOG other",
    "CREATE TABLE u (id INT) LOCATION 's3://bucket/u'",
    "CREATE TABLE u (id INT DEFAULT 1)",
    "CREATE TABLE u (id INT) USING CSV",
    "CREATE TABLE u SHALLOW CLONE strict",
    "CREATE VIEW v AS SELECT 1",
    "ALTER TABLE strict DROP COLUMN name",
    "ALTER TABLE strict ADD COLUMN first INT FIRST",
    "SHOW CREATE TABLE strict",
    "SET TIMEZONE = 'Europe/Berlin'",
    "SELECT _metadata.file_path FROM parquet.`/Volumes/main/edge/files/`",
    "SELECT * FROM read_files('/Volumes/main/edge/files/')",
    "SELECT * FROM csv.`/Volumes/main/edge/files/a.csv`",
    "SELECT * FROM information_schema.routines",
    "CREATE VOLUME hive_metastore.default.v",
    "BEGIN TRANSACTION",
    "SELECT version()",
]


@pytest.mark.parametrize(("condition", "statement"), MATRIX, ids=[statement for _, statement in MATRIX])
def test_an_error_has_its_class_and_sqlstate(
    shared: Warehouse, connect: Connect, condition: Condition, statement: str
) -> None:
    connection = connect(shared, schema="edge")
    run(connection, SETUP)
    run(connection, "INSERT INTO strict VALUES (1, 'a')")
    with pytest.raises(ServerOperationError) as raised:
        run(connection, statement)
    assert str(raised.value).startswith(f"[{condition.name}]")
    assert str(raised.value).endswith(f"SQLSTATE: {condition.sqlstate}")
    assert raised.value.context["diagnostic-info"]


@pytest.mark.parametrize("statement", NOT_DONE)
def test_what_is_not_done_here_is_refused_by_name(shared: Warehouse, connect: Connect, statement: str) -> None:
    connection = connect(shared, schema="edge")
    run(connection, SETUP)
    with pytest.raises(ServerOperationError, match=r"^\[LOCAL_WAREHOUSE_UNSUPPORTED\]"):
        run(connection, statement)


def test_a_missing_table_is_named_in_full(shared: Warehouse, connect: Connect) -> None:
    with pytest.raises(ServerOperationError, match="`main`\\.`edge`\\.`nope`"):
        run(connect(shared, schema="edge"), "SELECT * FROM nope")


@pytest.mark.parametrize("condition", errors.ALL, ids=lambda condition: condition.name)
def test_every_condition_says_what_it_stands_on(condition: Condition) -> None:
    assert condition.source
    assert condition.http in {200, 400, 401, 403, 404, 409, 416, 503}
    if condition.basis is Basis.DOCUMENTED:
        assert condition.source.startswith(("https://", "RFC "))
    if condition.http == 200 and condition not in {errors.MAY_NOT_WRITE, errors.STILLBORN}:
        assert len(condition.sqlstate) == 5


def test_guesses_are_few_and_known() -> None:
    guesses = {condition.name for condition in errors.ALL if condition.basis is Basis.GUESS}
    assert guesses == {
        "LOCAL_WAREHOUSE_UNSUPPORTED",
        "VOLUME_ALREADY_EXISTS",
        "COPY_INTO_SYNTAX_ERROR",
        "FAILED_READ_FILE.NO_HINT",
        "401",
        "RESOURCE_DOES_NOT_EXIST",
        "DIRECTORY_NOT_EMPTY",
        "NOT_FOUND",
        "INVALID_PARAMETER_VALUE",
    }


def test_a_warehouse_that_is_not_there_is_404(shared: Warehouse, connect: Connect) -> None:
    with pytest.raises(RequestError) as raised:
        connect(shared, http_path="/sql/1.0/warehouses/other")
    assert raised.value.context["http-code"] == 404


def test_a_wrong_token_is_403_and_none_is_401(shared: Warehouse, connect: Connect) -> None:
    with pytest.raises(RequestError) as raised:
        connect(shared, token="dapi-wrong")  # noqa: S106 - no secret
    assert raised.value.context["http-code"] == 403
    assert "Invalid access token" in str(raised.value.context["error-message"])
    refused = rest(shared, "GET", "/api/2.0/fs/directories/Volumes/main/edge/files", headers={"Authorization": ""})
    assert (refused.status, json.loads(refused.data)["error_code"]) == (401, 401)


def test_an_end_point_that_is_not_served_is_404(shared: Warehouse) -> None:
    refused = rest(shared, "POST", "/api/2.0/sql/statements")
    assert (refused.status, json.loads(refused.data)["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_an_unknown_handle_is_a_plain_database_error(start: Start, connect: Connect) -> None:
    warehouse = start()
    connection = connect(warehouse)
    warehouse.meter.stop()  # its sessions end with it
    with pytest.raises(Exception, match="Invalid SessionHandle") as raised:
        run(connection, "SELECT 1")
    assert type(raised.value).__name__ == "DatabaseError"
