"""Databricks' Thrift service, as the connector speaks it: sessions, statements, results, metadata.

The method names and messages are those of TCLIService in databricks-sql-connector 4.9.0; which fields it reads, and
what it makes of them, was read in its databricks/sql/backend/thrift_backend.py.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from databricks.sql.thrift_api.TCLIService import TCLIService, ttypes
from tests.support.warehouse import arrow_types, engine, staging
from tests.support.warehouse.faults import Effect, Fail, Faults, GoOn, Hold
from tests.support.warehouse.naming import Name, Session
from tests.support.warehouse.operations import Operation, Operations, Work
from tests.support.warehouse.results import Format
from tests.support.warehouse.sessions import Sessions
from tests.support.warehouse.staging import Stage
from tests.support.warehouse.statements import Result, Tools, texts
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

# Calls that need the compute: they wake a stopped warehouse.
WAKING = frozenset(("OpenSession", "ExecuteStatement", "GetCatalogs", "GetSchemas", "GetTables", "GetColumns"))
_STATES = ttypes.TOperationState
_MOST_ROWS, _MOST_BYTES = 100_000, 100 << 20


@dataclass(frozen=True)
class Patience:
    """How long the server keeps a client waiting before it says `still running`, in seconds."""

    direct_results_s: float = 5.0
    poll_s: float = 5.0


@dataclass(frozen=True)
class Backend:
    """What the service works with; one for a warehouse."""

    tools: Tools
    sessions: Sessions
    operations: Operations
    stage: Stage
    faults: Faults
    patience: Patience
    default_catalog: str
    base_url: Callable[[], str]


@dataclass(frozen=True)
class Caller:
    """Who asks, what goes wrong with the request, and whether a session that is opened will live."""

    principal: str
    effect: Effect | None = None
    lives: bool = True


@dataclass(frozen=True)
class Peek:
    """What a Thrift request says of itself before it is carried out."""

    rpc: str = ""
    statement: str = ""
    session: bytes = b""


def peek(body: bytes) -> Peek:
    """Read the method, and of a statement its text and session."""
    protocol = _reader(body)
    rpc = str(protocol.readMessageBegin()[0])
    if rpc != "ExecuteStatement":
        return Peek(rpc)
    arguments = TCLIService.ExecuteStatement_args()
    arguments.read(protocol)
    return Peek(rpc, arguments.req.statement or "", arguments.req.sessionHandle.sessionId.guid)


def answer(backend: Backend, caller: Caller, body: bytes) -> bytes:
    """Carry out one request; return the body of the answer."""
    out = TMemoryBuffer()
    TCLIService.Processor(_Service(backend, caller)).process(_reader(body), TBinaryProtocol(out))
    return bytes(out.getvalue())


def _reader(body: bytes) -> Any:
    # thrift 0.25 limits strings to 15.6 MiB by default; statements may be longer.
    return TBinaryProtocol(TMemoryBuffer(body), string_length_limit=None, container_length_limit=None)


def _ok() -> Any:
    return ttypes.TStatus(statusCode=ttypes.TStatusCode.SUCCESS_STATUS)


def _invalid(text: str) -> Any:
    return ttypes.TStatus(statusCode=ttypes.TStatusCode.INVALID_HANDLE_STATUS, sqlState="HY000", errorMessage=text)


class _Service(TCLIService.Iface):
    """The methods, for one request of one principal."""

    def __init__(self, backend: Backend, caller: Caller) -> None:
        self._backend, self._caller, self._effect = backend, caller, caller.effect

    # ------------------------------------------------------------------ sessions

    def OpenSession(self, req: Any) -> Any:  # noqa: N802 - the service's own names, here and below
        place = req.initialNamespace
        session = Session(
            self._caller.principal,
            (getattr(place, "catalogName", None) or self._backend.default_catalog).lower(),
            (getattr(place, "schemaName", None) or "default").lower(),
            dict(req.configuration or {}),
        )
        handle = ttypes.THandleIdentifier(
            self._backend.sessions.open(session, lives=self._caller.lives), uuid.uuid4().bytes
        )
        return ttypes.TOpenSessionResp(
            _ok(),
            serverProtocolVersion=ttypes.TProtocolVersion.SPARK_CLI_SERVICE_PROTOCOL_V8,
            canUseMultipleCatalogs=True,
            sessionHandle=ttypes.TSessionHandle(handle),
            initialNamespace=place,
        )

    def CloseSession(self, req: Any) -> Any:  # noqa: N802
        self._backend.sessions.forget(req.sessionHandle.sessionId.guid)
        return ttypes.TCloseSessionResp(_ok())

    # ------------------------------------------------------------------ statements

    def ExecuteStatement(self, req: Any) -> Any:  # noqa: N802
        asked = staging.parse(req.statement)
        backend = self._backend

        def work(session: Session) -> Result:
            if isinstance(self._effect, Fail):
                raise self._effect.condition.error(**dict(self._effect.values))
            if asked is not None:
                return backend.stage.run(asked, session, backend.base_url())
            return engine.execute(backend.tools, session, req.statement, req.parameters or ())

        is_staging = asked is not None and asked.verb != "LIST"
        return self._start(req, req.statement, work, ttypes.TExecuteStatementResp, is_staging=is_staging)

    def GetOperationStatus(self, req: Any) -> Any:  # noqa: N802
        operation = self._operation(req)
        if operation is None:
            return ttypes.TGetOperationStatusResp(_invalid("Invalid OperationHandle"))
        operation.done.wait(self._backend.patience.poll_s)  # the client asks again at once
        return _status(operation)

    def GetResultSetMetadata(self, req: Any) -> Any:  # noqa: N802
        operation = self._operation(req)
        if operation is None or operation.rows is None:
            return ttypes.TGetResultSetMetadataResp(_invalid("Invalid OperationHandle"))
        return operation.rows.metadata()

    def FetchResults(self, req: Any) -> Any:  # noqa: N802
        operation = self._operation(req)
        if operation is None or operation.rows is None:
            return ttypes.TFetchResultsResp(_invalid("Invalid OperationHandle"))
        fetched = _fetch(operation, req.maxRows or _MOST_ROWS, req.maxBytes or _MOST_BYTES)
        if req.includeResultSetMetadata:
            fetched.resultSetMetadata = operation.rows.metadata()
        return fetched

    def CancelOperation(self, req: Any) -> Any:  # noqa: N802
        operation = self._operation(req)
        if operation is not None:
            self._backend.operations.cancel(operation)
        return ttypes.TCancelOperationResp(_ok())

    def CloseOperation(self, req: Any) -> Any:  # noqa: N802
        self._backend.operations.forget(req.operationHandle.operationId.guid)
        return ttypes.TCloseOperationResp(_ok())

    # ------------------------------------------------------------------ metadata

    def GetCatalogs(self, req: Any) -> Any:  # noqa: N802
        return self._listed(req, ttypes.TGetCatalogsResp, ("TABLE_CAT",), lambda: [(c,) for c in self._catalogs()])

    def GetSchemas(self, req: Any) -> Any:  # noqa: N802
        names = ("TABLE_SCHEM", "TABLE_CATALOG")
        return self._listed(req, ttypes.TGetSchemasResp, names, lambda: [(s, c) for c, s in self._schemas(req)])

    def GetTables(self, req: Any) -> Any:  # noqa: N802
        names = ("TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS")
        return self._listed(
            req, ttypes.TGetTablesResp, names, lambda: [(*name, "TABLE", "") for name in self._tables(req)]
        )

    def GetColumns(self, req: Any) -> Any:  # noqa: N802
        names = ("TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "COLUMN_NAME", "TYPE_NAME")

        def rows() -> list[tuple[str, ...]]:
            found: list[tuple[str, ...]] = []
            for name in self._tables(req):
                schema = pa.schema(self._backend.tools.catalog.delta(name).schema())
                found += [(*name, column.name, arrow_types.sql(column.type)) for column in schema]
            return found

        return self._listed(req, ttypes.TGetColumnsResp, names, rows)

    def _listed(
        self, req: Any, response: Any, names: tuple[str, ...], rows: Callable[[], Sequence[tuple[str, ...]]]
    ) -> Any:
        name = type(req).__name__.removeprefix("T").removesuffix("Req")
        return self._start(req, name, lambda _: texts(names, rows()), response)

    def _catalogs(self) -> tuple[str, ...]:
        return self._backend.tools.catalog.names

    def _schemas(self, req: Any) -> Iterator[tuple[str, str]]:
        for catalog in self._catalogs():
            for schema in self._backend.tools.catalog.schemas(catalog) if _like(req.catalogName, catalog) else ():
                if _like(req.schemaName, schema):
                    yield catalog, schema

    def _tables(self, req: Any) -> Iterator[Name]:
        for catalog, schema in self._schemas(req):
            for name in self._backend.tools.catalog.tables(catalog, schema):
                if _like(req.tableName, name.object):
                    yield name

    # ------------------------------------------------------------------ operations

    def _start(self, req: Any, sql: str, work: Work, response: Any, *, is_staging: bool = False) -> Any:
        identity = req.sessionHandle.sessionId.guid
        session = self._backend.sessions.find(identity)
        if session is None or session.principal != self._caller.principal:
            return response(_invalid(self._backend.sessions.refusal(identity)))
        held = self._backend.faults.hold() if isinstance(self._effect, Hold | GoOn) else None
        wanted = Format(
            arrow=bool(getattr(req, "canReadArrowResult", False)),
            lz4=bool(getattr(req, "canDecompressLZ4Result", False)),
        )
        operation = Operation(sql, session, wanted, gate=held, staging=is_staging)
        self._backend.operations.start(operation, work)
        known = ttypes.THandleIdentifier(operation.id, operation.secret)
        handle = ttypes.TOperationHandle(known, ttypes.TOperationType.EXECUTE_STATEMENT, hasResultSet=True)
        direct = None
        if req.getDirectResults and not isinstance(self._effect, GoOn):
            direct = self._direct(operation, req.getDirectResults)
        return response(_ok(), operationHandle=handle, directResults=direct)

    def _direct(self, operation: Operation, wanted: Any) -> Any:
        operation.done.wait(self._backend.patience.direct_results_s)
        direct = ttypes.TSparkDirectResults(operationStatus=_status(operation))
        if operation.rows is not None:
            direct.resultSetMetadata = operation.rows.metadata()
            direct.resultSet = _fetch(operation, wanted.maxRows, wanted.maxBytes)
            if not direct.resultSet.hasMoreRows:
                self._backend.operations.forget(operation.id)
                direct.closeOperation = ttypes.TCloseOperationResp(_ok())
        return direct

    def _operation(self, req: Any) -> Operation | None:
        return self._backend.operations.find(req.operationHandle.operationId.guid)


def _fetch(operation: Operation, most_rows: int, most_bytes: int) -> Any:
    if operation.rows is None:
        raise AssertionError("rows are fetched from an operation that has none")
    rows, operation.position = operation.rows.part(operation.position, most_rows, most_bytes)
    more = operation.position < operation.rows.table.num_rows
    return ttypes.TFetchResultsResp(_ok(), hasMoreRows=more, results=rows)


def _status(operation: Operation) -> Any:
    if not operation.done.is_set():
        return ttypes.TGetOperationStatusResp(_ok(), operationState=_STATES.RUNNING_STATE)
    if operation.cancelled:
        return ttypes.TGetOperationStatusResp(_ok(), operationState=_STATES.CANCELED_STATE)
    error = operation.error
    if error is None:
        return ttypes.TGetOperationStatusResp(
            _ok(), operationState=_STATES.FINISHED_STATE, hasResultSet=True, numModifiedRows=operation.changed
        )
    return ttypes.TGetOperationStatusResp(
        _ok(),
        operationState=_STATES.ERROR_STATE,
        sqlState=error.condition.sqlstate,
        errorMessage=str(error),
        displayMessage=str(error),
        diagnosticInfo=f"org.apache.hive.service.cli.HiveSQLException: {error}",
        errorDetailsJson=json.dumps({"errorClass": error.condition.name, "sqlState": error.condition.sqlstate}),
    )


def _like(pattern: str | None, name: str) -> bool:
    """Tell whether a name fits a pattern of JDBC's metadata calls: % and _."""
    written = re.escape(pattern or "%").replace("%", ".*").replace("_", ".")
    return re.fullmatch(written, name, re.IGNORECASE) is not None
