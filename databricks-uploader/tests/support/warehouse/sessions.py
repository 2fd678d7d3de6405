"""The sessions of clients: opened, found by their id, and forgotten one by one or, when the warehouse stops, all."""

import threading
import uuid

from tests.support.warehouse import errors
from tests.support.warehouse.naming import Session


class Sessions:
    """The sessions of one warehouse."""

    def __init__(self) -> None:
        self._known: dict[bytes, Session] = {}
        self._stillborn: set[bytes] = set()
        self._lock = threading.Lock()

    def open(self, session: Session, *, lives: bool) -> bytes:
        """Keep a session, or only that there was to be one; return its id."""
        identity = uuid.uuid4().bytes
        with self._lock:
            if lives:
                self._known[identity] = session
            else:
                self._stillborn.add(identity)
        return identity

    def refusal(self, identity: bytes) -> str:
        """Return why there is no session of this id."""
        with self._lock:
            if identity in self._stillborn:
                return str(errors.STILLBORN.error(session=uuid.UUID(bytes=identity)))
        return "Invalid SessionHandle"

    def find(self, identity: bytes) -> Session | None:
        """Return a session that is still there."""
        with self._lock:
            return self._known.get(identity)

    def forget(self, identity: bytes) -> None:
        """End a session; its statements go on."""
        with self._lock:
            self._known.pop(identity, None)

    def forget_all(self) -> None:
        """End every session, as a warehouse that stops does."""
        with self._lock:
            self._known.clear()
