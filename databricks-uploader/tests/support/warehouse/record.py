"""What was asked of a warehouse: every request and every statement, in the order they came."""

import threading
from dataclasses import dataclass, field, replace

from tests.support.warehouse.faults import Fault


@dataclass(frozen=True)
class Request:
    """One HTTP request and how it ended.

    rpc: the Thrift method, "" elsewhere. statement: its SQL, where it has one. principal: "" before a token was
    accepted. body: bytes received. status: the HTTP status answered, 0 while none was or if none ever is.
    """

    number: int
    method: str
    path: str
    query: str
    rpc: str = ""
    statement: str = ""
    user_agent: str = ""
    principal: str = ""
    body: int = 0
    status: int = 0
    fault: Fault | None = None


@dataclass(frozen=True)
class Statement:
    """One statement as it was executed: again if it was sent again. Times are of the warehouse's clock, in seconds."""

    number: int
    sql: str
    principal: str
    started: float
    ended: float | None = None
    error: str = ""
    changed: int | None = None


@dataclass
class Record:
    """The two lists, to be read at any time."""

    _requests: list[Request] = field(default_factory=list)
    _statements: list[Statement] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests so far."""
        with self._lock:
            return tuple(self._requests)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All executions so far."""
        with self._lock:
            return tuple(self._statements)

    def came(self, request: Request) -> int:
        """Add a request; return its number."""
        with self._lock:
            self._requests.append(replace(request, number=len(self._requests)))
            return len(self._requests) - 1

    def went(self, number: int, **known: object) -> None:
        """Add what became known of a request."""
        with self._lock:
            self._requests[number] = replace(self._requests[number], **known)  # type: ignore[arg-type]

    def began(self, sql: str, principal: str, at: float) -> int:
        """Add an execution; return its number."""
        with self._lock:
            self._statements.append(Statement(len(self._statements), sql, principal, at))
            return len(self._statements) - 1

    def ended(self, number: int, at: float, error: str, changed: int | None) -> None:
        """Add how an execution ended."""
        with self._lock:
            self._statements[number] = replace(self._statements[number], ended=at, error=error, changed=changed)
