"""Names of columns, and very many of them, from a SQLite file into a Delta table that another engine reads."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from deltalake import DeltaTable, QueryBuilder
from hypothesis import given
from hypothesis import strategies as st
from tests.support import tables
from tests.support.cycles import whole_cycle
from tests.support.fakes import FakeClock

from databricks_uploader.destinations.delta import DeltaDestination
from databricks_uploader.events import Event
from databricks_uploader.model.claim import Identity
from databricks_uploader.model.naming import source_name, target_names
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.ports import Ports
from databricks_uploader.source.connection import quoted
from databricks_uploader.source.sqlite import SqliteSource
from databricks_uploader.spool.folder import FolderSpool
from databricks_uploader.state.store import Store

IDENTITY = Identity("node", "t", "raw_t")
ODD = (
    "id", "a b", 'say "hi"', "it's", "a.b", "🌱", "select", "order by", "a;b", "(x)", "{y}", "a=b", "a,b", "tab\there",
    "line\nbreak", "Ä", "ä", "ß", "ss", "k", "\u212a", "", "_row", "_Node_Id", "100%", "%41", "%00", "`tick`", "[x]",
    "a\\b", "rowid", "1st", "-", "é", "e\u0301", "名前",
)  # fmt: skip
AFFINITIES = ("INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC", "", "BOOLEAN", "DATE", "DATETIME", "DECIMAL(9,2)")
VALUES = (7, 0.5, "seven", b"\x00\xff", 0.25, "any", 1, "2026-11-24", "2026-11-24T08:30:00Z", 1.25)


def wrote(path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    """Run statements; the writer is done, and gone, before anybody reads."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement, values in statements:
            connection.execute(statement, values)


def uploaded(path: Path, folder: Path) -> list[Event]:
    """Upload into `folder`/lake, state in `folder`/state; return what was told."""
    (folder / "state" / "spool").mkdir(parents=True, exist_ok=True)
    told: list[Event] = []
    with Store.open(folder / "state") as store:
        source, target = SqliteSource(path, told.append), DeltaDestination(folder / "lake", IDENTITY)
        ports = Ports(source, target, FolderSpool(folder / "state" / "spool"), store, FakeClock())
        whole_cycle(Pipeline(IDENTITY), ports, told.append)
    return told


@pytest.mark.parametrize("key", ["", ", PRIMARY KEY (ts)) WITHOUT ROWID"], ids=["by rowid", "by time"])
def test_odd_names_are_loaded_twice_and_read_by_other_engines(tmp_path: Path, key: str) -> None:
    path = tmp_path / "a.db"
    definitions = ", ".join(quoted(name) for name in ODD)
    wrote(path, (f"CREATE TABLE t (ts TEXT, {definitions}{key or ')'}", ()))
    marks = ", ".join("?" * len(ODD))
    expected = []
    for day in (1, 2):
        row = tuple(f"{day} {name}" for name in ODD)
        expected.append(row)
        wrote(path, (f"INSERT INTO t VALUES (?, {marks})", (f"2026-01-0{day}", *row)))
        uploaded(path, tmp_path)
    names = target_names(["ts", *ODD])
    selected = ", ".join(quoted(names[name]) for name in ODD)
    assert tables.rows(tmp_path / "lake", selected, "ts") == expected
    table = DeltaTable(tmp_path / "lake")
    found = QueryBuilder().register("t", table).execute(f"SELECT {selected} FROM t ORDER BY ts").read_all()
    assert list(zip(*(column.to_pylist() for column in found.columns), strict=True)) == expected
    assert [source_name(field.name) for field in table.schema().fields][: len(ODD) + 1] == ["ts", *ODD]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6), unique_by=str.upper))
def test_names_are_reversible_and_delta_can_tell_them_apart(names: list[str]) -> None:
    targets = target_names(names)
    assert [source_name(targets[name]) for name in names] == names
    assert len({target.casefold() for target in targets.values()}) == len(names)
    assert not any(set(target) & set(" ,;{}()\n\t=") or not target for target in targets.values())


@given(
    st.permutations(
        ["k", "\u212a", "ss", "ß", "s", "\u017f", "Ä", "ä", "%", "%41", "%C3%84", "", "%00", "_row", "%5Frow"]
    )
)
def test_names_that_differ_by_case_beyond_ascii_alone_are_told_apart_in_any_order(names: list[str]) -> None:
    targets = target_names(names)
    assert [source_name(targets[name]) for name in names] == names
    assert len({target.casefold() for target in targets.values()}) == len(names)


@pytest.mark.parametrize("misfit", [None, "many"], ids=["fitting", "one by one"])
def test_a_thousand_columns_of_every_kind_arrive(tmp_path: Path, misfit: str | None) -> None:
    path, columns = tmp_path / "a.db", [(f"c{i}", AFFINITIES[i % 10], VALUES[i % 10]) for i in range(1_000)]
    marks = ", ".join("?" * len(columns))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, kind, _ in columns)})")
        rows: list[list[object]] = [[value for _, _, value in columns] for _ in range(3)]
        rows[1][500] = misfit or 7
        connection.executemany(f"INSERT INTO t VALUES ({marks})", rows)
        connection.commit()
    uploaded(path, tmp_path)
    names = ", ".join(name for name, _, _ in columns[:10])
    last = ", ".join(name for name, _, _ in columns[-10:])
    expected = (7, 0.5, "seven", b"\x00\xff", 0.25, "any", True)
    for some in (names, last):
        found = tables.rows(tmp_path / "lake", some)
        assert [row[:7] for row in found] == [expected] * (2 if misfit else 3)
