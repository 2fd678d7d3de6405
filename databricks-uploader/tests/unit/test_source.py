"""Reading a real SQLite file: what is found in it, and its rows in pages."""

import json
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from arro3.core import RecordBatch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import databases
from tests.support.fakes import standing_at

from databricks_uploader.errors import ConfigError, TransientError, UploaderError
from databricks_uploader.events import Busy, Event, Notice
from databricks_uploader.model.columns import matched, natural_schema
from databricks_uploader.model.times import TimeColumn
from databricks_uploader.source.pages import PageSize
from databricks_uploader.source.sqlite import SqliteSource


def made(path: Path, *statements: str) -> Path:
    """Make a database; its writer is done, and gone, before anybody reads."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def source_of(path: Path, *, page_size: PageSize | None = None, **names: str) -> tuple[SqliteSource, list[str]]:
    notices: list[str] = []

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    return SqliteSource(
        path, tell, names.get("table"), names.get("time"), names.get("zone", "UTC"), page_size or PageSize()
    ), notices


def read(source: SqliteSource, after: int | None = None, time: str | None = None) -> list[dict[str, Any]]:
    table = source.table()
    columns = matched(table, time, natural_schema(table, time)).pairs
    rows = []
    with source.reading(table, columns, standing_at(after, time), []) as reading:
        for page in reading.pages:
            batch = RecordBatch.from_arrow(page.columns)
            values = [column.to_pylist() for column in batch.columns]
            found = [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*values, strict=True)]
            assert len(found) == page.rows
            assert page.up_to == max(row["_row"] for row in found)
            rows += found
    return rows


@pytest.mark.parametrize(
    ("declared", "inserted", "arrives"),
    [
        ("INTEGER", "9223372036854775807", 2**63 - 1),
        ("INT8", "-5", -5),
        ("REAL", "1.5", 1.5),
        ("REAL", "3", 3.0),
        ("DOUBLE PRECISION", "-0.25", -0.25),
        ("FLOAT", "9e999", float("inf")),
        ("TEXT", "'grün'", "grün"),
        ("VARCHAR(20)", "12", "12"),
        ("BLOB", "x'00ff'", b"\x00\xff"),
        ("BOOLEAN", "1", True),
        ("BOOLEAN", "0", False),
        ("", "7", "7"),
        ("", "'seven'", "seven"),
    ],
)
@pytest.mark.parametrize("null", [False, True], ids=["value", "null"])
def test_a_value_arrives_in_the_type_that_its_column_declares(
    tmp_path: Path, declared: str, inserted: str, arrives: object, *, null: bool
) -> None:
    path = made(
        tmp_path / "a.db", f"CREATE TABLE t (v {declared})", f"INSERT INTO t VALUES ({'NULL' if null else inserted})"
    )
    source, _ = source_of(path)
    assert [row["v"] for row in read(source)] == [None if null else arrives]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-24T08:30:00Z", "2026-11-24 08:30:00+00:00"),
        ("2026-11-24T08:30:00.123456+02:00", "2026-11-24 06:30:00.123456+00:00"),
        ("2026-11-24 08:30:00", "2026-11-24 08:30:00+00:00"),
        ("2026-11-24", "2026-11-24 00:00:00+00:00"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31 23:59:59.999000+00:00"),
    ],
)
def test_times_arrive_as_instants_in_utc(tmp_path: Path, text: str, utc: str) -> None:
    path = made(tmp_path / "a.db", "CREATE TABLE t (ts TEXT)", f"INSERT INTO t VALUES ('{text}'), (NULL)")
    source, _ = source_of(path)
    assert [row["ts"] and str(row["ts"]) for row in read(source, time="ts")] == [utc, None]


@pytest.mark.parametrize(
    ("declared", "bad", "reason"),
    [
        ("INTEGER", "1.5", "a number with a fraction"),
        ("INTEGER", "'many'", "TEXT that is no number"),
        ("REAL", "'warm'", "TEXT that is no number"),
        ("TEXT", "x'ff'", "BLOB that is not UTF-8"),
        ("TEXT", "CAST(x'ff' AS TEXT)", "TEXT that is not UTF-8"),
        ("BLOB", "7", "INTEGER is no BLOB"),
        ("BOOLEAN", "2", "INTEGER that is neither 0 nor 1"),
        ("DATE", "'tomorrow'", "TEXT that is no time"),
        ("DATETIME", "'soon'", "TEXT that is no time"),
    ],
)
def test_a_row_whose_value_does_not_fit_is_set_aside_with_the_reason(
    tmp_path: Path, declared: str, bad: str, reason: str
) -> None:
    path = made(
        tmp_path / "a.db",
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})",
        f"INSERT INTO t VALUES (1, NULL), (2, NULL), (3, {bad}), (4, NULL)",
    )
    source, _ = source_of(path)
    table = source.table()
    pairs = matched(table, None, natural_schema(table, None)).pairs
    with source.reading(table, pairs, standing_at(None), []) as reading:
        (page,) = reading.pages
    assert RecordBatch.from_arrow(page.columns).column("id").to_pylist() == [1, 2, 4]
    ((index, row),) = page.quarantined.items()
    assert (page.rows, index, row.key, row.reasons, row.values["id"]) == (4, 2, 3, {"v": reason}, 3)


def test_a_number_beyond_all_times_is_set_aside(tmp_path: Path) -> None:
    numbers = "(1764000000.5), (1764000001.5), (1.8e302), (-1.8e302), (1764000002.5)"
    path = made(tmp_path / "a.db", "CREATE TABLE t (ts REAL)", f"INSERT INTO t VALUES {numbers}")
    source, _ = source_of(path)
    table = source.table()
    with source.reading(table, matched(table, "ts", natural_schema(table, "ts")).pairs, standing_at(None), []) as found:
        (page,) = found.pages
    assert [(row.key, row.reasons["ts"]) for row in page.quarantined.values()] == [
        (3, "outside the years 1 to 9999"),
        (4, "outside the years 1 to 9999"),
    ]


def test_all_null_pages_keep_their_types(tmp_path: Path) -> None:
    path = made(
        tmp_path / "a.db",
        "CREATE TABLE t (i INTEGER, r REAL, s TEXT, b BLOB)",
        "INSERT INTO t VALUES (NULL, NULL, NULL, NULL)",
    )
    source, _ = source_of(path)
    (row,) = read(source)
    assert list(row.values()) == [None, None, None, None, 1]


@settings(deadline=None, max_examples=40)
@given(
    keys=st.sets(st.integers(-(2**63), 2**63 - 1), max_size=60),
    rows=st.integers(1, 20),
    after=st.none() | st.integers(-(2**63), 2**63 - 1),
)
def test_pages_hold_each_row_after_the_cursor_once(keys: set[int], rows: int, after: int | None) -> None:
    shuffled = random.Random(1).sample(sorted(keys), len(keys))  # noqa: S311  (an order of insertion)
    with TemporaryDirectory() as folder:
        path = made(Path(folder) / "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
        with closing(sqlite3.connect(path)) as connection:
            connection.executemany("INSERT INTO t VALUES (?)", [(key,) for key in shuffled])
            connection.commit()
        source, _ = source_of(path, page_size=PageSize(first_rows=1, rows=rows))
        assert [r["id"] for r in read(source, after)] == sorted(k for k in keys if after is None or k > after)


def test_pages_of_wide_rows_hold_few_of_them(tmp_path: Path) -> None:
    path = made(tmp_path / "a.db", "CREATE TABLE t (b BLOB)", *["INSERT INTO t VALUES (zeroblob(100000))"] * 40)
    source, _ = source_of(path, page_size=PageSize(first_rows=4, rows=8192, size=1 << 20))
    table = source.table()
    columns = matched(table, None, natural_schema(table, None)).pairs
    with source.reading(table, columns, standing_at(None), []) as reading:
        sizes = [page.rows for page in reading.pages]
    assert sum(sizes) == 40
    assert max(sizes) <= 11


@pytest.mark.parametrize(
    ("first", "size", "then"),
    [
        ((64, 64 * 100), 1 << 22, 512),
        ((8192, 8192 * 100), 1 << 22, 8192),
        ((512, 512 * 10**6), 1 << 22, 4),
        ((1, 10**9), 1, 1),
    ],
)  # fmt: skip
def test_the_next_page_grows_at_most_eightfold_within_its_bytes(first: tuple[int, int], size: int, then: int) -> None:
    assert PageSize(size=size).next_rows(*first) == then


def test_a_column_called_rowid_does_not_hide_the_key(tmp_path: Path) -> None:
    path = made(tmp_path / "a.db", "CREATE TABLE t (rowid TEXT, v INTEGER)", "INSERT INTO t VALUES ('x', 1), ('x', 2)")
    source, _ = source_of(path)
    assert [row["_row"] for row in read(source)] == [1, 2]


@pytest.mark.parametrize(
    ("declared", "alias"),
    [
        ("id INTEGER PRIMARY KEY", True),
        ("id integer PRIMARY KEY AUTOINCREMENT", True),
        ("id INTEGER, PRIMARY KEY (id)", True),
        ("id INTEGER PRIMARY KEY DESC", False),
        ("id INT PRIMARY KEY", False),
        ("id INTEGER, v INTEGER, PRIMARY KEY (id, v)", False),
    ],
)
def test_only_an_integer_primary_key_is_the_rowid(tmp_path: Path, declared: str, *, alias: bool) -> None:
    path = made(tmp_path / "a.db", f"CREATE TABLE t ({declared})", "INSERT INTO t (id) VALUES (70)")
    source, _ = source_of(path)
    assert source.table().rowid == ("id" if alias else "rowid")
    assert [row["_row"] for row in read(source)] == [70 if alias else 1]


def test_generated_columns_are_read(tmp_path: Path) -> None:
    path = made(tmp_path / "a.db", "CREATE TABLE t (v INTEGER, w INTEGER AS (v * 2))", "INSERT INTO t (v) VALUES (4)")
    source, _ = source_of(path)
    assert [row["w"] for row in read(source)] == [8]


def test_odd_names_are_quoted_and_what_delta_refuses_is_encoded(tmp_path: Path) -> None:
    path = made(tmp_path / "100% a?b#c.db", 'CREATE TABLE "a ""b;" ("select" INTEGER, "x y" TEXT)',
                'INSERT INTO "a ""b;" VALUES (1, \'z\')')  # fmt: skip
    source, _ = source_of(path)
    assert source.table().name == 'a "b;'
    assert [(row["select"], row["x%20y"]) for row in read(source)] == [(1, "z")]


@pytest.mark.parametrize(
    ("columns", "values", "chosen"),
    [
        ("id INTEGER, ts TEXT, timestamp TEXT", "1, '2026-01-01', '2026-01-02'", "timestamp"),
        ("id INTEGER, Created_At TEXT", "1, '2026-01-01T00:00:00Z'", "Created_At"),
        ("id INTEGER, measured DATETIME", "1, '2026-01-01 00:00:00'", "measured"),
        ("id INTEGER, a DATETIME, b DATETIME", "1, '2026-01-01', '2026-01-01'", None),
        ("id INTEGER, timestamp TEXT, time TEXT", "1, 'soon', '2026-01-01'", "time"),
        ("id INTEGER, timestamp INTEGER", "1, 1764000000", "timestamp"),
        ("id INTEGER, timestamp INTEGER", "1, 17", None),
        ("id INTEGER, value REAL", "1, 2.5", None),
    ],
)
def test_the_timestamp_column_is_found_by_name_type_and_sample(
    tmp_path: Path, columns: str, values: str, chosen: str | None
) -> None:
    source, notices = source_of(
        made(tmp_path / "a.db", f"CREATE TABLE t ({columns})", f"INSERT INTO t VALUES ({values})")
    )
    found = source.time_column(source.table())
    assert (found and found.name) == chosen
    assert notices[-1].startswith(
        f"column {chosen!r} of 't' holds the rows' time" if chosen else "no column of 't' holds the rows' time"
    )


def test_a_configured_timestamp_column_is_taken_whatever_its_name(tmp_path: Path) -> None:
    path = made(tmp_path / "a.db", "CREATE TABLE t (Taken TEXT, ts TEXT)", "INSERT INTO t VALUES ('2026-01-01', 'x')")
    source, notices = source_of(path, time="taken")
    assert source.time_column(source.table()) == TimeColumn("Taken")
    assert notices == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE t (rowid, oid, _rowid_)", "the columns of 't' hide its rowid"),
        ("CREATE VIEW v AS SELECT 1 AS x", "no table in"),
    ],
)
def test_a_table_that_can_not_be_read_is_refused(tmp_path: Path, statement: str, words: str) -> None:
    source, _ = source_of(made(tmp_path / "a.db", statement))
    with pytest.raises(ConfigError, match=words):
        source.table()


def test_a_locked_database_is_tried_again_each_try_told_and_then_transient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    monkeypatch.setattr("databricks_uploader.source.connection.BUSY_TIMEOUT_MS", 1)
    told: list[Event] = []
    source = SqliteSource(path, told.append)
    with databases.locked(path), pytest.raises(TransientError, match="is locked by another program"):
        source.table()
    assert told == [Busy(str(path), waited_s / 1000) for waited_s in (1, 2, 3, 4)]
    assert source.table().name == "t"


def test_rows_that_are_deleted_while_pages_are_read_leave_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    databases.execute(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (id INTEGER PRIMARY KEY)",
                      *(f"INSERT INTO t VALUES ({i})" for i in range(6)))  # fmt: skip
    source, _ = source_of(path, page_size=PageSize(first_rows=2, rows=2))
    table = source.table()
    columns = matched(table, None, natural_schema(table, None)).pairs
    with source.reading(table, columns, standing_at(None), []) as reading:
        assert next(reading.pages).up_to == 1
        databases.execute(path, "DELETE FROM t WHERE id IN (2, 3)", "INSERT INTO t VALUES (10)")
        assert [page.up_to for page in reading.pages] == [5, 10]


def test_no_transaction_is_held_between_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    databases.add_readings(path, 50)
    source, _ = source_of(path, page_size=PageSize(first_rows=5, rows=5))
    table = source.table()
    columns = matched(table, None, natural_schema(table, None)).pairs
    with source.reading(table, columns, standing_at(None), []) as reading:
        next(reading.pages)
        checkpoint = [json.dumps(row) for row in databases.query(path, "PRAGMA wal_checkpoint(TRUNCATE)")]
    assert checkpoint == ["[0, 0, 0]"]


def test_an_error_of_a_page_is_one_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"SQLite format 3\0" + b"\x10\x00\x01\x01\x00\x40\x20\x20" + bytes(4000))
    source, _ = source_of(path)
    with pytest.raises(UploaderError):
        source.table()


@pytest.mark.parametrize(
    ("declared", "value", "other"),
    [
        ("TEXT", "'it''s'", "'its'"),
        ("BLOB", "x'00ff'", "x'00fe'"),
        ("", "7", "8"),
        ("", "'seven'", "'eight'"),
        ("REAL", "9e999", "-9e999"),
        ("REAL", "0.1", "0.2"),
        ("INTEGER", "NULL", "0"),
        ("BOOLEAN", "1", "0"),
        ("DATE", "'2026-01-01'", "'2026-01-02'"),
    ],
)
def test_a_row_is_told_by_its_values_in_a_page_in_a_look_and_between_pages(
    tmp_path: Path, declared: str, value: str, other: str
) -> None:
    path = made(
        tmp_path / "a.db", f"CREATE TABLE t (v {declared})", f"INSERT INTO t VALUES ({value}), ({other}), ({value})"
    )
    source, _ = source_of(path, page_size=PageSize(first_rows=1, rows=1))
    table = source.table()
    columns = matched(table, None, natural_schema(table, None)).pairs
    with source.reading(table, columns, replace(standing_at(None), witness_columns=("v",)), [1, 2, 3]) as reading:
        told = dict(row for page in reading.pages for row in page.tail(1))
    assert told == reading.look.found
    assert told[1] == told[3] != told[2]
