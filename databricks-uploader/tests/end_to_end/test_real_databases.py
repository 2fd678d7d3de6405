"""Databases that other programs wrote (tests/data/real): each table with rows, uploaded and read back value by value.

What is expected is read by Python's own SQLite, and follows the rules of design.md by other code than ours.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from tests.support import program, tables

from databricks_uploader.model.source import TIMESTAMP_NAMES

REAL = Path(__file__).parents[1] / "data" / "real"
CONFIGURED = {
    ("apscheduler", "apscheduler_jobs"): "next_run_time",
    ("diskcache", "Cache"): "store_time",
    ("subversion", "LOCK"): "lock_date",
    ("subversion", "NODES"): "changed_date",
}
"""Times of numbers under names that say nothing: the column is named with --timestamp-col."""
NUMBERS = {
    *CONFIGURED,
    *(("fossil", table) for table in ("config", "event", "plink", "rcvfrom", "reportfmt", "tagxref")),
}
"""Tables whose times are numbers: epoch seconds and microseconds, Julian days."""
JULIAN_1970 = Fraction(4881175, 2)
PER_SECOND = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
"""Numbers below the first are in units of the second."""


def all_tables() -> list[tuple[str, str]]:
    found = []
    for path in sorted(REAL.glob("*.db")):
        with closing(sqlite3.connect(path)) as connection:
            listed = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
            names = [name for (name,) in connection.execute(listed).fetchall()]
            found += [(path.stem, n) for n in names if connection.execute(f'SELECT 1 FROM "{n}"').fetchone()]
    return found


def microseconds(values: Sequence[Any]) -> list[Any]:
    """Return times as microseconds since 1970, the unit of numbers being that of the largest."""
    largest = max((abs(v) for v in values if isinstance(v, int | float)), default=0)
    return [None if v is None else _microseconds(v, largest) for v in values]


def _microseconds(value: str | int | float, largest: float) -> object:
    if isinstance(value, str):
        time = datetime.fromisoformat(value)
        return round((time.replace(tzinfo=UTC) if time.tzinfo is None else time).timestamp() * 10**6)
    if largest < 10**7:  # doubles of days are 40 µs apart, and SQLite itself rounds them to milliseconds
        return pytest.approx(float((Fraction(value) - JULIAN_1970) * 86_400 * 10**6), abs=500)
    unit = next(unit for below, unit in PER_SECOND if largest < below)
    found = Fraction(value) * 10**6 / unit
    return int(found) if isinstance(value, int) else pytest.approx(float(found), abs=1)


def as_text(values: Sequence[Any]) -> list[Any]:
    with closing(sqlite3.connect(":memory:")) as connection:
        return [connection.execute("SELECT CAST(? AS TEXT)", (v,)).fetchone()[0] for v in values]


def unchanged(values: Sequence[Any]) -> list[Any]:
    return list(values)


Way = tuple[Callable[[Sequence[Any]], list[Any]], tuple[type, ...], str]
"""How a column's values are expected, of which Python types they are, and how the target's are read back."""


EXACTLY: Mapping[str, Way] = {
    "BOOLEAN": (lambda values: [None if v is None else bool(v) for v in values], (int,), "{}"),
    "DATE": (unchanged, (), "{}"),  # none in these files but NULL
}


def way(declared: str, *, is_time: bool) -> Way:
    upper = declared.upper()
    if is_time or upper.split("(")[0] in ("DATETIME", "TIMESTAMP"):
        return microseconds, (int, float, str), "epoch_us({})"
    if upper in EXACTLY:
        return EXACTLY[upper]
    for word, kind in (("INT", int), ("CHAR", str), ("CLOB", str), ("TEXT", str), ("FLOA", float)):
        if word in upper:
            return unchanged, (kind,), "{}"
    if "BLOB" in upper:
        return lambda values: [v.encode() if isinstance(v, str) else v for v in values], (bytes, str), "{}"
    if "REAL" in upper or "DOUB" in upper:
        return unchanged, (float,), "{}"
    return as_text, (int, float, str, bytes), "{}"


def time_of(columns: Sequence[tuple[str, str]], configured: str | None) -> str | None:
    """Choose the column of the rows' time."""
    named = [name for wanted in TIMESTAMP_NAMES for name, _ in columns if name.lower() == wanted]
    declared = [name for name, kind in columns if kind.upper() in ("DATE", "DATETIME", "TIMESTAMP")]
    return next(iter([configured] if configured else named or (declared if len(declared) == 1 else [])), None)


def cases() -> list[Any]:
    """Return all tables; those of integers and text alone are for the long run."""
    found = []
    for case in all_tables():
        with closing(sqlite3.connect(REAL / f"{case[0]}.db")) as connection:
            declared = connection.execute(f"SELECT type FROM pragma_table_xinfo('{case[1]}')").fetchall()
        plain = all(way(d, is_time=False)[1] in ((int,), (str,)) and "BOOL" not in d.upper() for (d,) in declared)
        marks = [pytest.mark.long] if plain and case not in NUMBERS else []
        found.append(pytest.param(*case, marks=marks))
    return found


@pytest.mark.parametrize(("written_by", "table"), cases())
def test_every_value_of_a_real_database_arrives(tmp_path: Path, written_by: str, table: str) -> None:
    source, configured = REAL / f"{written_by}.db", CONFIGURED.get((written_by, table))
    with closing(sqlite3.connect(source)) as connection:
        columns = connection.execute(f"SELECT name, type FROM pragma_table_xinfo('{table}')").fetchall()
        rows = connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid').fetchall()
    time = time_of(columns, configured)
    ways = [way(declared, is_time=name == time) for name, declared in columns]
    fitting = [r for r in rows if all(v is None or type(v) in kinds for v, (_, kinds, _) in zip(r, ways, strict=True))]
    converted = [convert([r[i] for r in fitting]) for i, (convert, _, _) in enumerate(ways)]

    given = ("--sqlite", source, "--sqlite-table", table, "--delta-path", tmp_path / "lake", "--state-dir", tmp_path)
    named = ("--timestamp-col", configured) if configured else ()
    result = program.run(*given, *named, "--node-id", "n", "--once", "--log-level", "warning")
    assert result.exit_code == 0, result.errors
    read = ", ".join(back.format(f'"{name}"') for (name, _), (_, _, back) in zip(columns, ways, strict=True))
    found = tables.rows(tmp_path / "lake" / f"raw_{table}", read, order="_row")
    assert found == list(zip(*converted, strict=True))


def test_the_real_databases_hold_times_of_every_kind() -> None:
    """Guards the files: a file made anew without them would make the tests above say less."""
    held = {}
    for written_by, table, column in (
        ("apscheduler", "apscheduler_jobs", "next_run_time"),
        ("diskcache", "Cache", "expire_time"),
        ("fossil", "config", "mtime"),
        ("fossil", "event", "omtime"),
        ("ipython", "sessions", "end"),
        ("optuna", "trials", "datetime_complete"),
        ("subversion", "NODES", "changed_date"),
    ):
        with closing(sqlite3.connect(REAL / f"{written_by}.db")) as connection:
            found = connection.execute(f'SELECT DISTINCT typeof("{column}") FROM "{table}" ORDER BY 1').fetchall()
        held[written_by, column] = [kind for (kind,) in found]
    assert held == {
        ("apscheduler", "next_run_time"): ["null", "real"],
        ("diskcache", "expire_time"): ["null", "real"],
        ("fossil", "mtime"): ["integer"],
        ("fossil", "omtime"): ["null", "real"],
        ("ipython", "end"): ["text"],
        ("optuna", "datetime_complete"): ["null", "text"],
        ("subversion", "changed_date"): ["integer", "null"],
    }
