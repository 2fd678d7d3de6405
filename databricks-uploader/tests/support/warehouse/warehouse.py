"""A Databricks workspace with one SQL warehouse and one cluster, on this machine, in one folder."""

import shutil
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import trustme
from tests.support.warehouse import engine, errors, privileges
from tests.support.warehouse.catalog import Catalog
from tests.support.warehouse.compute import Compute, SlowStart
from tests.support.warehouse.endpoints import Endpoints
from tests.support.warehouse.faults import Faults
from tests.support.warehouse.files_api import FilesApi
from tests.support.warehouse.front import Front
from tests.support.warehouse.http_server import HttpServer
from tests.support.warehouse.identities import Credentials, Identities
from tests.support.warehouse.naming import Session
from tests.support.warehouse.operations import Operations
from tests.support.warehouse.record import Record, Request, Statement
from tests.support.warehouse.sail import Sail
from tests.support.warehouse.sessions import Sessions
from tests.support.warehouse.staging import Stage
from tests.support.warehouse.statements import Tools
from tests.support.warehouse.thrift_service import Backend, Patience
from tests.support.warehouse.unsettled import Unsettled

HTTP_PATH = "/sql/1.0/warehouses/10ca110ca110ca11"
CLUSTER_PATH = "/sql/protocolv1/o/1000000000000001/1120-000000-localone"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Options:
    """How a warehouse is: what a test may want otherwise.

    tls: serve HTTPS, with a certificate made at every start; else HTTP. port: 0 for a free one. catalogs: those of
    Unity Catalog, the first of them every session's; `hive_metastore` is always there. auto_stop_s: as the warehouse's
    setting (https://docs.databricks.com/compute/sql-warehouse/create: 10 minutes for a serverless one). clock: seconds
    that only grow; for tokens, tickets and the meter.
    """

    tls: bool = True
    port: int = 0
    catalogs: tuple[str, ...] = ("main",)
    auto_stop_s: float = 600.0
    slow_start: SlowStart = field(default_factory=SlowStart)
    patience: Patience = field(default_factory=Patience)
    unsettled: Unsettled = field(default_factory=Unsettled)
    clock: Callable[[], float] = time.monotonic


class Warehouse:
    """Starts with the block, or with `start`; stops with it, or with `close`. What it holds stays in `folder`."""

    def __init__(self, folder: Path, options: Options | None = None) -> None:
        self.folder, self.options = folder, options or Options()
        self.http_path, self.cluster_path, self.host = HTTP_PATH, CLUSTER_PATH, HOST
        self.faults, self._record, self._closing = Faults(), Record(), threading.Event()
        clock = self.options.clock
        self.meter = Compute(clock, self.options.auto_stop_s, self.options.slow_start)
        self._identities = Identities(clock, self.options.unsettled.expired_token)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "work", ignore_errors=True)
        self._catalog, self._privileges = Catalog(folder, self.options.catalogs), privileges.Privileges(folder)
        self._sail: Sail | None = None
        self._server: HttpServer | None = None
        self._operations = Operations(self.meter, self._record, clock)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the engine and listen."""
        self._sail = Sail(self._catalog.names, self.options.catalogs[0], self.folder / "sail.log")
        try:
            self._catalog.register_all(self._sail)
            tls = _certify(self.certificate) if self.options.tls else None
            self._server = HttpServer(self._front(self._sail).answer, tls, self.options.port)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop: no connection, no thread and no process is left. What is under way ends first."""
        self._closing.set()
        self.faults.clear()
        self._operations.close()
        if self._server:
            self._server.close()
        if self._sail:
            self._sail.close()
        self._server = self._sail = None

    # ------------------------------------------------------------------ how to reach it

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the warehouse is not started")
        return self._server.port

    @property
    def url(self) -> str:
        """The workspace's address, for REST."""
        return f"{'https' if self.options.tls else 'http'}://{self.host}:{self.port}"

    @property
    def certificate(self) -> Path:
        """The certificate authority to trust, as PEM; made anew at every start."""
        return self.folder / "certificate.pem"

    @property
    def token(self) -> str:
        """A personal access token of the admin, who may do everything."""
        return self._identities.admin_token

    @property
    def engine_pid(self) -> int:
        """The engine's process."""
        if self._sail is None:
            raise RuntimeError("the warehouse is not started")
        return self._sail.pid

    def connection(self, token: str = "", **more: Any) -> dict[str, Any]:
        """Return arguments for `databricks.sql.connect`; `more` replaces or adds some."""
        given: dict[str, Any] = {
            "server_hostname": self.host,
            "http_path": self.http_path,
            "access_token": token or self.token,
            "enable_telemetry": False,
        }
        if self.options.tls:
            given |= {"_port": self.port, "_tls_trusted_ca_file": str(self.certificate)}
        else:
            given["_connection_uri"] = f"{self.url}{more.get('http_path', self.http_path)}"
        return given | more

    # ------------------------------------------------------------------ who may do what

    def token_of(self, principal: str) -> str:
        """Make a personal access token of a principal, who may do nothing yet."""
        return self._identities.token(principal)

    def service_principal(self, principal: str) -> Credentials:
        """Make an OAuth id and secret of a principal."""
        return self._identities.service_principal(principal)

    def grant(self, grants: str, on: str, to: str) -> None:
        """Grant as a statement does: `grant("SELECT, MODIFY", "TABLE main.edge.readings", to="node")`."""
        self.sql(f"GRANT {grants} ON {on} TO `{to}`")

    def revoke(self, grants: str, on: str, of: str) -> None:
        """Take grants back."""
        self.sql(f"REVOKE {grants} ON {on} FROM `{of}`")

    # ------------------------------------------------------------------ what happened, what is there

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every HTTP request so far, in the order they came."""
        return self._record.requests

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Every execution of a statement so far."""
        return self._record.statements

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Run a statement as the admin, past the protocol: it is not recorded and wakes nothing."""
        rows: list[dict[str, Any]] = engine.execute(self._tools(), self._session(), statement).rows.to_pylist()
        return rows

    def table(self, name: str) -> pa.Table:
        """Read a table by delta-rs from its files: another engine than the one that ran the statements."""
        return self._catalog.delta(self._session().name(name)).to_pyarrow_table()

    def volume_path(self, path: str) -> Path:
        """Return where a file of a volume lies here. Raises WarehouseError for a path that names none."""
        file = self._catalog.volume_file(path)
        if file is None:
            raise errors.BAD_PATH.error(path=path)
        return file.here

    # ------------------------------------------------------------------ how it is put together

    def _session(self) -> Session:
        return Session(privileges.ADMIN, self.options.catalogs[0])

    def _tools(self) -> Tools:
        if self._sail is None:
            raise RuntimeError("the warehouse is not started")
        return Tools(self._catalog, self._sail, self._privileges, self.options.unsettled)

    def _front(self, sail: Sail) -> Front:
        sessions = Sessions()
        self.meter.when_stopped(sessions.forget_all)
        backend = Backend(
            tools=Tools(self._catalog, sail, self._privileges, self.options.unsettled),
            sessions=sessions,
            operations=self._operations,
            stage=Stage(self._catalog, self._privileges, self.options.clock),
            faults=self.faults,
            patience=self.options.patience,
            default_catalog=self.options.catalogs[0],
            base_url=lambda: self.url,
        )
        endpoints = Endpoints(
            http_paths=(self.http_path, self.cluster_path),
            identities=self._identities,
            compute=self.meter,
            files=FilesApi(self._catalog, self._privileges),
            backend=backend,
            work=self._catalog.work,
        )
        return Front(endpoints, self.faults, self._record, self._closing)


def _certify(trusted: Path) -> ssl.SSLContext:
    """Make a certificate for this machine's own address; write who signed it to `trusted`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(trusted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "localhost").configure_cert(context)
    return context
