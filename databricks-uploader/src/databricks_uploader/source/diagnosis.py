"""What SQLite's words mean for the person at the keyboard, and the states of a file that it has one word for."""

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import adbc_driver_manager

from databricks_uploader.errors import ConfigError, PermanentError, TransientError, UploaderError
from databricks_uploader.source.files import beside_of, mounted_alone


class BusyError(TransientError):
    """Another program holds a lock that keeps readers out."""


RECOVER = (
    "put a backup in its place, or what is left of it (sqlite3 FILE .recover | sqlite3 NEW); PRAGMA integrity_check "
    "tells where it is damaged"
)
_MEANINGS: Sequence[tuple[str, type[UploaderError], str, str]] = (
    ("is locked", BusyError, "{path} is locked by another program", "it is tried again"),
    ("not a database", ConfigError, "{path} is not a SQLite database", "check --sqlite; is the file encrypted?"),
    ("failed to open", ConfigError, "can't open {path}", "let this user read the file, and its folder too"),
    ("malformed database schema", PermanentError, "the schema of {path} is damaged or too new", RECOVER),
    ("malformed", PermanentError, "{path} is damaged", RECOVER),
    ("unsupported file format", PermanentError, "{path} is damaged or too new", RECOVER),
    ("disk I/O error", TransientError, "{path} can't be read now", "check the disk; it is tried again"),
    ("no such table", ConfigError, "a table of {path} is gone", "check --sqlite-table"),
    ("no such column", TransientError, "the table in {path} changes while it is read", "it is tried again"),
)
"""Words of SQLite, the only thing that tells its errors apart here, and what they mean."""
_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_CHECK_SETTING = "check --sqlite (sqlite in YAML)"
_WANTED_TO_WRITE = ("unable to open database file", "attempt to write a readonly database")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of the driver into ours."""
    try:
        yield
    except adbc_driver_manager.Error as error:
        words = str(error)
        for part, kind, what, hint in _MEANINGS:
            if part in words:
                raise kind(what.format(path=path), hint=hint) from error
        if any(part in words for part in _WANTED_TO_WRITE):
            raise _would_write(path) from error
        raise


def damaged(path: Path) -> PermanentError:
    """Say that the database contradicts itself."""
    return PermanentError(f"{path} is damaged", hint=RECOVER)


def check_file(path: Path) -> Path:
    """Return the file, which links lead to: SQLite keeps its log and journal beside that.

    Says what SQLite would not: it waits for ever at a FIFO and calls a missing file "out of memory".
    """
    with _looking_at(path):
        real = Path(os.path.realpath(path, strict=True))  # Path.resolve has an error of its own for a loop of links
        mode = real.stat().st_mode
        if stat.S_ISREG(mode) and mounted_alone(real):
            raise ConfigError(
                f"{path} is mounted without its folder, so what its writer keeps beside it (a log, a journal) is "
                "hidden, and rows would be missed",
                hint="mount the folder that the file lies in, not the file",
            )
    if stat.S_ISDIR(mode):
        inside = _databases_beside(path / "x")
        hint = f"name the file in it: {', '.join(inside)}" if inside else "name the database file itself"
        raise ConfigError(f"{path} is a directory", hint=hint)
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path} is not a file", hint="name the database file itself")
    if not _utf8(real):
        raise ConfigError(f"{path} is {real}, whose name is not UTF-8", hint="give it another name")
    for suffix in ("", "-wal", "-shm", "-journal"):
        _check_readable(beside_of(real, suffix))
    return real


@contextmanager
def _looking_at(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        siblings = _databases_beside(path)
        hint = f"there is {', '.join(siblings)}" if siblings else _CHECK_SETTING
        gone = f"{os.path.realpath(path)}, to which {path} leads" if path.is_symlink() else path
        raise ConfigError(f"no file {gone}", hint=hint) from error
    except OSError as error:
        hint = "check the permissions of its folder" if isinstance(error, PermissionError) else _CHECK_SETTING
        raise ConfigError(f"can't look at {path}: {error.strerror}", hint=hint) from error


def _utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_readable(file: Path) -> None:
    with suppress(FileNotFoundError):
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):  # SQLite would wait for ever at a journal that is a FIFO
            raise ConfigError(f"{file} is not a file", hint="remove it: SQLite keeps a file of that name there")
        if not os.access(file, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            owner, group, mode = _user(found.st_uid), _group(found.st_gid), stat.filemode(found.st_mode)
            shared = f"run as {owner}; or run in group {group} and let it read (chmod g+r; its writer: umask 027)"
            raise ConfigError(
                f"{_user(os.geteuid())} can't read {file}: it is {owner}'s, group {group}, {mode}",
                hint=f"chmod u+r {file}" if found.st_uid == os.geteuid() else shared,
            )


def _would_write(path: Path) -> UploaderError:
    """Say why SQLite, which may only read here, can't do without writing."""
    real = Path(os.path.realpath(path))
    if beside_of(real, "-journal").exists():
        return TransientError(
            f"the writer of {path} died in the middle of a transaction, and its {real.name}-journal must be rolled "
            "back first, which changes the file: that is not ours to do",
            hint=f"start its writer; or, as a user who may write there: sqlite3 {shlex.quote(str(path))} "
            "'SELECT 1 FROM sqlite_schema'",
        )
    if beside_of(real, "-wal").exists() and not beside_of(real, "-shm").exists():
        return TransientError(
            f"the writer of {path} died, and the index ({real.name}-shm) of the log that it left is gone; it can't be "
            "made anew in a folder that is read-only here",
            hint="start its writer; or let this user write in the folder",
        )
    return TransientError(
        f"{path} was opened or closed by its writer this very moment",
        hint="it is tried again; does it stay so, let this user write in its folder",
    )


def _databases_beside(path: Path) -> Sequence[str]:
    try:
        files = sorted(f for f in path.parent.iterdir() if f.suffix in _SUFFIXES and f.is_file())
    except OSError:
        return []
    return [str(f) for f in files[:5]]


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
