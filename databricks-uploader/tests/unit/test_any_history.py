"""Whatever happens to a source table, each row that was there at an upload is in the target table once.

Not promised, and left out here: a row whose rowid was loaded, deleted (or taken away by a restored backup) and used
again inside the table, also that of a table made anew whose rows began after the cursor; a row of the same time and
rowid as one that a rollback took away; a row that was loaded, was gone from the end of a table without AUTOINCREMENT,
and came back with a restored backup. Where rowids are SQLite's own and VACUUM changed them, the uploader may stop and
ask.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from tests.support.cycles import whole_cycle
from tests.support.edge import EdgeNode
from tests.support.writer import Writer

from databricks_uploader.errors import StateError

KINDS = {
    "autoincrement": "id INTEGER PRIMARY KEY AUTOINCREMENT",
    "integer key": "id INTEGER PRIMARY KEY",
    "implicit rowid": "id INTEGER",
}


HAPPENS: Mapping[str, tuple[int, Mapping[str, st.SearchStrategy[Any]]]] = {
    "insert": (4, {"rows": st.integers(1, 12), "together": st.booleans()}),
    "insert_backdated": (1, {"back": st.integers(1, 50_000)}),
    "insert_with_a_rowid": (3, {"key": st.integers(-5, 60) | st.integers(-(2**63), 2**63 - 1)}),
    "delete": (3, {"fraction": st.floats(0, 1), "newest": st.booleans()}),
    "update": (1, {"value": st.integers(-9, -1)}),
    "change_the_schema": (1, {"name": st.sampled_from(["a", "b"])}),
    "vacuum": (2, {}),
    "back_up": (2, {}),
    "restore": (2, {}),
    "recreate": (1, {}),
    "crash": (
        1,
        {
            "port": st.sampled_from(
                [("spool", "write"), ("state", "claim"), ("destination", "load"), ("state", "commit")]
            ),
            "after": st.booleans(),
        },
    ),
    "upload": (5, {}),
}
"""What can happen, how often in comparison, and with what."""


class PowerCutError(Exception):
    """The uploader dies here."""


@dataclass
class Dying:
    """A port that dies before or after the n-th of its calls of one name."""

    port: Any
    call: str
    after: bool

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (stands for any port)
        found = getattr(self.port, name)
        if name != self.call:
            return found

        def dies(*arguments: object) -> None:
            if self.after:
                found(*arguments)
            raise PowerCutError

        return dies


class History(RuleBasedStateMachine):
    """A source table and its uploader; `must` is what has to be in the target table."""

    kind = "autoincrement"
    writer: Writer

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.node = EdgeNode(Path(self.folder.name), self.writer)
        self.must: set[int] = set()
        self.values = 0
        self.vacuumed = self.stopped = False
        self.seconds = 100_000
        self.used: set[int] = set()
        self.backed_up: dict[int, int] | None = None
        self.used_at_backup: set[int] = set()
        self.gone: set[int] = set()
        self._create()

    def _create(self) -> None:
        self.node.write(f"CREATE TABLE t ({KINDS[self.kind]}, ts TEXT, v INTEGER, note INTEGER)")

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            with self.folder:
                self.upload()

    def _insert(self, second: int, key: int | None = None, fraction: int | None = None) -> str:
        self.values += 1
        time = f"2026-01-{1 + second // 86_400:02}T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
        time += f".{self.values if fraction is None else fraction:06}Z"
        given = "NULL" if key is None else key
        return f"INSERT INTO t (id, ts, v) VALUES ({given}, '{time}', {self.values})"

    @rule(what=st.sampled_from([name for name, (times, _) in HAPPENS.items() for _ in range(times)]), data=st.data())
    def happens(self, what: str, data: st.DataObject) -> None:
        """One rule of them all: of several each history would have a few only."""
        if self.stopped:
            return
        _, strategies = HAPPENS[what]
        getattr(self, what)(**{name: data.draw(strategy, label=name) for name, strategy in strategies.items()})

    def insert(self, rows: int, *, together: bool) -> None:
        """Rows come with rowids of SQLite's choice, each later than all before, or all at one time."""
        inserts, fraction = [], self.values if together else None
        for number in range(rows):
            self.seconds += 0 if together and number else 1
            inserts.append(self._insert(self.seconds, fraction=fraction))
        self.node.write(*inserts)

    def insert_backdated(self, back: int) -> None:
        """A row comes with a time long past."""
        self.seconds += 1
        self.node.write(self._insert(self.seconds - back))

    def insert_with_a_rowid(self, key: int) -> None:
        """A row comes with a rowid that no loaded row had."""
        if self.kind == "autoincrement":
            key = min(key, 2**62)  # after the highest one SQLite gives none
        if self.kind != "implicit rowid" and key not in self._rows() and key not in self.used:
            self.seconds += 1
            self.node.write(self._insert(self.seconds, key))

    def delete(self, fraction: float, *, newest: bool) -> None:
        """The oldest or the newest rows are deleted."""
        order = "DESC" if newest else "ASC"
        ((rows,),) = self.writer.read(self.node.path, "SELECT count(*) FROM t")
        number = round(fraction * int(str(rows)))
        self.writer.write(
            self.node.path, f"DELETE FROM t WHERE rowid IN (SELECT rowid FROM t ORDER BY rowid {order} LIMIT {number})"
        )

    def update(self, value: int) -> None:
        """Rows are changed in another column than their time; what is loaded is what was read first."""
        self.node.write(f"UPDATE t SET note = {value} WHERE v % 2 = 0")

    def change_the_schema(self, name: str) -> None:
        self.node.write(f"DROP INDEX IF EXISTS {name}", f"CREATE INDEX {name} ON t (v)")

    def vacuum(self) -> None:
        self.vacuumed = True
        self.writer.alone(self.node.path, "VACUUM")

    def back_up(self) -> None:
        self.node.back_up()
        self.backed_up, self.used_at_backup = self._rows(), set(self.used)

    def restore(self) -> None:
        """An earlier copy takes the file's place, as it does after a power cut that lost the newest commits."""
        if self.backed_up is None or self.gone & {*self.backed_up.values()}:
            return
        self.node.restore()
        newest = max(self.backed_up, default=-(2**63))
        self.used = self.used_at_backup | {key for key in self.used if key < newest}

    def recreate(self) -> None:
        self.node.path.unlink()
        self.backed_up = None
        self._create()

    def crash(self, port: tuple[str, str], *, after: bool) -> None:
        name, call = port
        self._note()
        with self.node.started() as (pipeline, ports):
            dying = replace(ports, **{name: Dying(getattr(ports, name), call, after)})
            with suppress(PowerCutError, StateError):
                whole_cycle(pipeline, dying, lambda _: None)
        self.upload()

    def upload(self) -> None:
        if self.stopped:
            return
        self._note()
        with self.node.started() as (pipeline, ports):
            try:
                whole_cycle(pipeline, ports, lambda _: None)
            except StateError:
                assert self.kind == "implicit rowid"
                assert self.vacuumed
                loaded = [row["v"] for row in self.node.table.rows()]
                assert len(set(loaded)) == len(loaded)
                self.stopped = True
                return
        assert sorted(row["v"] for row in self.node.table.rows()) == sorted(self.must)

    def _note(self) -> None:
        rows = self._rows()
        if self.kind != "autoincrement":
            self.gone |= self.must - {*rows.values()}
        self.must |= {*rows.values()}
        self.used |= {*rows}

    def _rows(self) -> dict[int, int]:
        """Return what the source holds: rowid → value."""
        rows = self.writer.read(self.node.path, "SELECT rowid, v FROM t")
        return {int(str(key)): int(str(value)) for key, value in rows}


def play(kind: str, chosen: settings) -> None:
    with Writer() as writer:
        history = type("History", (History,), {"kind": kind, "writer": writer})
        run_state_machine_as_test(
            history, settings=settings(chosen, deadline=None, suppress_health_check=list(HealthCheck))
        )


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_that_was_there_at_an_upload_is_loaded_once(kind: str) -> None:
    play(kind, settings(max_examples=40, stateful_step_count=25, derandomize=True))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_each_row_that_was_there_at_an_upload_is_loaded_once_in_long_histories(kind: str) -> None:
    play(kind, settings(max_examples=60, stateful_step_count=50, database=None, print_blob=True))
