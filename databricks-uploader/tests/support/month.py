"""A month of a source at random, and the one SQL query that tells what is to be in the table of its windows.

Whatever a source ever held is in a ledger, each row with the first and the last of the source's lives that had it: one
ends where the file is made anew, or where an earlier copy takes its place.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime, timedelta
from random import Random

from tests.support.edge import EdgeNode, PowerCut, PowerIsCutError
from tests.support.fakes import START

from databricks_uploader.model.aggregation import AggregateStep, Aggregation, Function
from databricks_uploader.state.store import Store

STEP = AggregateStep(
    ("site", "hour"),
    (
        Aggregation(column="rows", function=Function.COUNT),
        Aggregation(column="v", function=Function.SUM),
        Aggregation(column="v", function=Function.AVG),
        Aggregation(column="v", function=Function.MAX),
    ),
    allowed_lateness=timedelta(minutes=15),
)
TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, ts TEXT, site TEXT, v INTEGER)"
Group = tuple[str, str, int, int, float, int]
"""Site, hour, and the values of the step."""
_LEDGER = """
CREATE TABLE ledger (ts TEXT, site TEXT, v INTEGER, first_life INTEGER, last_life INTEGER);
CREATE TABLE life (life INTEGER PRIMARY KEY, closed TEXT);
"""
TRUTH = """
WITH t AS (SELECT *, substr(ts, 1, 13) AS hour FROM ledger),
     window AS (SELECT hour, min(last_life) AS life FROM t GROUP BY hour)
SELECT site, hour, count(*), sum(v), avg(v), max(v)
FROM t JOIN window USING (hour) JOIN life USING (life)
WHERE life BETWEEN first_life AND last_life AND hour <= closed
GROUP BY site, hour ORDER BY site, hour
"""
"""A window is of the first life that took rows of it away, if it was closed by then; `closed` is the last that was."""


class Month:
    """A month until now, in which rows are inserted into a source, uploads end at any call, and lives end."""

    def __init__(self, node: EdgeNode, chance: Random, ledger: sqlite3.Connection) -> None:
        self.node, self.chance, self.ledger = node, chance, ledger
        self.time, self.life = START - timedelta(days=30), 1
        self.backed_up: int | None = None
        self.ledger.executescript(_LEDGER)

    def insert(self, rows: int) -> None:
        """Rows come, every fourth or so late, by up to twenty days."""
        value, times = self.chance.randint(-50, 50), []
        for _ in range(rows):
            self.time = min(self.time + timedelta(seconds=self.chance.randint(0, 7_000)), START + timedelta(hours=2))
            back = self.chance.choice([0, 0, 0, 600, 86_400 * self.chance.randint(0, 20)])
            times.append(self.time - timedelta(seconds=back))
        rows_of = [
            (f"{time:%Y-%m-%d %H:%M:%S}", "ab"[time.second % 2], value + number) for number, time in enumerate(times)
        ]
        self.node.write(*(f"INSERT INTO t (ts, site, v) VALUES ('{ts}', '{site}', {v})" for ts, site, v in rows_of))
        self.ledger.executemany("INSERT INTO ledger VALUES (?, ?, ?, ?, 9999)", [(*row, self.life) for row in rows_of])

    def end_at_a_call(self) -> None:
        with suppress(PowerIsCutError):
            self.node.upload(cut=PowerCut(self.chance.randint(1, 12), before=self.chance.random() < 0.5))

    def back_up(self) -> None:
        self.node.back_up()
        ((self.backed_up,),) = self.ledger.execute("SELECT max(rowid) FROM ledger")

    def restore(self) -> None:
        """An earlier copy takes the file's place."""
        if self.backed_up is not None:
            self.node.restore()
            self._end_life(self.backed_up)

    def recreate(self) -> None:
        """The file is made anew."""
        self.node.path.unlink()
        self.node.write(TABLE)
        self.backed_up = None
        self._end_life(0)

    def groups(self) -> list[Group]:
        """Return what is to be in the table."""
        self.ledger.execute("REPLACE INTO life VALUES (9999, ?)", [self._closed()])
        return self.ledger.execute(TRUTH).fetchall()

    def check_counts(self) -> None:
        """See every row accounted for."""
        with Store.open(self.node.state) as store:
            (summary,) = store.summaries()
        ((rows,),) = self.ledger.execute("SELECT count(*) FROM ledger")
        assert rows == summary.rows_loaded + summary.waiting + summary.quarantined + summary.lost

    def _end_life(self, kept: int) -> None:
        self.ledger.execute("INSERT INTO life VALUES (?, ?)", [self.life, self._closed()])
        self.ledger.execute("UPDATE ledger SET last_life = ? WHERE last_life = 9999 AND rowid > ?", [self.life, kept])
        self.life += 1

    def _closed(self) -> str:
        ((newest,),) = self.ledger.execute("SELECT coalesce(max(ts), '') FROM ledger")
        reached = max(f"{self.node.clock.now():%Y-%m-%d %H:%M:%S}", newest)
        return f"{datetime.fromisoformat(reached) - timedelta(hours=1) - STEP.allowed_lateness:%Y-%m-%d %H}"


def play(node: EdgeNode, seed: int, rounds: int, shown: Callable[[], list[Group]]) -> None:
    """Let a month pass, and see again and again that the table shows what the query gives."""
    chance = Random(seed)  # noqa: S311  (no secret)
    with closing(sqlite3.connect(":memory:")) as ledger:
        month = Month(node, chance, ledger)

        def check() -> None:
            node.upload()
            assert shown() == month.groups()
            month.check_counts()

        for _ in range(rounds):
            month.insert(chance.randint(1, 40))
            if chance.random() < 0.7:
                month.end_at_a_call()
            what = chance.choice([None, None, check, month.back_up, month.restore, month.recreate])
            if what is not None:
                check()
                what()
        node.clock.waited_s.append(86_400)
        check()
