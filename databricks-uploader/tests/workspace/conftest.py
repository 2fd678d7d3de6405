"""What every test in here also sees: that nothing was asked of the warehouse but what a load needs."""

from collections.abc import Iterator

import pytest
from tests.support.real import RealWorkspace
from tests.support.warehouse import Warehouse

NEEDED = {"DESCRIBE", "SELECT", "COPY", "MERGE", "CREATE", "ALTER"}


@pytest.fixture(autouse=True)
def nothing_is_asked_but_what_a_load_needs(workspace: Warehouse | RealWorkspace) -> Iterator[None]:
    if isinstance(workspace, RealWorkspace):
        yield
        return
    before = len(workspace.requests)
    yield
    asked = workspace.requests[before:]
    statements = [request.statement for request in asked if request.rpc == "ExecuteStatement"]
    opened = [
        request for request in asked if (request.rpc, request.status, request.fault) == ("OpenSession", 200, None)
    ]
    assert {statement.split()[0] for statement in statements} <= NEEDED
    assert [statement for statement in statements if "edge" not in statement] == [], "about no table of a test: a ping"
    assert len(opened) <= len(statements), "a session without a statement woke the warehouse for nothing"
    assert [r for r in asked if "databricks-uploader/" not in r.user_agent or "telemetry" in r.path] == []
