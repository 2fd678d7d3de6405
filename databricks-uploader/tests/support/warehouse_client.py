"""Small ways to talk to the local warehouse in tests: SQL by the connector, REST by urllib3."""

import io
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import urllib3
from databricks.sql.client import Connection
from tests.support.warehouse import Warehouse

FILES, DIRECTORIES = "/api/2.0/fs/files", "/api/2.0/fs/directories"


def run(connection: Connection, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """Execute one statement; return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [tuple(row) for row in cursor.fetchall()]


def parquet(columns: Mapping[str, Any]) -> bytes:
    """Return a Parquet file of these columns."""
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), sink)
    return sink.getvalue()


def rest(warehouse: Warehouse, method: str, path: str, token: str = "", **more: Any) -> urllib3.BaseHTTPResponse:
    """Send one request, once, as the admin or with another token."""
    given = {name.title(): value for name, value in more.pop("headers", {}).items()}
    headers = {"Authorization": f"Bearer {token or warehouse.token}"} | given
    with urllib3.PoolManager(ca_certs=str(warehouse.certificate)) as pool:
        return pool.request(method, f"{warehouse.url}{path}", headers=headers, retries=False, **more)


def put(warehouse: Warehouse, path: str, body: bytes, token: str = "", overwrite: str = "false") -> int:
    """Upload a file by the Files API; return the HTTP status."""
    return rest(warehouse, "PUT", f"{FILES}{path}?overwrite={overwrite}", token, body=body).status


def put_rows(warehouse: Warehouse, path: str, ids: Sequence[int], **columns: Any) -> None:
    """Upload a Parquet file with a BIGINT `id` and whatever columns."""
    body = parquet({"id": pa.array(ids, pa.int64()), **columns})
    if put(warehouse, path, body) != 204:
        raise AssertionError(f"{path} was not uploaded")


class Background:
    """A call that another thread makes; its result, or what it raised, is there for who asks."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._got: Any = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._got = self._call()
        except Exception as error:  # noqa: BLE001 - raised where the result is asked for
            self._error = error

    def result(self) -> Any:
        """Return what the call returned, or raise what it raised."""
        self._thread.join(60)
        if self._error is not None:
            raise self._error
        return self._got


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so; the test's own time limit ends it otherwise."""
    pause = threading.Event()
    while not condition():
        pause.wait(0.005)
