"""Damaged pages of a database: what comes of it is its rows, or an error of ours; never a bug, never a row twice.

Rows have no checksum in SQLite. A bit that flips inside a value, or a page that got another page's bytes, can be a
database like any other; here, what SQLite reads of a damaged file counts as its rows.
"""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest
from arro3.core import Array, DataType
from tests.support import databases
from tests.support.cycles import whole_cycle
from tests.support.edge import EdgeNode
from tests.support.writer import Writer

from databricks_uploader.errors import UploaderError
from databricks_uploader.events import Event
from databricks_uploader.model.pipeline import Limits
from databricks_uploader.source.order import in_order, within
from databricks_uploader.source.pages import PageSize

PAGE = 512
ROWS = 600
MADE = (
    f"PRAGMA page_size = {PAGE}",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, ts TEXT, v INTEGER, note TEXT, image BLOB)",
    "CREATE INDEX by_time ON t(ts)",
    f"""
    INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
    SELECT i, strftime('%Y-%m-%dT%H:%M:%SZ', 1.7e9 + i, 'unixepoch'), i, printf('%040d', i),
    CASE WHEN i % 60 = 0 THEN CAST(printf('%02000d', i) AS BLOB) END FROM n""",
)

Damage = Callable[[random.Random, bytes, bytes], bytes]
"""Returns what a page becomes, given the file and the page."""


def one_bit(chance: random.Random, _: bytes, page: bytes) -> bytes:
    at = chance.randrange(PAGE)
    return page[:at] + bytes([page[at] ^ 1 << chance.randrange(8)]) + page[at + 1 :]


def head(chance: random.Random, _: bytes, page: bytes) -> bytes:
    at = chance.randrange(24)
    return page[:at] + chance.randbytes(1) + page[at + 1 :]


def misplaced(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    other = chance.randrange(len(whole) // PAGE) * PAGE
    return whole[other : other + PAGE]


DAMAGES: dict[str, Damage] = {
    "zeros": lambda chance, whole, page: bytes(PAGE),
    "random bytes": lambda chance, whole, page: chance.randbytes(PAGE),
    "one bit": one_bit,
    "a byte of a page's head": head,
    "another page": misplaced,
}

UNSEEN = {
    ("one bit", 2): "a leaf's cell pointers out of order, on which a search passes two rows over",
}
"""Where rows are missing or doubled without an error."""
CASES = [
    pytest.param(*case, marks=[pytest.mark.xfail(strict=True, reason=UNSEEN[case])] if case in UNSEEN else [])
    for case in product(DAMAGES, range(6))
]


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer() as process:
        yield process


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "source.db"
    databases.execute(path, *MADE)
    return path.read_bytes()


def held(writer: Writer, path: Path) -> list[tuple[int, int, str]]:
    """Return what SQLite reads of all rows; what they were, where the damage is in what only it has read.

    A row whose text is not UTF-8 any more goes into quarantine.
    """
    try:
        rows = writer.read(path, "SELECT id, v, hex(note) FROM t NOT INDEXED ORDER BY id")
    except sqlite3.Error:
        return [(i, i, f"{i:040}") for i in range(1, ROWS + 1)]
    notes = [bytes.fromhex(str(note)).decode(errors="replace") for _, _, note in rows]
    return [(int(str(i)), int(str(v)), n) for (i, v, _), n in zip(rows, notes, strict=True) if "\ufffd" not in n]


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_of_a_damaged_page_come_its_rows_or_an_error(
    tmp_path: Path, writer: Writer, whole: bytes, kind: str, seed: int
) -> None:
    chance = random.Random(f"{kind} {seed}")  # noqa: S311  (the same in every run)
    at = chance.randrange(len(whole) // PAGE) * PAGE
    page = DAMAGES[kind](chance, whole, whole[at : at + PAGE])
    (tmp_path / "source.db").write_bytes(whole[:at] + page + whole[at + PAGE :])
    node = EdgeNode(tmp_path, writer, limits=Limits(span_rows=100), page_size=PageSize(first_rows=20, rows=50))
    try:
        node.upload()
    except UploaderError:
        loaded = node.loaded("_row")
        assert loaded == list(range(1, len(loaded) + 1))
    else:
        found = sorted((r["id"], r["v"], r["note"]) for r in node.table.rows())
        assert found == held(writer, node.path)


@pytest.mark.parametrize("seed", range(6))
def test_of_a_damaged_page_no_row_comes_twice_in_the_order_of_times(tmp_path: Path, writer: Writer, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  (the same in every run)
    path = tmp_path / "source.db"
    key = ("image BLOB)", "image BLOB, PRIMARY KEY (ts, v)) WITHOUT ROWID")
    databases.execute(path, *(s.replace("INTEGER PRIMARY KEY", "INTEGER").replace(*key) for s in MADE))
    whole = path.read_bytes()
    at = chance.randrange(len(whole) // PAGE) * PAGE
    path.write_bytes(whole[:at] + misplaced(chance, whole, b"") + whole[at + PAGE :])
    node = EdgeNode(tmp_path, writer, limits=Limits(span_rows=100), page_size=PageSize(first_rows=20, rows=50))
    claims: list[Event] = []

    def tell(event: Event) -> None:
        claims.append(event)
        assert len(claims) < 40

    with node.started() as (pipeline, ports), suppress(UploaderError):
        whole_cycle(pipeline, ports, tell)
    assert len(node.loaded("v")) == len(set(node.loaded("v")))


@pytest.mark.parametrize(
    ("keys", "after", "up_to", "ordered"),
    [
        ([1, 2, 3], None, 3, True),
        ([7], 6, 7, True),
        ([-(2**63), 2**63 - 1], None, 2**63 - 1, True),
        ([-(2**63), 5, 4, 2**63 - 1], None, 2**63 - 1, False),
        ([1, 3, 2, 4], None, 4, False),
        ([1, 1, 3], None, 3, False),
        ([3, 2], None, 2, False),
        ([6, 7], 6, 7, False),
        ([7, 8], 6, 9, False),
        ([], 6, 9, False),
    ],
)
def test_rowids_are_in_order_when_each_is_greater_than_the_one_before(
    keys: list[int], after: int | None, up_to: int, *, ordered: bool
) -> None:
    assert in_order(Array(keys, DataType.int64()), after, up_to) is ordered


def test_times_are_within_the_range_that_was_asked_for() -> None:
    assert within(["2026-01-02", "2026-01-01"], "2026", "2026-01-02")
    assert not within(["2026-01-02", "2025-12-31"], "2026", "2026-01-02")
    assert not within(["2026-01-03"], "2026", "2026-01-02")
    assert not within([], "2026", "2026-01-02")
