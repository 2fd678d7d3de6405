"""The state directory: where it is, who may look into it, and the lock that keeps a second uploader out."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from databricks_uploader.errors import ConfigError, TransientError
from databricks_uploader.events import Notice, Tell

DEFAULT = Path("/state")
FALLBACK = Path("state")


def locate(configured: Path | None, tell: Tell) -> Path:
    """Return the state directory; only where the default one is missing, `./state`."""
    if configured is not None:
        return configured
    if DEFAULT.is_dir():
        return DEFAULT
    tell(Notice(f"state is kept in {FALLBACK.absolute()}, as there is no {DEFAULT} (choose with --state-dir)"))
    return FALLBACK.absolute()


def make(folder: Path) -> None:
    """Make the directory and its spool, for our eyes only. Raises ConfigError where that can't be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("spool", "work"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ConfigError(
            f"can't write the state directory {folder}: {error.strerror}",
            hint="name another with --state-dir (state_dir in YAML), or let this user write there",
        ) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the directory's lock. Raises TransientError while another uploader does.

    The kernel drops the lock with the process, however it ends; the file stays, since unlinking it would let
    two processes lock two files of that name.
    """
    with (folder / "lock").open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = file.read().strip()
            raise TransientError(
                f"another uploader{f' (process {holder})' if holder else ''} works with the state directory {folder}",
                hint="stop it, or give this one a state directory of its own (--state-dir)",
            ) from error
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()
