import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from databricks.sql.auth import retry
from databricks.sql.client import Connection
from tests.support.warehouse import Options, Warehouse

from databricks import sql

# As short as the connector lets it be: a dropped connection is tried again after 0.1 s, an answer 503 after 5 s.
IMPATIENT: dict[str, Any] = {
    "_retry_delay_min": 0.1,
    "_retry_delay_max": 5,
    "_retry_stop_after_attempts_count": 3,
    "_socket_timeout": 60,
}


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


Connect = Callable[..., Connection]
Start = Callable[..., Warehouse]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One warehouse for the tests of a module that leave each other alone, with a schema and a volume."""
    with Warehouse(tmp_path_factory.mktemp("warehouse")) as warehouse:
        warehouse.sql("CREATE SCHEMA main.edge")
        warehouse.sql("CREATE VOLUME main.edge.files")
        yield warehouse


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Warehouses of a test's own, with a schema and a volume: `start(tls=False)`."""
    with ExitStack() as started:

        def begin(**options: Any) -> Warehouse:
            warehouse = started.enter_context(Warehouse(tmp_path / "warehouse", Options(**options)))
            warehouse.sql("CREATE SCHEMA IF NOT EXISTS main.edge")
            warehouse.sql("CREATE VOLUME IF NOT EXISTS main.edge.files")
            return warehouse

        yield begin


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connections by the vendor's connector as it is, closed after the test: `connect(warehouse, token=…)`."""
    with ExitStack() as opened:

        def begin(warehouse: Warehouse, token: str = "", **more: Any) -> Connection:
            return opened.enter_context(sql.connect(**warehouse.connection(token, **(IMPATIENT | more))))

        yield begin


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the connector's retry policy would have slept: its module has a clock that doesn't wait."""
    seconds: list[float] = []
    monkeypatch.setattr(retry, "time", SimpleNamespace(time=time.time, sleep=seconds.append))
    return seconds
