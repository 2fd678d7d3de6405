"""The files of a database as the file system shows them: what SQLite must not be asked to find out.

SQLite itself, opened read-only on a database in WAL mode whose writer has stopped, makes a `-wal` and a `-shm` in a
folder that it can write, and fails in one that it can't.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from databricks_uploader.source.descriptors import mount_id

_HEADER_BYTES = 28
_WAL = b"\x02\x02"
_TICK_NS = 20_000_000
_COARSE_TICK_NS = 2_020_000_000
_NS = 1_000_000_000


@dataclass(frozen=True)
class Stamp:
    """What changes with every write to a file; ctime besides mtime, as no program can set it back."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: Path) -> "Stamp | None":
        """Stat the file; None where there is none."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def settled_in(self, now_ns: int) -> float:
        """Return the seconds after `now_ns` from which on every write will show as another ctime; 0: it does now.

        The kernel stamps files with the time of its last tick, at most 10 ms ago (`CONFIG_HZ` 100), so that two
        writes in one tick look like one. A file system that keeps whole seconds (ext4 with inodes of 128 bytes;
        vfat keeps every other second) shows it by a time without fractions.
        """
        tick = _TICK_NS if self.ctime_ns % _NS else _COARSE_TICK_NS
        age = now_ns - self.ctime_ns
        return (tick - age) / _NS if -tick < age < tick else 0.0


@dataclass(frozen=True)
class Look:
    """A database file and what lies beside it, at one moment."""

    stamp: Stamp | None
    header: bytes
    beside: frozenset[str]

    @classmethod
    def at(cls, path: Path, descriptor: int) -> "Look":
        """Look at the database at `path` (no link), open for reading as `descriptor`."""
        header = os.pread(descriptor, _HEADER_BYTES, 0)
        beside = frozenset(name for name in ("-wal", "-shm", "-journal") if beside_of(path, name).exists())
        return cls(Stamp.of(path), header, beside)

    @property
    def at_rest(self) -> bool:
        """Whether the database is in WAL mode and nobody has it open: all of it is in this one file.

        The last connection that closes a database in WAL mode copies the log into the file and deletes the log; a
        new one makes a log before it writes. For a rollback journal there is no such sign, and its locks work.
        """
        return self.header[18:20] == _WAL and not self.beside


def at_rest(path: Path, descriptor: int) -> Look | None:
    """Look at the database; None where it is not at rest. What is returned tells every later write."""
    look = Look.at(path, descriptor)
    if not look.at_rest or look.stamp is None:
        return None
    wait_s = look.stamp.settled_in(time.time_ns())
    if not wait_s:
        return look
    time.sleep(wait_s)  # 20 ms at most, once after a writer has stopped; 2 s where times are whole seconds
    again = Look.at(path, descriptor)
    return look if again == look else None


def beside_of(path: Path, suffix: str) -> Path:
    """Return the path of a file that SQLite keeps beside the database."""
    return path.with_name(path.name + suffix)


def mounted_alone(path: Path) -> bool:
    """Whether the file (no link) is mounted by itself, so that what its writer keeps beside it can't be seen.

    `st_dev` doesn't tell, and so neither does `os.path.ismount`: a bind mount of a file has the device of its folder.
    """
    return mount_id(path) != mount_id(path.parent)
