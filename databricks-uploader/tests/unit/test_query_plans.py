"""No statement of the normal way scans the table, whatever indexes it has and however large it is.

Not so where its owner ran ANALYZE when it had five rows or fewer, and never again: SQLite then believes that a scan is
cheaper than a search.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest
from tests.support.writer import Writer

from databricks_uploader.model.columns import matched, natural_schema
from databricks_uploader.model.gaps import HIGHEST, LOWEST, Range
from databricks_uploader.model.source import SourceTable, telling_columns
from databricks_uploader.model.times import EPOCH
from databricks_uploader.ports import TimedPage
from databricks_uploader.source import plan as plans
from databricks_uploader.source.by_time import Sweep
from databricks_uploader.source.connection import Connection, connect
from databricks_uploader.source.pages import Care, PageSize
from databricks_uploader.source.plan import Plan
from databricks_uploader.source.rows import Rows
from databricks_uploader.source.sqlite import SqliteSource
from databricks_uploader.source.typed import way

ROWS = 5_000
KEYS = {
    "rowid key": "id INTEGER PRIMARY KEY,",
    "autoincrement": "id INTEGER PRIMARY KEY AUTOINCREMENT,",
    "implicit rowid": "",
}
INDEXES: Mapping[str, Sequence[str]] = {
    "no index": (),
    "on one column": ("(ts)",),
    "on several columns": ("(status, ts)", "(ts DESC)", "(status) WHERE status > 1"),
    "covering": ("({all})", "(status, {all})"),
}

ANALYZED = ("never analyzed", "analyzed", "analyzed when it was small")


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


@pytest.fixture(params=[(k, i, a) for k in KEYS for i in INDEXES for a in ANALYZED], scope="module",
                ids=", ".join)  # fmt: skip
def path(request: pytest.FixtureRequest, writer: Writer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a table of a few thousand rows."""
    key, indexes, analyzed = request.param
    path = tmp_path_factory.mktemp("plans") / "a.db"
    own = "id, ts, status, value" if KEYS[key] else "ts, status, value"
    writer.write(
        path,
        f"CREATE TABLE t ({KEYS[key]} ts TEXT, status INTEGER, value REAL)",
        *(f"CREATE INDEX i{n} ON t {columns.format(all=own)}" for n, columns in enumerate(INDEXES[indexes])),
        *["INSERT INTO t (ts, status, value) VALUES ('2026-01-01T00:00:00Z', 2, 0.5)"] * 10,
    )
    if analyzed == "analyzed when it was small":
        writer.alone(path, "ANALYZE")
    writer.write(
        path,
        f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) INSERT INTO t "
        "(ts, status, value) SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 1767225600 + i, 'unixepoch'), i % 3, i / 8.0 FROM n",
    )
    if analyzed == "analyzed":
        writer.alone(path, "ANALYZE")
    return path


ONE, FROM_ONE, BETWEEN_TWO = "(rowid=?)", "(rowid>?)", "(rowid>? AND rowid<?)"


def statements(table: SourceTable) -> Mapping[str, tuple[str, str]]:
    """Return each statement of a look and of a page, and how it has to search the table."""
    pairs = matched(table, "ts", natural_schema(table, "ts")).pairs
    plan = Plan(table, tuple(way(pair, None, "UTC") for pair in pairs))
    some = [*range(100, 140, 2), ROWS, HIGHEST]
    gaps = [(LOWEST, 0), (17, 17), (2_000, 2_100), (ROWS + 1, HIGHEST)]
    return {
        "what tells the rowids": (plans.ids(table), ""),
        "the end of the first page": (plan.end(None, 64), FROM_ONE),
        "the end of a page": (plan.end(100, 1_000), FROM_ONE),
        "the end of a page after a row that must be the same": (
            plan.end(100, 1_000, plans.still(table, ["ts"], 100, (b"2026",))),
            "",
        ),
        "the end of the last page": (plan.end(ROWS - 10, 1_000), FROM_ONE),
        "the first page": (_page(plan, plan.following(None, 64)), "(rowid<?)"),
        "a large first page": (_page(plan, plan.following(None, ROWS - 1)), "(rowid<?)"),
        "a page": (_page(plan, plan.following(100, 1_100)), BETWEEN_TWO),
        "a large page": (_page(plan, plan.following(1, ROWS - 1)), BETWEEN_TWO),
        "the last page": (_page(plan, plan.following(ROWS - 10, ROWS)), BETWEEN_TWO),
        "the sizes of rows": (
            f"{plan.sizes(plan.following(100, 1_100), plan.key)} ORDER BY {plan.key}",
            BETWEEN_TWO,
        ),
        "the sizes of late rows": (plan.sizes(plan.named(some), plan.key), ONE),
        "late rows": (plan.late(gaps, 1_000), BETWEEN_TWO),
        "late rows in very many gaps": (plan.late([(3 * i, 3 * i) for i in range(1_000)], 1_000), BETWEEN_TWO),
        "a page of late rows": (_page(plan, plan.named(some)), ONE),
        "witnesses": (plans.witnessed(table, ["ts"], plan.named(some)), ONE),
        "very many witnesses": (plans.witnessed(table, ["ts"], plan.named(range(1, ROWS))), ONE),
        "one witness": (plans.witnessed(table, ["ts", "status", "value"], plan.named([17])), ONE),
    }


def _page(plan: Plan, rows: str) -> str:
    (select,) = plan.pages(plan.selected(plan.ways), rows)
    return select


WAYS = tuple(statements(SourceTable("t", (), "rowid")))


@pytest.mark.parametrize("way", WAYS)
def test_no_statement_of_the_normal_way_scans_the_table(path: Path, way: str) -> None:
    statement, search = statements(SqliteSource(path, lambda _: None).table())[way]
    with connect(path, lambda _: None) as connection:
        steps = [row[-1] for row in connection.rows(f"EXPLAIN QUERY PLAN {statement}")]
    assert [step for step in steps if step.split()[:2] == ["SCAN", "t"] or "TEMP B-TREE" in step] == []
    searches = [step for step in steps if step.split()[:2] == ["SEARCH", "t"]]
    assert searches != []
    assert all(step.endswith(search) for step in searches), "it reads no further than it must"


OF_TIME = {
    "a key of a table without rowids": ("CREATE TABLE t (ts TEXT, v INTEGER, PRIMARY KEY (ts, v)) WITHOUT ROWID",),
    "an index": ("CREATE TABLE t (ts TEXT, v INTEGER)", "CREATE INDEX i ON t (ts)"),
    "an index of numbers": ("CREATE TABLE t (ts INTEGER, v INTEGER)", "CREATE INDEX i ON t (ts)"),
    "an index below a view": (
        "CREATE TABLE below (ts TEXT, v INTEGER)",
        "CREATE INDEX i ON below (ts)",
        "CREATE VIEW t AS SELECT ts, v FROM below WHERE v >= 0",
    ),
}
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Asked:
    """A connection that remembers what it was asked."""

    connection: Connection
    statements: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (stands for any method of a connection)
        found = getattr(self.connection, name)
        return partial(self._remembered, found) if name in ("rows", "read") else found

    def _remembered(self, ask: Callable[..., Any], statement: str, **limits: int) -> Any:  # noqa: ANN401
        self.statements.append(statement)
        return ask(statement, **limits)


def steps(path: Path, statement: str) -> int:
    """Return how many steps SQLite's machine takes for a statement."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    with closing(sqlite3.connect(path)) as connection:
        connection.create_function("octet_length", 1, lambda value: len(str(value)))  # not there in all versions
        connection.set_progress_handler(step, 1)
        connection.execute(statement).fetchall()
    return taken


@pytest.fixture(params=OF_TIME, scope="module")
def timed(request: pytest.FixtureRequest, writer: Writer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a table with a row a second."""
    path = tmp_path_factory.mktemp("times") / "a.db"
    made = OF_TIME[request.param]
    table = "below" if "below" in made[0] else "t"
    second = f"{int(BEGUN.timestamp())} + i"
    time = second if "numbers" in request.param else f"strftime('%Y-%m-%dT%H:%M:%SZ', {second}, 'unixepoch')"
    writer.write(
        path,
        *made,
        f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) "
        f"INSERT INTO {table} SELECT {time}, i FROM n",
    )
    return path


def asked(path: Path, read: Callable[[Sweep], Iterator[TimedPage]]) -> tuple[int, list[int]]:
    """Read in the order of times; return how many rows came, and the steps of each statement."""
    source = SqliteSource(path, lambda _: None, "t")
    table = source.table()
    time, units = table.get("ts"), source.time_column(table)
    assert time is not None
    assert units is not None
    with connect(path, lambda _: None) as connection:
        remembered = Asked(connection)
        pairs = matched(table, "ts", natural_schema(table, "ts")).pairs
        rows = Rows(
            cast("Connection", remembered), table, pairs, "ts", "UTC",
            {} if units.unit is None else {"ts": units.unit}, telling_columns(table),
        )  # fmt: skip
        found = sum(page.rows for page in read(Sweep(rows, time, PageSize(first_rows=8), Care())))
    return found, [steps(path, statement) for statement in remembered.statements]


def test_a_look_back_reads_an_index_of_times_from_there_on_and_no_further_than_a_page(timed: Path) -> None:
    since = BEGUN + timedelta(seconds=ROWS - 20)
    rows, taken = asked(timed, lambda sweep: sweep.pages(since))
    assert 20 <= rows <= 25
    assert max(taken) < 1_000, taken
    rows, taken = asked(timed, lambda sweep: islice(sweep.pages(BEGUN), 1))
    assert (rows, max(taken) < 1_000) == (8, True)


def test_windows_are_read_again_by_an_index_of_times(timed: Path) -> None:
    def seconds(low: int, high: int) -> Range:
        return tuple((BEGUN + timedelta(seconds=s) - EPOCH) // timedelta(microseconds=1) for s in (low, high))  # type: ignore[return-value]  # two of them

    rows, taken = asked(timed, lambda sweep: sweep.between([seconds(700, 709), seconds(2_400, 2_402)]))
    assert 13 <= rows <= 30
    assert max(taken) < 1_000, taken
