"""Files of volumes: the Files API, and PUT, GET, REMOVE, LIST of the connector."""

import json
import socket
from pathlib import Path

import pytest
from databricks.sql.exc import OperationalError, ServerOperationError
from tests.support.warehouse import Warehouse
from tests.support.warehouse_client import DIRECTORIES, FILES, put, rest
from tests.warehouse.conftest import Connect, Start

VOLUME = "/Volumes/main/edge/files"


def error_of(response: object) -> tuple[int, str]:
    return response.status, json.loads(response.data)["error_code"]  # type: ignore[attr-defined]


# ---------------------------------------------------------------------- docs.databricks.com/api/workspace/files


def test_put_answers_204_and_409_where_a_file_must_not_be_overwritten(shared: Warehouse) -> None:
    path = f"{VOLUME}/put/once.bin"
    assert put(shared, path, b"first") == 204
    refused = rest(shared, "PUT", f"{FILES}{path}?overwrite=false", body=b"second")
    assert error_of(refused) == (409, "ALREADY_EXISTS")
    assert shared.volume_path(path).read_bytes() == b"first"


@pytest.mark.parametrize("query", ["?overwrite=true", ""], ids=["asked for", "not said"])
def test_put_overwrites_where_that_is_asked_for_or_nothing_is_said(shared: Warehouse, query: str) -> None:
    path = f"{VOLUME}/put/again{len(query)}.bin"
    put(shared, path, b"first")
    assert rest(shared, "PUT", f"{FILES}{path}{query}", body=b"second").status == 204
    assert rest(shared, "GET", f"{FILES}{path}").data == b"second"


def test_head_tells_length_and_time(shared: Warehouse) -> None:
    put(shared, f"{VOLUME}/head.bin", b"12345")
    known = rest(shared, "HEAD", f"{FILES}{VOLUME}/head.bin")
    assert (known.status, known.headers["Content-Length"], known.data) == (200, "5", b"")
    assert known.headers["Last-Modified"].endswith("GMT")
    assert rest(shared, "HEAD", f"{FILES}{VOLUME}/none.bin").status == 404


@pytest.mark.parametrize(
    ("asked", "part"), [("bytes=2-4", b"cde"), ("bytes=7-", b"hi"), ("bytes=-3", b"ghi"), ("bytes=7-99", b"hi")]
)
def test_a_range_is_answered_with_206(shared: Warehouse, asked: str, part: bytes) -> None:
    put(shared, f"{VOLUME}/ranged.bin", b"abcdefghi", overwrite="true")
    got = rest(shared, "GET", f"{FILES}{VOLUME}/ranged.bin", headers={"Range": asked})
    assert (got.status, got.data) == (206, part)
    assert got.headers["Content-Range"].endswith("/9")


def test_a_range_outside_the_file_is_416(shared: Warehouse) -> None:
    put(shared, f"{VOLUME}/ranged.bin", b"abcdefghi", overwrite="true")
    assert rest(shared, "GET", f"{FILES}{VOLUME}/ranged.bin", headers={"Range": "bytes=9-"}).status == 416


def test_delete_removes_a_file_and_a_second_time_is_404(shared: Warehouse) -> None:
    put(shared, f"{VOLUME}/gone.bin", b"x")
    assert rest(shared, "DELETE", f"{FILES}{VOLUME}/gone.bin").status == 204
    assert error_of(rest(shared, "DELETE", f"{FILES}{VOLUME}/gone.bin")) == (404, "NOT_FOUND")


def test_a_directory_is_listed_in_pages(shared: Warehouse) -> None:
    for number in range(5):
        put(shared, f"{VOLUME}/paged/{number}.bin", b"x" * number)
    put(shared, f"{VOLUME}/paged/deeper/a.bin", b"x")
    names, token, pages = [], "", 0
    while pages == 0 or token:
        more = f"&page_token={token}" if token else ""
        page = json.loads(rest(shared, "GET", f"{DIRECTORIES}{VOLUME}/paged?page_size=4{more}").data)
        names += [(entry["name"], entry["is_directory"], entry.get("file_size")) for entry in page["contents"]]
        token, pages = page.get("next_page_token", ""), pages + 1
    files = [(f"{number}.bin", False, number) for number in range(5)]
    assert (names, pages) == ([*files, ("deeper", True, None)], 2)


def test_directories_are_made_asked_for_and_removed_when_empty(shared: Warehouse) -> None:
    where = f"{DIRECTORIES}{VOLUME}/made"
    assert error_of(rest(shared, "GET", where)) == (404, "NOT_FOUND")
    assert [rest(shared, method, where).status for method in ("PUT", "PUT", "HEAD")] == [204, 204, 200]
    put(shared, f"{VOLUME}/made/a.bin", b"x")
    assert error_of(rest(shared, "DELETE", where)) == (400, "DIRECTORY_NOT_EMPTY")
    rest(shared, "DELETE", f"{FILES}{VOLUME}/made/a.bin")
    assert rest(shared, "DELETE", where).status == 204


@pytest.mark.parametrize("path", ["/Volumes/main/edge/nope/a.bin", f"{VOLUME}/../../other/a.bin", "/Workspace/a.bin"])
def test_a_path_outside_the_volumes_that_exist_is_refused(shared: Warehouse, path: str) -> None:
    assert put(shared, path.replace("..", "%2E%2E"), b"x") in {400, 404}


def test_an_upload_that_ends_too_early_leaves_nothing(start: Start) -> None:
    warehouse = start(tls=False)
    head = f"PUT {FILES}{VOLUME}/half.bin?overwrite=false HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n"
    with socket.create_connection((warehouse.host, warehouse.port)) as sending:
        sending.sendall(f"{head}Authorization: Bearer {warehouse.token}\r\n\r\n".encode() + b"x" * 50)
        sending.shutdown(socket.SHUT_WR)
        assert sending.recv(100) == b""
    assert not warehouse.volume_path(f"{VOLUME}/half.bin").exists()


def test_uploading_wakes_no_warehouse(shared: Warehouse) -> None:
    woken, awake = shared.meter.woken, shared.meter.awake_s
    put(shared, f"{VOLUME}/asleep.bin", b"x")
    assert (shared.meter.woken, shared.meter.awake_s) == (woken, awake)


# ---------------------------------------------------------------------- …/sql-ref-syntax-aux-connector-put-into


@pytest.fixture
def local(tmp_path: Path) -> Path:
    (tmp_path / "a.bin").write_bytes(b"staged")
    return tmp_path


def test_put_list_get_and_remove_go_through_presigned_addresses(
    shared: Warehouse, connect: Connect, local: Path
) -> None:
    with connect(shared, staging_allowed_local_path=str(local)).cursor() as cursor:
        cursor.execute(f"PUT '{local}/a.bin' INTO '{VOLUME}/staged/a.bin' OVERWRITE")
        cursor.execute(f"LIST '{VOLUME}/staged/'")
        assert [(row.path, row.name, row.size) for row in cursor.fetchall()] == [
            (f"dbfs:{VOLUME}/staged/a.bin", "a.bin", 6)
        ]
        cursor.execute(f"GET '{VOLUME}/staged/a.bin' TO '{local}/back.bin'")
        assert (local / "back.bin").read_bytes() == b"staged"
        cursor.execute(f"REMOVE '{VOLUME}/staged/a.bin'")
        cursor.execute(f"LIST '{VOLUME}/staged/'")
        assert cursor.fetchall() == []


def test_put_takes_a_stream(shared: Warehouse, connect: Connect, local: Path) -> None:
    with connect(shared).cursor() as cursor, (local / "a.bin").open("rb") as stream:
        statement = f"PUT '__input_stream__' INTO '{VOLUME}/streamed.bin' OVERWRITE"
        cursor.execute(statement, input_stream=stream)
    assert shared.volume_path(f"{VOLUME}/streamed.bin").read_bytes() == b"staged"


def test_put_without_overwrite_refuses_a_file_that_is_there(shared: Warehouse, connect: Connect, local: Path) -> None:
    put(shared, f"{VOLUME}/there.bin", b"x")
    with connect(shared, staging_allowed_local_path=str(local)).cursor() as cursor:
        with pytest.raises(ServerOperationError, match=r"^\[FILE_IN_STAGING_PATH_ALREADY_EXISTS\]"):
            cursor.execute(f"PUT '{local}/a.bin' INTO '{VOLUME}/there.bin'")
        with pytest.raises(ServerOperationError, match=r"^\[EMPTY_LOCAL_FILE_IN_STAGING_ACCESS_QUERY\]"):
            cursor.execute(f"PUT '' INTO '{VOLUME}/empty.bin' OVERWRITE")


def test_getting_a_file_that_is_not_there_is_the_stores_404(shared: Warehouse, connect: Connect, local: Path) -> None:
    with (
        connect(shared, staging_allowed_local_path=str(local)).cursor() as cursor,
        pytest.raises(OperationalError, match="404"),
    ):
        cursor.execute(f"GET '{VOLUME}/none.bin' TO '{local}/none.bin'")


def test_a_presigned_address_is_no_good_to_anyone_else(shared: Warehouse) -> None:
    assert rest(shared, "GET", "/presigned/made-up").status == 403
