"""Real time, and the signals that end the process within a second wherever it is."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

GRACE_S = 0.7


class SystemClock:
    """The machine's clock; a wait ends when it is time to stop."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float | None) -> bool:
        """Wait (None: for ever), and tell whether it is time to stop."""
        return self._stop.wait(seconds)

    def stop(self) -> None:
        """End all waits, now and later."""
        self._stop.set()


@contextmanager
def stopped_by_signals(exit_code: int) -> Iterator[SystemClock]:
    """Yield a clock that SIGTERM and SIGINT stop; whoever has not ended `GRACE_S` later is ended with `exit_code`.

    Python runs signal handlers between two steps of the main thread, which may be seconds deep in a library
    (SQLite waits for locks there). So a thread of its own is woken by the signal itself
    (https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd). Ending at any instruction is safe:
    the protocol survives SIGKILL there.
    """
    clock = SystemClock()
    ended = threading.Event()
    receiver, sender = socket.socketpair()
    sender.settimeout(0)  # a wake-up must not wait

    def watch() -> None:
        if receiver.recv(1):
            clock.stop()
            if not ended.wait(GRACE_S):
                os._exit(exit_code)

    signals = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.signal(number, lambda *_: None) for number in signals]
    wakeup = signal.set_wakeup_fd(sender.fileno())
    watcher = threading.Thread(target=watch, name="signals", daemon=True)
    watcher.start()
    try:
        yield clock
    finally:
        ended.set()
        signal.set_wakeup_fd(wakeup)
        for number, handler in zip(signals, handlers, strict=True):
            signal.signal(number, handler)
        sender.close()
        watcher.join()
        receiver.close()
