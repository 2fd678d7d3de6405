"""Looking into a source's files without taking SQLite's locks away.

POSIX drops all locks that a process has on a file when any of its descriptors of that file is closed
(https://sqlite.org/howtocorrupt.html, 2.2). A lost lock is no small thing even between two reads: a connection
in WAL mode holds one as long as it is open, and without it a writer that stops deletes the log under us. So what
is opened here is closed at once only while no connection of this process is open, else with the last of them.
SQLite does the same with its own descriptors. One opened with O_PATH has no such effect: Linux leaves the locks
alone when it is closed (filp_flush in fs/open.c).
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_lock = threading.Lock()
_connections = 0
_parked: list[int] = []


@contextmanager
def connected() -> Iterator[None]:
    """Hold back the closing of descriptors meanwhile: a SQLite connection is open."""
    global _connections  # noqa: PLW0603  (locks are the process's, so this is, too)
    with _lock:
        _connections += 1
    try:
        yield
    finally:
        with _lock:
            _connections -= 1
            while _parked and not _connections:
                os.close(_parked.pop())


@contextmanager
def descriptor(path: Path) -> Iterator[int]:
    """Yield a descriptor to read a file with."""
    found = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield found
    finally:
        with _lock:
            if _connections:
                _parked.append(found)
            else:
                os.close(found)


def mount_id(path: Path) -> str | None:
    """Return which of the process's mounts the file or folder is reached by; None where that can't be told."""
    if not hasattr(os, "O_PATH"):
        return None
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        lines = Path(f"/proc/self/fdinfo/{found}").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    finally:
        os.close(found)
    return next((line.split()[1] for line in lines if line.startswith("mnt_id:")), None)
