"""Every value in every target type, against the rules in plain Python, and the fast way against the exact one."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from arro3.core import DataType, RecordBatch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import rules
from tests.support.fakes import START, standing_at

from databricks_uploader.model.columns import Pair, columns_of
from databricks_uploader.model.position import Position
from databricks_uploader.model.quarantine import QuarantinedRow
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.table import Column
from databricks_uploader.model.times import Unit
from databricks_uploader.ports import ArrowColumns, Lineage
from databricks_uploader.source.connection import Connection
from databricks_uploader.source.pages import PageSize
from databricks_uploader.source.rows import Rows
from databricks_uploader.source.sqlite import SqliteSource
from databricks_uploader.spool import parquet

DECLARED = (
    "", "INTEGER", "INT8", "REAL", "DOUBLE PRECISION", "TEXT", "VARCHAR(9)", "BLOB", "BOOLEAN", "DATE", "DATETIME",
    "NUMERIC", "DECIMAL(9,3)", "JSON",
)  # fmt: skip
TYPES = (
    "byte", "short", "integer", "long", "float", "double", "decimal(5,2)", "decimal(38,10)", "decimal(18,0)", "string",
    "binary", "boolean", "date", "timestamp", "timestamp_ntz",
)  # fmt: skip
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns")
Value = int | float | str | bytes | None


@dataclass(frozen=True)
class BadText:
    """TEXT whose bytes are not UTF-8."""

    data: bytes


@dataclass(frozen=True)
class Table:
    """Columns (declared type, target column, unit of its numbers) and rows of a table t."""

    declared: tuple[str, ...]
    targets: tuple[Column, ...]
    units: tuple[Unit | None, ...]
    rows: tuple[tuple[Value | BadText, ...], ...]
    order: Literal["rowid", "time"]
    zone: str
    encoding: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"c{i}" for i in range(len(self.declared)))


@dataclass(frozen=True)
class Found:
    """What was read of a table: its file's digest, its rows' values by row number, and what did not fit."""

    digest: str | None
    values: dict[int, tuple[Any, ...]]
    altered: dict[str, int]
    quarantined: dict[int, QuarantinedRow]


numbers = st.one_of(
    st.integers(-2, 300),
    st.sampled_from(
        [s * 2**b + d for b in (7, 8, 15, 16, 24, 31, 32, 53, 54, 63) for s in (1, -1) for d in (-1, 0, 1)]
    ),
    st.integers(-(2**63), 2**63 - 1),
).filter(lambda n: -(2**63) <= n < 2**63)
reals = st.one_of(
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, 0.5, 1.005, 2.675, 1e22, 2.0**53, 2.0**63, 3.4028235e38, 3.4028236e38, 1e-45, 5e-324]),
    st.integers(-1000, 1000).map(float),
    st.floats(-99999, 99999, width=32),
)
times = st.datetimes(
    min_value=START.replace(tzinfo=None, year=1), max_value=START.replace(tzinfo=None, year=9999)
) | st.datetimes(min_value=START.replace(tzinfo=None, year=1950), max_value=START.replace(tzinfo=None, year=2120))


@st.composite
def moments(draw: st.DrawFn) -> str:
    """Draw an ISO text in one of the forms that programs write."""
    time = draw(times)
    if draw(st.booleans()):
        return time.strftime("%Y-%m-%d").rjust(10, "0")
    clock = draw(st.sampled_from(["%H:%M:%S", "%H:%M:%S", "%H:%M:%S", "%H:%M"]))
    fraction = draw(st.sampled_from(["", ".5", ".000", ".123456", ".1234567", ".999999999", ".1234560001", ",25"]))
    zone = draw(st.sampled_from(["", "", "Z", "z", "+00:00", "-05:30", "+1400", " +02", " UTC", "+25:00"]))
    date = f"{time.year:04}-{time.month:02}-{time.day:02}"
    written = f"{date}{draw(st.sampled_from('T t'))}{time.strftime(clock)}{fraction if 'S' in clock else ''}{zone}"
    return draw(st.sampled_from([written] * 5 + [f" {written}", f"{written}\n", written[:-1], f"{written}x"]))


odd_texts = st.sampled_from([
    "", " ", "1.", ".5", "+7", "-0", "1e3", " 12 ", "1_000", "0x10", "inf", "nan", "1e400", "1e-400", "0.1", "12abc",
    "9007199254740993", "9223372036854775808", "true", "FALSE", " yes ", "on", "a\0b", "\0", "٣", "²", "1\u00a0",
    "2026-02-30", "0000-01-01", "2026-01-01T24:00:00", "2026-12-31T23:59:60", "2026-03-29T02:30:00", "10000-01-01",
    "2026-10-25T02:30:00", "2026-10-25T02:30:00.5Z", "2300-07-01T00:00:00", "2099-07-01 12:00:00",
])  # fmt: skip
texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8), odd_texts, moments(), numbers.map(str), reals.map(repr),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-10**7, max_value=10**7).map(str),
)  # fmt: skip
blobs = st.binary(max_size=8) | texts.map(str.encode)
bad = st.sampled_from([b"\xff", b"ok \xc3", b"\xed\xa0\x80", b"\xc0\x80"]).map(BadText)
epochs = st.one_of(
    st.integers(0, 10**11), st.integers(10**11, 10**14), st.integers(10**14, 10**17), st.integers(-(10**18), 10**18),
    st.floats(0, 4e9), st.floats(2_086_308, 2_816_788), st.floats(-1e15, 1e18),
)  # fmt: skip
anything = st.one_of(st.none(), numbers, reals, texts, blobs, bad, epochs)
LIKELY: dict[str, st.SearchStrategy[Value | BadText]] = {
    **dict.fromkeys(("byte", "short", "integer", "long"), st.one_of(numbers, reals, numbers.map(str))),
    **dict.fromkeys(("float", "double"), st.one_of(numbers, reals, reals.map(repr))),
    "string": st.one_of(texts, texts, blobs, numbers, reals),
    "binary": st.one_of(blobs, blobs, texts),
    "boolean": st.one_of(st.integers(0, 1), st.sampled_from([0.0, 1.0, "true", "no", 2])),
    **dict.fromkeys(("date", "timestamp", "timestamp_ntz"), st.one_of(moments(), moments(), epochs)),
}
"""What a column of that type may hold; of a DECIMAL, numbers."""


@st.composite
def tables(draw: st.DrawFn) -> Table:
    count = draw(st.integers(1, 4))
    kinds = st.sampled_from(TYPES)
    targets = tuple(
        Column(f"c{i}", draw(kinds), nullable=draw(st.sampled_from([True, True, True, False]))) for i in range(count)
    )
    pools = []
    for target in targets:
        likely = LIKELY.get(target.type, st.one_of(numbers, reals, reals.map(repr)))
        pools.append([*draw(st.lists(draw(st.sampled_from([likely, likely, anything])), min_size=1, max_size=3)), None])
    rows = draw(st.lists(st.tuples(*(st.sampled_from(pool) for pool in pools)), min_size=1, max_size=5))
    return Table(
        tuple(draw(st.sampled_from(DECLARED)) for _ in range(count)),
        targets,
        tuple(draw(st.none() | st.sampled_from(Unit)) for _ in range(count)),
        tuple(rows),
        draw(st.sampled_from(["rowid", "rowid", "time"])),
        draw(st.sampled_from(ZONES)),
        draw(st.sampled_from(["UTF-8", "UTF-8", "UTF-8", "UTF-16le"])),
    )


def made(table: Table, path: Path) -> list[list[rules.Stored]]:
    """Make the table, and return how SQLite holds its values."""
    declared = ", ".join(f"{name} {kind}" for name, kind in zip(table.names, table.declared, strict=True))
    by_time = table.order == "time"
    key = "ts TEXT, n INTEGER, " if by_time else "n INTEGER PRIMARY KEY, "
    end = ", PRIMARY KEY (ts, n)) WITHOUT ROWID" if by_time else ")"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA encoding = '{table.encoding}'")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"CREATE TABLE t ({key}{declared}{end}")
        for i, row in enumerate(table.rows, 1):
            marks = ["CAST(? AS TEXT)" if isinstance(value, BadText) else "?" for value in row]
            values = [value.data if isinstance(value, BadText) else value for value in row]
            before = [f"2026-01-0{i}T00:00:00Z", i] if by_time else [i]
            connection.execute(f"INSERT INTO t VALUES ({', '.join(['?'] * len(before) + marks)})", [*before, *values])
        connection.text_factory = bytes
        forms = ", ".join(f"typeof({name}), {name}" for name in table.names)
        found = connection.execute(f"SELECT {forms} FROM t ORDER BY n").fetchall()
    return [[rules.Stored(row[i].decode(), row[i + 1]) for i in range(0, len(row), 2)] for row in found]


class ExactSource(SqliteSource):
    """A source that reads all values one by one."""

    def _rows(
        self,
        connection: Connection,
        table: SourceTable,
        pairs: Sequence[Pair],
        position: Position,
        told_by: Sequence[str],
    ) -> Rows:
        rows = super()._rows(connection, table, pairs, position, told_by)
        rows.exactly = {column.name for column in table.columns}
        return rows


def read(table: Table, path: Path, *, exactly: bool = False) -> Found:
    """Read all rows of the table, and write its file."""
    source = (ExactSource if exactly else SqliteSource)(path, lambda _: None, zone=table.zone, page_size=PageSize())
    described = source.table()
    pairs = [
        Pair(column, target)
        for name, target in zip(table.names, table.targets, strict=True)
        if (column := described.get(name)) is not None
    ]
    units = {name: unit for name, unit in zip(table.names, table.units, strict=True) if unit is not None}
    position = replace(standing_at(None), units=units)
    batches: list[ArrowColumns] = []
    altered: dict[str, int] = {}
    quarantined: dict[int, QuarantinedRow] = {}
    if table.order == "rowid":
        with source.reading(described, pairs, position, []) as reading:
            for page in reading.pages:
                batches.append(page.columns)
                altered |= page.altered
                quarantined |= {row.key: row for row in page.quarantined.values() if row.key is not None}
    else:
        with source.sweep(described, pairs, replace(position, witness_columns=("ts",), order="time"), None) as pages:
            for timed in pages:
                picked = timed.only(range(timed.rows), range(1, timed.rows + 1))
                batches.append(picked.columns)
                altered |= picked.altered
                quarantined |= {index + 1: row for index, row in picked.quarantined.items()}
    values: dict[int, tuple[Any, ...]] = {}
    for batch in map(RecordBatch.from_arrow, batches):
        kinds = [*(target.type for target in table.targets), "long"]
        plain = [_plain(column, kind) for column, kind in zip(batch.columns, kinds, strict=True)]
        values |= {row[-1]: row[:-1] for row in zip(*plain, strict=True)}
    digest = None
    if values:
        lineage = Lineage("node", 1, 1, 1, START)
        digest = parquet.write(path.with_suffix(".parquet"), iter(batches), columns_of(pairs), lineage).digest
    return Found(digest, values, altered, quarantined)


def _plain(column: Any, kind: str) -> list[Any]:  # noqa: ANN401  (Arrow's arrays have no types)
    """Return times as µs since 1970 and dates as days."""
    numbers = {"timestamp": DataType.int64(), "timestamp_ntz": DataType.int64(), "date": DataType.int32()}
    return list((column.cast(numbers[kind]) if kind in numbers else column).to_pylist())


def as_ruled(table: Table, stored: list[list[rules.Stored]]) -> tuple[dict[int, Any], dict[str, int], dict[int, Any]]:
    """Return rows that arrive, altered values by column, and reasons by row, as the rules say."""
    units = []
    for i, unit in enumerate(table.units):
        held = [row[i].value for row in stored if row[i].kind in ("integer", "real")]
        units.append(rules.unit_of(held) if unit is None else str(unit))
    arriving: dict[int, list[rules.Arrives]] = {}
    reasons: dict[int, dict[str, str]] = {}
    for number, row in enumerate(stored, 1):
        outcomes = [
            rules.becomes(value, rules.Column(target.type, target.nullable, unit, table.zone))
            for value, target, unit in zip(row, table.targets, units, strict=True)
        ]
        told = {name: o for name, o in zip(table.names, outcomes, strict=True) if isinstance(o, str)}
        if told:
            reasons[number] = told
        else:
            arriving[number] = [outcome for outcome in outcomes if isinstance(outcome, rules.Arrives)]
    altered = {
        name: count
        for i, name in enumerate(table.names)
        if (count := sum(outcomes[i].altered for outcomes in arriving.values()))
    }
    return arriving, altered, reasons


def same(value: Any, ruled: Any, kind: str) -> bool:  # noqa: ANN401  (any value of any type)
    if value is None or ruled is None:
        return value is ruled
    if kind in ("float", "double"):
        return repr(value) == repr(ruled)
    if kind == "string" and not isinstance(ruled, str):
        return isinstance(value, str) and repr(type(ruled)(value)) == repr(ruled)
    return bool(value == ruled)


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(table=tables())
def test_what_arrives_is_what_the_rules_say(table: Table) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        stored = made(table, path)
        arriving, altered, reasons = as_ruled(table, stored)
        found = read(table, path)
    assert {number: row.reasons for number, row in found.quarantined.items()} == reasons
    assert found.values.keys() == arriving.keys()
    for number, outcomes in arriving.items():
        for value, outcome, target, held in zip(
            found.values[number], outcomes, table.targets, stored[number - 1], strict=True
        ):
            assert same(value, outcome.value, target.type), (held, target, value, outcome)
    assert found.altered == altered


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(table=tables())
def test_the_fast_way_gives_the_file_that_the_exact_way_gives(table: Table) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        made(table, path)
        assert read(table, path) == read(table, path, exactly=True)
