"""Marked values in every column of a source, and a search for them in every byte that a node keeps or sends."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

PRIVATE = (
    "CREATE TABLE private (id INTEGER PRIMARY KEY, ts TEXT, owner TEXT, phone TEXT, card TEXT, amount REAL, "
    "level INTEGER, data BLOB)"
)
RULES = (
    '{"id": {"hash": true}, "ts": {"truncate_time": "day"}, "owner": {"hash": true}, "phone": {"drop": true}, '
    '"card": {"mask": {"keep_last": 4}}, "amount": {"round": 0}, "level": {"redact": "-"}, "data": {"drop": true}}'
)
_FIRST, _LEVEL, _TIME = 7_700_000_000_000_001, 5_511_000_000_000_001, datetime(2031, 7, 19, 13, 37, 42, 123000, UTC)
_TEXTS = ("owner", "phone", "card", "data", "later", "odd")


def insert(number: int, *, amount: str | None = None, later: bool = False) -> str:
    """Return the statement that inserts the row of that number; `amount`: another value for it."""
    time = (_TIME + timedelta(microseconds=number)).isoformat()
    return (
        f"INSERT INTO private VALUES ({_FIRST + number}, '{time}', 'SECRET-owner-{number}', 'SECRET-phone-{number}', "
        f"'SECRET-card-{number:04}', {amount or _amount(number)}, {_LEVEL + number}, "
        f"CAST('SECRET-data-{number}' AS BLOB)" + (f", 'SECRET-later-{number}')" if later else ")")
    )


def _amount(number: int) -> float:
    return 98_765.4321 + number


def _marks(rows: int) -> Iterator[tuple[str, bytes]]:
    for name in _TEXTS:
        text = f"SECRET-{name}"
        yield from ((name, form) for form in (text.encode(), text.encode("utf-16-le"), text.encode().hex().encode()))
    yield "ts", b"13:37:42"
    for number in range(rows):
        micros = int((_TIME + timedelta(microseconds=number)).timestamp()) * 1_000_000 + 123_000 + number
        for name, value in (("id", _FIRST + number), ("level", _LEVEL + number), ("ts", micros)):
            yield from ((name, form) for form in (b"%d" % value, struct.pack("<q", value), struct.pack(">q", value)))
        amount = _amount(number)
        yield from (
            ("amount", f) for f in (repr(amount).encode(), struct.pack("<d", amount), struct.pack(">d", amount))
        )


def leaks(folder: Path, rows: int, *logs: str) -> set[tuple[str, str]]:
    """Return where values of which columns are: in files below `folder` but the source, and in logs."""
    marks = [*_marks(rows)]
    found = {("log", name) for log in logs for name, mark in marks if mark in log.encode()}
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("source.db"):
            held = path.read_bytes() + _unpacked(path)
            place = "work" if path.parent.name == "work" else path.name if path.parent.name == "state" else "files"
            found |= {(place, name) for name, mark in marks if mark in held or mark in path.name.encode()}
    return found


def _unpacked(path: Path) -> bytes:
    """Return the bytes of a Parquet file's columns; of a file that is no whole one, none."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError):
        return b""
    buffers = [b for column in table.columns for chunk in column.chunks for b in chunk.buffers() if b is not None]
    return b"".join(buffer.to_pybytes() for buffer in buffers)
