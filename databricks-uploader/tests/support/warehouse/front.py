"""The front: every request is recorded, meets its fault if it has one, and is answered."""

import threading
from dataclasses import dataclass, replace

from tests.support.warehouse import endpoints, errors, thrift_service
from tests.support.warehouse.endpoints import Endpoints
from tests.support.warehouse.faults import (
    Answer,
    Delay,
    Drop,
    Effect,
    ExpireToken,
    Faults,
    ForgetSession,
    GoOn,
    Truncate,
    Twice,
)
from tests.support.warehouse.http_server import Incoming, Outgoing
from tests.support.warehouse.record import Record, Request


@dataclass(frozen=True)
class Front:
    """Answers all requests of one warehouse. `closing`: set when it is to delay nobody any more."""

    endpoints: Endpoints
    faults: Faults
    record: Record
    closing: threading.Event

    def answer(self, incoming: Incoming) -> Outgoing | None:
        """Return the answer, or None where the connection is to be cut."""
        peek = thrift_service.Peek()
        if incoming.headers.get("Content-Type") == "application/x-thrift":
            peek = thrift_service.peek(incoming.body.read())
            incoming.body.seek(0)
        fault = self.faults.strike(rpc=peek.rpc, statement=peek.statement, method=incoming.method, path=incoming.path)
        number = self.record.came(
            Request(
                number=0,
                method=incoming.method,
                path=incoming.path,
                query=incoming.query,
                rpc=peek.rpc,
                statement=peek.statement,
                user_agent=incoming.headers.get("User-Agent", ""),
                body=incoming.size,
                fault=fault,
            )
        )
        outgoing = self._struck(incoming, peek, fault.effect if fault else None)
        self.record.went(number, principal=incoming.principal, status=outgoing.status if outgoing else 0)
        return outgoing

    def _struck(self, incoming: Incoming, peek: thrift_service.Peek, effect: Effect | None) -> Outgoing | None:
        """Do what the request asks before, after, or not at all, as its fault has it."""
        match effect:
            case Drop(after=False):
                return None
            case Answer(after=False):
                return endpoints.gateway_error(effect.status, effect.reason, effect.retry_after)
            case ForgetSession():
                return self._forgotten(incoming, peek, effect)
        self._before(incoming, peek, effect)
        outgoing = self.endpoints.answer(incoming, peek, effect)
        return self._after(outgoing, effect)

    def _before(self, incoming: Incoming, peek: thrift_service.Peek, effect: Effect | None) -> None:
        match effect:
            case Delay(after=False):
                self.closing.wait(effect.seconds)
            case ExpireToken():
                self.endpoints.identities.expire(incoming.headers.get("Authorization", "").partition(" ")[2])
            case Twice():
                self.endpoints.answer(incoming, peek, effect)
                incoming.body.seek(0)

    def _after(self, outgoing: Outgoing, effect: Effect | None) -> Outgoing | None:
        match effect:
            case Drop() | GoOn():
                return None
            case Delay(after=True):
                self.closing.wait(effect.seconds)
            case Answer():
                return endpoints.gateway_error(effect.status, effect.reason, effect.retry_after)
            case Truncate():
                return replace(outgoing, cut=effect.keep)
        return outgoing

    def _forgotten(self, incoming: Incoming, peek: thrift_service.Peek, effect: ForgetSession) -> Outgoing:
        self.endpoints.backend.sessions.forget(peek.session)
        if not effect.by_gateway:
            return self.endpoints.answer(incoming, peek, effect)
        refusal = errors.SESSION_CLOSED.error(session=peek.session.hex())
        reason = f"{refusal.condition.name}: {refusal.detail}"
        return endpoints.gateway_error(refusal.condition.http, reason, None)
