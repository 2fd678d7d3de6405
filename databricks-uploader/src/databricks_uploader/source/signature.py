"""Whether anything was committed since: answered by looking at files, without a query."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from os import pread
from os.path import realpath
from pathlib import Path

from databricks_uploader.source.descriptors import descriptor, mount_id
from databricks_uploader.source.files import Stamp, beside_of

_LOCAL = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "overlay", "tmpfs", "xfs", "zfs"})
"""File systems whose times are this kernel's, uncached: NFS, 9p, FUSE and the like show old ones for seconds."""
_INDEX_HEADER_BYTES = 48


@dataclass(frozen=True)
class Signature:
    """A moment of a database; an equal one later means that nothing was committed in between."""

    stamps: tuple[Stamp | None, ...]
    """Of the database, its `-wal` and its `-journal`."""
    index: bytes
    """The header of the index of the log (`-shm`), empty where there is none."""


def signature(path: Path) -> Signature | None:
    """Return the signature of the database at `path`; None when files can't tell, so that only a query can.

    Take it before the query that finds nothing new: what is committed later differs from it. Every commit is a
    `write` to the database or to its log, which moves size or time: SQLite only reads through a memory map
    (`PRAGMA mmap_size`), and a log that starts over in its old bytes is written, too. But a log's commit is
    written, then synced, however long that takes, and only then seen by readers; what they see is in the header
    of the index, which changes by memory map and moves no time (https://sqlite.org/walformat.html, 2.1). Stamps
    alone lost such a commit whenever the sync took longer than the tick of `Stamp.settled_in`.
    """
    path = Path(realpath(path))
    now_ns = time.time_ns()  # before the stamps: a write after them is later than this, less a tick
    try:
        beside = (Stamp.of(beside_of(path, suffix)) for suffix in ("-wal", "-journal"))
        # SQLite as root gives them to the database's owner at every open (robustFchown in os_unix.c), a new ctime
        stamps = (Stamp.of(path), *(s and replace(s, ctime_ns=s.mtime_ns) for s in beside))
        if stamps[0] is None or any(s is not None and s.settled_in(now_ns) for s in stamps):
            return None
        index = _index(beside_of(path, "-shm"))
        if index is None or not _told_by_time(path, stamps[0].device):
            return None
    except OSError:
        return None  # the query will meet it as well, and say it
    return Signature(stamps, index)


def _index(path: Path) -> bytes | None:
    """Return the header of the log's index; None while it is being written: its two copies differ then."""
    try:
        with descriptor(path) as opened:
            first, second = (pread(opened, _INDEX_HEADER_BYTES, i * _INDEX_HEADER_BYTES) for i in range(2))
    except FileNotFoundError:
        return b""
    return first if first == second else None


@cache
def _told_by_time(path: Path, device: int) -> bool:  # noqa: ARG001  (another device is another answer)
    return _file_systems().get(mount_id(path) or "") in _LOCAL


def _file_systems() -> Mapping[str, str]:
    """Return the type of each mount (man 5 proc_pid_mountinfo: the id is the first word, the type follows a dash)."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {line.split()[0]: line.partition(" - ")[2].split()[0] for line in lines}
