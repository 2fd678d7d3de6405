"""The tables of `docs/types.md`: their values are put into a SQLite file, and their cells are what the source gives."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from arro3.core import RecordBatch
from tests.support.fakes import standing_at

from databricks_uploader.model.columns import Pair, matched, natural_schema
from databricks_uploader.model.source import SourceColumn
from databricks_uploader.model.table import Column, DeltaType
from databricks_uploader.model.times import Unit
from databricks_uploader.source.sqlite import SqliteSource

ALTERED, REFUSED = "≈ ", "✗ "
_TABLE = re.compile(r"<!-- values: (?P<how>.*?) -->\n\n(?P<lines>(?:\|.*\n)+)")
_DELTA = {"TINYINT": DeltaType.BYTE, "SMALLINT": DeltaType.SHORT, "INT": DeltaType.INTEGER, "BIGINT": DeltaType.LONG}


@dataclass(frozen=True)
class Table:
    """A table of a document: `how` its values stand in the source, the head, and the cells of each line."""

    how: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    text: str
    """What stands in the document."""

    @property
    def targets(self) -> tuple[Column, ...]:
        """The target columns that its head names."""
        return tuple(_target(name) for name in self.head[1:])

    @property
    def zone(self) -> str:
        """The zone of times without one."""
        found = re.search(r"zone=(\S+)", self.how)
        return found[1] if found else "UTC"

    @property
    def unit(self) -> Unit | None:
        """The unit of numbers that stand for times."""
        found = re.search(r"unit=(.+)$", self.how)
        return Unit(found[1]) if found else None

    def __str__(self) -> str:
        return f"{self.how}: {', '.join(self.head[1:])}"


def tables(text: str) -> Iterator[Table]:
    """Yield the tables of a document."""
    for found in _TABLE.finditer(text):
        head, _, *lines = ([cell.strip() for cell in line.strip().strip("|").split(" | ")]
                           for line in found["lines"].splitlines())  # fmt: skip
        yield Table(found["how"], tuple(head), tuple(tuple(line) for line in lines), found["lines"])


def written_anew(text: str, folder: Path) -> str:
    """Return a document with the cells that its values get now."""
    for table in tables(text):
        text = text.replace(table.text, _written(table, [_line(table, line, folder) for line in table.lines]))
    return text


def _line(table: Table, line: Sequence[str], folder: Path) -> Sequence[str]:
    if table.how == "declared":
        declared, value = (code.strip("`") for code in line[:2])
        return [*line[:2], *_declared(declared, value, folder / "a.db")]
    return [line[0], *(_cell(table, line[0].strip("`"), target, folder / "a.db") for target in table.targets)]


def _written(table: Table, lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(table.head, *lines, strict=True)]
    rows = [table.head, ["-" * width for width in widths], *lines]
    return "".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |\n" for row in rows
    )


def _cell(table: Table, value: str, target: Column, path: Path) -> str:
    """Return what becomes of a value in a column without a type, which holds any value as it is."""
    return _read(made(path, "CREATE TABLE t (v)", f"INSERT INTO t VALUES ({value})"), target, table.zone, table.unit)[1]


def _declared(declared: str, value: str, path: Path) -> tuple[str, str]:
    """Return the type of a column in a table that we make, and what becomes of a value in it."""
    kind, _, options = declared.removeprefix("no type").partition(" in a table that is ")
    generated = " AS " in kind
    made(
        path,
        f"CREATE TABLE t ({'u, ' if generated else ''}v {kind}) {options}",
        f"INSERT INTO t ({'u' if generated else 'v'}) VALUES ({value})",
    )
    return _read(path, None, "UTC", None)


def _read(path: Path, target: Column | None, zone: str, unit: Unit | None) -> tuple[str, str]:
    source = SqliteSource(path, lambda _: None, zone=zone)
    table = source.table()
    natural = next(p for p in matched(table, None, natural_schema(table, None)).pairs if p.source.name == "v")
    pair = natural if target is None else Pair(SourceColumn("v", natural.source.declared), target)
    position = replace(standing_at(None), units={} if unit is None else {"v": unit})
    with source.reading(table, [pair], position, []) as reading:
        (page,) = reading.pages
    reasons = [reason for row in page.quarantined.values() for reason in row.reasons.values()]
    if reasons:
        return pair.target.sql_type, REFUSED + reasons[0]
    value = RecordBatch.from_arrow(page.columns).column(0)[0].as_py()
    return pair.target.sql_type, (ALTERED if page.altered else "") + shown(value)


def shown(value: object) -> str:
    """Return a value as the tables show it."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("\0", "\\0") + "'"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ") + ("" if value.tzinfo is None else "Z")
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else str(value).lower()


def made(path: Path, *statements: str) -> Path:
    """Make a database; its writer is done, and gone, before anybody reads."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("PRAGMA synchronous = OFF", *statements):
            connection.execute(statement)
    return path


def _target(name: str) -> Column:
    kind = name.removesuffix(" NOT NULL")
    return Column("v", _DELTA.get(kind, kind.lower()), nullable=kind == name)
