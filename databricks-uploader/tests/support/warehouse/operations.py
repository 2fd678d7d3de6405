"""Statements under way: each has a thread of its own, outlives its client, and keeps its result until it is closed."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.warehouse import errors
from tests.support.warehouse.compute import Compute
from tests.support.warehouse.naming import Session
from tests.support.warehouse.record import Record
from tests.support.warehouse.results import Format, Rows, of_table
from tests.support.warehouse.statements import Result

Work = Callable[[Session], Result]


@dataclass
class Operation:
    """One statement: `done` once it has rows, an error, or was cancelled."""

    sql: str
    session: Session
    format: Format
    gate: threading.Event | None = None
    staging: bool = False
    id: bytes = field(default_factory=lambda: uuid.uuid4().bytes)
    secret: bytes = field(default_factory=lambda: uuid.uuid4().bytes)
    done: threading.Event = field(default_factory=threading.Event)
    cancelled: bool = False
    error: errors.WarehouseError | None = None
    changed: int | None = None
    rows: Rows | None = None
    position: int = 0


class Operations:
    """All operations of one warehouse."""

    def __init__(self, compute: Compute, record: Record, clock: Callable[[], float]) -> None:
        self._compute, self._record, self._clock = compute, record, clock
        self._known: dict[bytes, Operation] = {}
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def start(self, operation: Operation, work: Work) -> None:
        """Begin to carry out `work`."""
        thread = threading.Thread(target=self._run, args=(operation, work), name="statement", daemon=True)
        with self._lock:
            self._known[operation.id] = operation
            self._threads = [known for known in self._threads if known.is_alive()] + [thread]
        thread.start()

    def find(self, identity: bytes) -> Operation | None:
        """Return an operation that was not closed."""
        with self._lock:
            return self._known.get(identity)

    def forget(self, identity: bytes) -> None:
        """Close an operation: its result is gone; what it does goes on."""
        with self._lock:
            self._known.pop(identity, None)

    def cancel(self, operation: Operation) -> None:
        """Stop an operation that the engine has not begun; one that it has begun is only no longer waited for."""
        operation.cancelled = True
        operation.done.set()
        if operation.gate:
            operation.gate.set()

    def close(self) -> None:
        """Cancel what is held, and wait for what runs."""
        with self._lock:
            known, threads = list(self._known.values()), list(self._threads)
        for operation in known:
            if operation.gate and not operation.gate.is_set():
                self.cancel(operation)
        for thread in threads:
            thread.join(30)

    def _run(self, operation: Operation, work: Work) -> None:
        self._compute.begin()
        number = self._record.began(operation.sql, operation.session.principal, self._clock())
        try:
            if operation.gate:
                operation.gate.wait()
            if not operation.cancelled:
                result = work(operation.session)
                operation.rows = of_table(result.rows, operation.format, staging=operation.staging)
                operation.changed = result.changed
        except errors.WarehouseError as error:
            operation.error = error
        except Exception as error:  # noqa: BLE001 - a fault of ours reaches the client as the fault of a server does
            operation.error = errors.INTERNAL_ERROR.error(text=f"{type(error).__name__}: {error}")
        finally:
            failure = "CANCELED" if operation.cancelled else str(operation.error or "")
            self._record.ended(number, self._clock(), failure, operation.changed)
            self._compute.end()
            operation.done.set()
