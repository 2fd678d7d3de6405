"""Every fault of the network and the workspace, at every request of a load: then source and table are equal."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support.edge import IDENTITY, EdgeNode
from tests.support.fakes import FakeClock
from tests.support.warehouse import Warehouse, errors
from tests.support.warehouse.faults import (
    Answer,
    Delay,
    Drop,
    Effect,
    ExpireToken,
    Fail,
    Fault,
    ForgetSession,
    GoOn,
    Hold,
    Place,
    Truncate,
    Twice,
    at,
)
from tests.support.warehouse_client import Background, wait_for
from tests.support.workspace import Edge, see_idle_cost_nothing
from tests.support.writer import Writer

from databricks_uploader.destinations.databricks.authentication import ClientCredentials
from databricks_uploader.destinations.databricks.https import Https
from databricks_uploader.errors import StateError, UploaderError
from databricks_uploader.model.secret import Secret
from databricks_uploader.ports import Destination

TRIES = 6
ANYWHERE: tuple[Effect, ...] = (
    Drop(),
    Drop(after=True),
    Truncate(keep=10),
    Answer(503, retry_after=1),
    Answer(503, after=True),
    Answer(429),
    Answer(502, after=True),
    Answer(500),
    Answer(401),
    Answer(403),
    Answer(404),
    Twice(),
    Delay(0.01),
)
ON_STATEMENTS: tuple[Effect, ...] = (
    ForgetSession(),
    ForgetSession(by_gateway=True),
    Hold(),
    GoOn(),
    Fail(errors.COPY_CONFLICT),
    Fail(errors.CONCURRENT_APPEND),
    Fail(errors.COPY_STATE),
    Fail(errors.INTERNAL_ERROR, (("text", "it broke"),)),
    Fail(errors.MAY_NOT_WRITE, (("privilege", "MODIFY"), ("kind", "TABLE"), ("name", "t"))),
)


@dataclass
class Loading:
    """A node that loads two new rows at a time."""

    node: EdgeNode
    warehouse: Warehouse
    ids: Callable[[], list[int]]
    written: int = 0
    outcomes: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self) -> None:
        rows = ", ".join(f"('2026-01-01T00:00:{v % 60:02}Z', {v})" for v in (self.written + 1, self.written + 2))
        self.node.write(f"INSERT INTO t (ts, v) VALUES {rows}")
        self.written += 2

    def requests(self) -> list[str]:
        """Return what one load asks, request by request."""
        self.add()
        before = len(self.warehouse.requests)
        self.node.upload()
        return [
            f"{r.rpc or r.method} {r.statement.partition(' ')[0]}".strip() for r in self.warehouse.requests[before:]
        ]

    def survive(self, request: str, fault: Fault) -> None:
        """Load under the fault until it is done; a StateError never is."""
        self.add()
        self.warehouse.faults.script(fault)
        ended = Background(self._let_go) if isinstance(fault.effect, Hold) else None
        met: list[str] = []
        while len(met) < TRIES:
            try:
                self.node.upload()
            except StateError:
                raise
            except UploaderError as error:
                met.append(type(error).__name__)
            else:
                break
        if ended is not None:
            ended.result()
        self.warehouse.faults.release()  # what goes on without us, goes on now
        wait_for(lambda: all(statement.ended is not None for statement in self.warehouse.statements))
        self.outcomes.setdefault(request, {})[_named(fault.effect)] = ", ".join(met) or "unnoticed"
        assert not self.warehouse.faults.left, f"{request} never came"
        assert self.ids() == list(range(1, self.written + 1)), (request, fault.effect, met)

    def _let_go(self) -> None:
        """Let the statement end that is going to be held."""
        wait_for(lambda: self.warehouse.faults.holds)
        self.warehouse.faults.release()

    def told(self) -> str:
        """Draw what became of each load at first."""
        lines = [
            f"{request:<34} {effect:<60} {outcome}"
            for request, of_effects in self.outcomes.items()
            for effect, outcome in of_effects.items()
        ]
        return "\n".join(lines)


def _named(effect: Effect) -> str:
    return effect.condition.name if isinstance(effect, Fail) else str(effect)


@dataclass(frozen=True)
class Way:
    """A way of loading, and the table that is loaded into."""

    connect: Callable[[Edge], Destination]
    lineage: bool = True


WAYS = {
    "volume": Way(lambda edge: edge.by_volume(IDENTITY)),
    "MERGE": Way(lambda edge: edge.by_merge(IDENTITY)),
    "MERGE without lineage": Way(lambda edge: edge.by_merge(IDENTITY, key=("id",)), lineage=False),
}
of_every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
def loading(tmp_path: Path, warehouse: Warehouse, way: str) -> Iterator[Loading]:
    """A node that a service principal's OAuth client lends its tokens."""
    given = warehouse.service_principal("edge")
    edge = Edge(warehouse, clock=FakeClock())
    edge.credential = ClientCredentials(Https(edge.host), given.client_id, Secret(given.client_secret))
    edge.create_table(lineage=WAYS[way].lineage, columns="id BIGINT, ts TIMESTAMP, v BIGINT", name="raw_t")
    for rights, on in edge.rights("raw_t"):
        warehouse.grant(rights, on, to="edge")
    with Writer() as writer:
        node = EdgeNode(tmp_path, writer, connect=lambda: WAYS[way].connect(edge))
        node.write("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, ts TEXT, v INTEGER)")
        yield Loading(node, warehouse, lambda: sorted(edge.table("raw_t").column("id").to_pylist()))
        see_idle_cost_nothing(warehouse, node.upload)


def every_fault(loading: Loading, effects: tuple[Effect, ...]) -> None:
    loading.requests()  # the first one also begins the pipeline
    for number, request in enumerate(loading.requests()):
        for effect in effects:
            loading.survive(f"{number:>2} {request}", Fault(Place(), effect, skip=number))


def every_statement(loading: Loading) -> None:
    loading.requests()
    statements = [r for r in loading.requests() if r.startswith("ExecuteStatement")]
    for number, request in enumerate(statements):
        for effect in ON_STATEMENTS:
            loading.survive(f"{number:>2} {request}", Fault(at(statement="."), effect, skip=number))


def print_table(capsys: pytest.CaptureFixture[str], way: str, loading: Loading) -> None:
    with capsys.disabled():
        print(f"\n{way}\n{loading.told()}")  # noqa: T201  (the table of outcomes is what one wants to see)


@pytest.mark.long
@of_every_way
def test_what_was_done_and_its_answer_lost_is_not_done_twice(loading: Loading) -> None:
    every_fault(loading, (Drop(after=True),))


@of_every_way
def test_a_token_that_oauth_lent_is_replaced_when_it_expires_at_any_request(loading: Loading) -> None:
    every_fault(loading, (ExpireToken(),))
    assert {told for of_effects in loading.outcomes.values() for told in of_effects.values()} == {"unnoticed"}


@pytest.mark.long
@of_every_way
def test_after_every_fault_at_every_statement_all_rows_are_there_once(
    loading: Loading, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    every_statement(loading)
    print_table(capsys, way, loading)


@pytest.mark.long
@of_every_way
def test_after_every_fault_at_every_request_all_rows_are_there_once(
    loading: Loading, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    every_fault(loading, ANYWHERE)
    print_table(capsys, way, loading)
