"""Files that survive a power cut: written, synced, named, and their folder synced."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from databricks_uploader.errors import PermanentError, TransientError


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn an OSError into ours: what a person must mend is permanent, a full disk may be emptied."""
    try:
        yield
    except OSError as error:
        what = f"{doing}: {error.strerror or error}"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise TransientError(what, hint="free some space; nothing is lost and it is tried again") from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise PermanentError(what, hint=f"let user {os.getuid()} write there") from error
        raise TransientError(what, hint="check the disk; nothing is lost and it is tried again") from error


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(temporary: Path, final: Path) -> None:
    """Give a finished file its name, replacing one that has it, for good."""
    sync(temporary)
    temporary.replace(final)
    sync(final.parent)
