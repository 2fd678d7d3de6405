import os
from collections.abc import Iterator

import pytest
from tests.support.real import RealWorkspace
from tests.support.warehouse import Warehouse


@pytest.fixture(scope="session")
def started_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with Warehouse(tmp_path_factory.mktemp("warehouse")) as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(started_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """One warehouse for all tests, each in a schema of its own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(started_warehouse.certificate))
    yield started_warehouse
    started_warehouse.faults.clear()


@pytest.fixture
def workspace(request: pytest.FixtureRequest) -> Warehouse | RealWorkspace:
    """The local warehouse, or with UPLOADER_TEST_WORKSPACE=real what `make test-databricks` runs against."""
    if os.environ.get("UPLOADER_TEST_WORKSPACE") == "real":
        return RealWorkspace.from_environment()
    found: Warehouse = request.getfixturevalue("warehouse")
    return found
