"""Writers at full speed beside us, with a busy timeout of 100 ms: counts and sizes, no times.

The reader writes the whole table to spool files over and over, as it would with an endless backlog. What four
writers do to each other varies by itself; `benchmarks/writers.py` prints the figures.
"""

from pathlib import Path

import pytest
from tests.support import writers

ROWS = 100_000


def written(folder: Path, mode: str, writers_: int, commits: int, reader: str | None) -> writers.Written:
    database = folder / f"{reader}.db"
    writers.make(database, mode, ROWS)
    return writers.write(database, writers_, commits, reader)


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_one_writer_never_meets_our_lock(tmp_path: Path, mode: str) -> None:
    met = written(tmp_path, mode, 1, 3_000, "pages")
    assert (met.commits, met.busy) == (3_000, 0)


def test_four_writers_with_a_log_are_not_kept_out_by_us_and_their_log_stays_small(tmp_path: Path) -> None:
    alone, beside = (written(tmp_path, "WAL", 4, 4_000, reader) for reader in (None, "pages"))
    assert alone.commits == beside.commits == 16_000
    assert beside.busy <= alone.busy + 16, "a thousandth of all commits"
    assert beside.largest_log <= 8 * alone.largest_log, "1 to 3 times; 15 times beside a reader of whole spans"


def test_four_writers_with_a_journal_are_kept_out_by_each_other_and_not_by_us(tmp_path: Path) -> None:
    alone, beside = (written(tmp_path, "DELETE", 4, 4_000, reader) for reader in (None, "pages"))
    assert alone.commits == beside.commits == 16_000
    assert beside.busy <= 2 * alone.busy + 16, "1 to 1.6 times; 20 times beside a reader of whole spans"
