"""Which path is answered by what: Thrift, Files API, OAuth, presigned addresses, what the connector calls by itself."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.warehouse import errors, files_api, oauth, thrift_service
from tests.support.warehouse.compute import Compute, StartingError
from tests.support.warehouse.faults import Effect
from tests.support.warehouse.files_api import FilesApi
from tests.support.warehouse.http_server import Incoming, Outgoing
from tests.support.warehouse.identities import Identities

_THRIFT = re.compile(r"/sql/(?:1\.0/warehouses/[^/]+|protocolv1/o/[^/]+/[^/]+)")
_FLAGS = "/api/2.0/connector-service/feature-flags"
_TELEMETRY = ("/telemetry-ext", "/telemetry-unauth")


@dataclass(frozen=True)
class Endpoints:
    """Carries out requests that nothing goes wrong with. `http_paths`: those of the compute that exists."""

    http_paths: tuple[str, ...]
    identities: Identities
    compute: Compute
    files: FilesApi
    backend: thrift_service.Backend
    work: Path

    def answer(self, incoming: Incoming, peek: thrift_service.Peek, effect: Effect | None) -> Outgoing:
        """Answer a request, errors included; fills in its principal."""
        try:
            return self._route(incoming, peek, effect)
        except errors.WarehouseError as error:
            return self._refused(incoming.path)(error)
        except StartingError as starting:
            refusal = errors.STARTING.error(compute=incoming.path.rpartition("/")[2])
            reason = f"{refusal.condition.name}: {refusal.detail}"
            return gateway_error(refusal.condition.http, reason, starting.retry_after)

    def _route(self, incoming: Incoming, peek: thrift_service.Peek, effect: Effect | None) -> Outgoing:
        open_to_all = self._open_to_all(incoming)
        if open_to_all is not None:
            return open_to_all
        path = incoming.path
        incoming.principal = self.identities.principal(incoming.headers.get("Authorization", ""))
        if path.startswith(_FLAGS):
            return Outgoing(200, json.dumps({"flags": [], "ttl_seconds": 900}).encode())
        if path.startswith((files_api.FILES, files_api.DIRECTORIES)):
            return self.files.answer(incoming)
        if _THRIFT.fullmatch(path):
            return self._thrift(incoming, peek, effect)
        raise errors.NO_ENDPOINT.error(path=path)

    def _open_to_all(self, incoming: Incoming) -> Outgoing | None:
        if incoming.path == oauth.DISCOVERY:
            return oauth.discovery(self.backend.base_url())
        if incoming.path == oauth.TOKEN:
            return oauth.token(self.identities, incoming)
        if incoming.path.startswith("/presigned/"):
            return self._presigned(incoming)
        return Outgoing(200, b"{}") if incoming.path in _TELEMETRY else None

    def _thrift(self, incoming: Incoming, peek: thrift_service.Peek, effect: Effect | None) -> Outgoing:
        if incoming.path not in self.http_paths:
            raise errors.NO_WAREHOUSE.error(path=incoming.path)
        lives = peek.rpc not in thrift_service.WAKING or self.compute.rouse(opening=peek.rpc == "OpenSession")
        caller = thrift_service.Caller(incoming.principal, effect, lives=lives)
        body = thrift_service.answer(self.backend, caller, incoming.body.read())
        return Outgoing(200, body, content_type="application/x-thrift")

    def _presigned(self, incoming: Incoming) -> Outgoing:
        file = self.backend.stage.redeem(incoming.path.removeprefix("/presigned/"), incoming.method)
        if incoming.method == "PUT":
            files_api.store(incoming.body, file, self.work, overwrite=True)
            return Outgoing(200)
        if not file.is_file():
            raise errors.PRESIGNED_NO_FILE.error()
        if incoming.method == "GET":
            return Outgoing(200, file.read_bytes(), content_type="application/octet-stream")
        file.unlink()
        return Outgoing(204)

    def _refused(self, path: str) -> Callable[[errors.WarehouseError], Outgoing]:
        if path == oauth.TOKEN:
            return oauth.refused
        return _xml_error if path.startswith("/presigned/") else _json_error


def gateway_error(status: int, reason: str, retry_after: int | None) -> Outgoing:
    """Make the answer of what stands before the warehouse."""
    headers = {"x-databricks-reason-phrase": reason} if reason else {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return Outgoing(status, json.dumps({"error_code": str(status), "message": reason}).encode(), headers)


def _json_error(error: errors.WarehouseError) -> Outgoing:
    condition = error.condition
    code: Any = int(condition.name) if condition.name.isdigit() else condition.name
    body = json.dumps({"error_code": code, "message": error.detail}).encode()
    # The connector shows these two headers in its errors (thrift_backend.py, _extract_error_message_from_headers).
    shown = {"x-databricks-reason-phrase": error.detail.replace("\n", " ")}
    return Outgoing(condition.http, body, shown)


def _xml_error(error: errors.WarehouseError) -> Outgoing:
    body = f"<Error><Code>{error.condition.name}</Code><Message>{error.detail}</Message></Error>"
    return Outgoing(error.condition.http, body.encode(), content_type="application/xml")
