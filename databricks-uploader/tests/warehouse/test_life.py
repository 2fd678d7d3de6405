"""Its life: starts, stops, starts again on what is there, beside others, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3
from tests.support.warehouse import Options, Unsettled, Warehouse
from tests.support.warehouse_client import put_rows, run, wait_for

from databricks import sql

HERE = Path(__file__).parents[2]
T, COPY = "main.edge.t", "COPY INTO main.edge.t FROM '/Volumes/main/edge/v' FILEFORMAT = PARQUET"


def prepare(warehouse: Warehouse) -> None:
    for statement in ("CREATE SCHEMA main.edge", "CREATE VOLUME main.edge.v", f"CREATE TABLE {T} (id BIGINT)"):
        warehouse.sql(statement)
    put_rows(warehouse, "/Volumes/main/edge/v/a.parquet", [1, 2])


def ask(warehouse: Warehouse, statement: str, token: str = "") -> list[tuple[Any, ...]]:
    with sql.connect(**warehouse.connection(token)) as connection:
        return run(connection, statement)


def test_tables_ledgers_files_and_rights_outlive_a_restart(tmp_path: Path) -> None:
    with Warehouse(tmp_path) as first:
        prepare(first)
        first.sql(COPY)
        first.grant("USE CATALOG, USE SCHEMA, SELECT", "CATALOG main", to="node")
    with Warehouse(tmp_path) as second:
        assert ask(second, COPY) == [(0, 0, 0)]
        assert ask(second, f"SELECT id FROM {T} ORDER BY id", second.token_of("node")) == [(1,), (2,)]
        assert second.volume_path("/Volumes/main/edge/v/a.parquet").exists()
        assert ask(second, f"DESCRIBE TABLE {T}") == [("id", "bigint", None)]


def test_who_does_not_trust_its_certificate_does_not_get_in(tmp_path: Path) -> None:
    with Warehouse(tmp_path) as warehouse, urllib3.PoolManager() as pool:
        with pytest.raises(urllib3.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            pool.request("GET", f"{warehouse.url}/telemetry-ext", retries=False)
        assert warehouse.requests == ()


def test_several_stand_side_by_side(tmp_path: Path) -> None:
    with Warehouse(tmp_path / "one") as one, Warehouse(tmp_path / "two", Options(tls=False)) as two:
        prepare(one)
        assert ask(two, "SELECT count(*) FROM information_schema.tables") == [(0,)]
        assert ask(one, "SELECT count(*) FROM information_schema.tables") == [(1,)]


def test_a_folder_of_its_own_catalogs(tmp_path: Path) -> None:
    with Warehouse(tmp_path, Options(catalogs=("dev", "prod"))) as warehouse:
        ask(warehouse, "CREATE TABLE prod.default.t (id INT)")
        assert ask(warehouse, "SELECT current_catalog()") == [("dev",)]
        assert warehouse.table("prod.default.t").num_rows == 0


def test_closing_leaves_no_thread_no_process_and_no_port(tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    with Warehouse(tmp_path) as warehouse:
        engine, port = psutil.Process(warehouse.engine_pid), warehouse.port
        with sql.connect(**warehouse.connection()) as connection:
            run(connection, "SELECT 1")
    assert not engine.is_running()
    assert set(threading.enumerate()) <= threads
    with Warehouse(tmp_path, Options(port=port)) as again:
        assert again.port == port


def test_a_client_that_stays_connected_does_not_keep_it_from_closing(tmp_path: Path) -> None:
    with Warehouse(tmp_path) as warehouse:
        connection = sql.connect(**warehouse.connection(_retry_stop_after_attempts_count=1, _retry_delay_min=0.1))
    with pytest.raises(Exception, match=r"(?i)refused|max retries|closed"):
        run(connection, "SELECT 1")
    connection.close()


def test_an_engine_that_does_not_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Sail did not start"), Warehouse(tmp_path, Options(catalogs=('a"b',))):
        pass


@contextmanager
def served(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A warehouse in a process of its own, as a person starts it."""
    program = [sys.executable, "-m", "tests.support.warehouse", str(folder)]
    with subprocess.Popen(program, cwd=HERE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def settings(process: subprocess.Popen[str]) -> dict[str, str]:
    known: dict[str, str] = {}
    while "SSL_CERT_FILE" not in known:
        line = process.stdout.readline() if process.stdout else ""
        assert line, "the warehouse ended before it printed its settings"
        known.update(re.findall(r"export (\w+)=(.*)", line))
    return known


def test_a_person_is_told_the_settings_and_they_work(tmp_path: Path) -> None:
    with served(tmp_path) as process:
        known = settings(process)
        host, _, port = known["DATABRICKS_HOST"].partition(":")
        with sql.connect(
            server_hostname=host,
            _port=int(port),
            http_path=known["DATABRICKS_HTTP_PATH"],
            access_token=known["DATABRICKS_TOKEN"],
            _tls_trusted_ca_file=known["SSL_CERT_FILE"],
            enable_telemetry=False,
        ) as connection:
            assert run(connection, "SELECT count(*) FROM main.sensor_data.raw_sensor_readings") == [(0,)]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_is_left_when_its_own_is_killed(tmp_path: Path, how: signal.Signals) -> None:
    with served(tmp_path) as process:
        settings(process)
        engines = psutil.Process(process.pid).children(recursive=True)
        assert engines
        os.kill(process.pid, how)
        process.wait(30)
        wait_for(lambda: not any(engine.is_running() for engine in engines))


def test_the_readme_lists_every_unsettled_question_and_every_guess() -> None:
    text = (HERE / "tests/support/warehouse/README.md").read_text()
    for question in Unsettled.__dataclass_fields__:
        assert f"`{question}`" in text
