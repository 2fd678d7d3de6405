"""Rights, and machine-to-machine OAuth.

docs.databricks.com/data-governance/unity-catalog/manage-privileges/privileges, …/privileges-reference
"""

import json
from collections.abc import Callable

import pytest
import urllib3
from databricks.sql.exc import RequestError, ServerOperationError
from tests.support.warehouse import Unsettled, Warehouse
from tests.support.warehouse.faults import ExpireToken, Fault, at
from tests.support.warehouse.identities import EARLY_S, TOKEN_LIFE_S, Credentials
from tests.support.warehouse_client import DIRECTORIES, FILES, put, put_rows, rest, run
from tests.warehouse.conftest import Clock, Connect, Start

T, VOLUME = "main.edge.guarded", "/Volumes/main/edge/files"
COPY = f"COPY INTO {T} FROM '{VOLUME}/r' FILEFORMAT = PARQUET"
USE = [("USE CATALOG", "CATALOG main"), ("USE SCHEMA", "SCHEMA main.edge")]


@pytest.fixture
def guarded(start: Start) -> Warehouse:
    warehouse = start()
    warehouse.sql(f"CREATE TABLE {T} (id BIGINT)")
    put_rows(warehouse, f"{VOLUME}/r/a.parquet", [1])
    return warehouse


NEEDED = [
    ("SELECT", f"SELECT * FROM {T}", [("SELECT", f"TABLE {T}")]),
    ("INSERT", f"INSERT INTO {T} VALUES (1)", [("MODIFY", f"TABLE {T}")]),
    ("UPDATE", f"UPDATE {T} SET id = 2", [("MODIFY", f"TABLE {T}"), ("SELECT", f"TABLE {T}")]),
    ("DELETE", f"DELETE FROM {T}", [("MODIFY", f"TABLE {T}"), ("SELECT", f"TABLE {T}")]),
    (
        "MERGE from a file",
        f"MERGE INTO {T} t USING parquet.`{VOLUME}/r/a.parquet` s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *",
        [("MODIFY", f"TABLE {T}"), ("SELECT", f"TABLE {T}"), ("READ VOLUME", "VOLUME main.edge.files")],
    ),
    ("COPY INTO", COPY, [("READ VOLUME", "VOLUME main.edge.files"), ("MODIFY", f"TABLE {T}")]),
    ("ALTER TABLE", f"ALTER TABLE {T} ADD COLUMN more INT", [("MODIFY", f"TABLE {T}")]),
    ("DESCRIBE DETAIL", f"DESCRIBE DETAIL {T}", [("SELECT", f"TABLE {T}")]),
    ("CREATE TABLE", "CREATE TABLE main.edge.made (id INT)", [("CREATE TABLE", "SCHEMA main.edge")]),
    ("CREATE VOLUME", "CREATE VOLUME main.edge.made", [("CREATE VOLUME", "SCHEMA main.edge")]),
    ("LIST", f"LIST '{VOLUME}/r'", [("READ VOLUME", "VOLUME main.edge.files")]),
    (
        "REMOVE",
        f"REMOVE '{VOLUME}/r/a.parquet'",
        [("READ VOLUME", "VOLUME main.edge.files"), ("WRITE VOLUME", "VOLUME main.edge.files")],
    ),
]


@pytest.mark.parametrize(("statement", "grants"), [row[1:] for row in NEEDED], ids=[row[0] for row in NEEDED])
def test_a_statement_needs_each_of_its_rights(
    guarded: Warehouse, connect: Connect, statement: str, grants: list[tuple[str, str]]
) -> None:
    connection = connect(guarded, guarded.token_of("node"))
    for privilege, on in [*USE, *grants]:
        with pytest.raises(ServerOperationError, match=f"User does not have {privilege} on ") as raised:
            run(connection, statement)
        assert str(raised.value).startswith(("[INSUFFICIENT_PERMISSIONS]", "PERMISSION_DENIED: "))
        guarded.grant(privilege, on, to="node")
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_reading_is_refused_in_the_new_form_and_writing_in_the_old(guarded: Warehouse, connect: Connect) -> None:
    connection = connect(guarded, guarded.token_of("node"))
    for privilege, on in USE:
        guarded.grant(privilege, on, to="node")
    with pytest.raises(ServerOperationError) as reading:
        run(connection, f"SELECT * FROM {T}")
    with pytest.raises(ServerOperationError) as writing:
        run(connection, f"INSERT INTO {T} VALUES (1)")
    told = f"User does not have SELECT on Table '{T}'."
    assert str(reading.value) == f"[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\n{told} SQLSTATE: 42501"
    assert str(writing.value) == f"PERMISSION_DENIED: User does not have MODIFY on Table '{T}'."


def test_rights_are_inherited_and_can_be_taken_back(guarded: Warehouse, connect: Connect) -> None:
    connection = connect(guarded, guarded.token_of("node"))
    guarded.grant("USE CATALOG, USE SCHEMA, SELECT", "CATALOG main", to="node")
    assert run(connection, f"SELECT * FROM {T}") == []
    guarded.revoke("SELECT", "CATALOG main", of="node")
    with pytest.raises(ServerOperationError, match="SELECT on Table"):
        run(connection, f"SELECT * FROM {T}")


def test_who_makes_a_table_owns_it(guarded: Warehouse, connect: Connect) -> None:
    connection = connect(guarded, guarded.token_of("node"))
    guarded.grant("USE CATALOG", "CATALOG main", to="node")
    guarded.grant("USE SCHEMA, CREATE TABLE", "SCHEMA main.edge", to="node")
    run(connection, "CREATE TABLE main.edge.own (id INT)")
    run(connection, "INSERT INTO main.edge.own VALUES (1)")
    assert run(connection, "SELECT * FROM main.edge.own") == [(1,)]
    with pytest.raises(ServerOperationError, match="ALL PRIVILEGES on Table"):
        run(connection, f"DROP TABLE {T}")


def test_information_schema_shows_what_one_may_see(guarded: Warehouse, connect: Connect) -> None:
    connection = connect(guarded, guarded.token_of("node"))
    seen = "SELECT table_name FROM main.information_schema.tables"
    assert run(connection, seen) == []
    for privilege, on in [*USE, ("SELECT", f"TABLE {T}")]:
        guarded.grant(privilege, on, to="node")
    assert run(connection, seen) == [("guarded",)]


def test_the_files_api_needs_read_volume_and_to_write_both(guarded: Warehouse) -> None:
    token, path = guarded.token_of("node"), f"{VOLUME}/r/b.parquet"
    for privilege, on in [*USE, ("READ VOLUME", "VOLUME main.edge.files")]:
        listing = rest(guarded, "GET", f"{DIRECTORIES}{VOLUME}/r", token)
        assert (listing.status, json.loads(listing.data)["error_code"]) == (403, "PERMISSION_DENIED")
        assert f"does not have {privilege} on" in json.loads(listing.data)["message"]
        guarded.grant(privilege, on, to="node")
    assert rest(guarded, "GET", f"{DIRECTORIES}{VOLUME}/r", token).status == 200
    assert put(guarded, path, b"x", token) == 403
    guarded.grant("WRITE VOLUME", "VOLUME main.edge.files", to="node")
    assert put(guarded, path, b"x", token) == 204


# ---------------------------------------------------------------------- docs.databricks.com/dev-tools/auth/oauth-m2m


def log_in(warehouse: Warehouse, known: Credentials, secret: str = "") -> urllib3.BaseHTTPResponse:
    basic = urllib3.make_headers(basic_auth=f"{known.client_id}:{secret or known.client_secret}")
    form = {"grant_type": "client_credentials", "scope": "all-apis"}
    return rest(warehouse, "POST", "/oidc/v1/token", headers=basic, fields=form, encode_multipart=False)


def provider(token: str) -> Callable[[], Callable[[], dict[str, str]]]:
    return lambda: lambda: {"Authorization": f"Bearer {token}"}


def test_a_service_principal_logs_in_and_is_who_it_is(guarded: Warehouse, connect: Connect) -> None:
    given = json.loads(log_in(guarded, guarded.service_principal("node")).data)
    assert (given["token_type"], given["expires_in"], given["scope"]) == ("Bearer", TOKEN_LIFE_S, "all-apis")
    connection = connect(guarded, access_token=None, credentials_provider=provider(given["access_token"]))
    assert run(connection, "SELECT 1") == [(1,)]
    assert guarded.statements[-1].principal == "node"


def test_a_wrong_secret_is_refused_as_oauth_says(guarded: Warehouse) -> None:
    refused = log_in(guarded, guarded.service_principal("node"), secret="wrong")  # noqa: S106 - no secret
    assert (refused.status, json.loads(refused.data)["error"]) == (401, "invalid_client")


def test_the_end_points_of_oauth_can_be_discovered(guarded: Warehouse) -> None:
    found = json.loads(rest(guarded, "GET", "/oidc/.well-known/oauth-authorization-server").data)
    assert found["token_endpoint"] == f"{guarded.url}/oidc/v1/token"


@pytest.mark.parametrize("status", [401, 403])
def test_an_oauth_token_lasts_an_hour_less_half_a_minute(start: Start, status: int) -> None:
    clock = Clock()
    warehouse = start(clock=clock, unsettled=Unsettled(expired_token=status))
    token = json.loads(log_in(warehouse, warehouse.service_principal("node")).data)["access_token"]
    clock.now += TOKEN_LIFE_S - EARLY_S - 1
    assert rest(warehouse, "HEAD", f"{FILES}{VOLUME}/a", token).status == 403  # no right, but a good token
    clock.now += 1
    refused = rest(warehouse, "GET", f"{FILES}{VOLUME}/a", token)
    assert (refused.status, json.loads(refused.data)["message"]) == (
        status,
        "Token is expiring within 30 seconds. (token expired)",
    )


def test_a_token_can_expire_between_two_requests(guarded: Warehouse, connect: Connect) -> None:
    connection = connect(guarded)
    guarded.faults.script(Fault(at(statement="SELECT 2"), ExpireToken()))
    assert run(connection, "SELECT 1") == [(1,)]
    with pytest.raises(RequestError) as raised:
        run(connection, "SELECT 2")
    assert raised.value.context["http-code"] == 403
