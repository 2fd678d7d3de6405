"""Aggregated rows in a workspace: MERGE that replaces rows of windows, from staged files or from literals.

https://docs.databricks.com/sql/language-manual/delta-merge-into. A statement that is sent again, late or by a copy of
us changes nothing: a row is replaced only by a newer computation.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from databricks_uploader.destinations.databricks import statements
from databricks_uploader.destinations.databricks.by_merge import ByMerge
from databricks_uploader.destinations.databricks.by_volume import ByVolume
from databricks_uploader.destinations.databricks.rows import pieces
from databricks_uploader.destinations.databricks.staging import name_of
from databricks_uploader.destinations.databricks.target import Statements, WorkspaceTable
from databricks_uploader.destinations.databricks.volume import Volume
from databricks_uploader.errors import TransientError
from databricks_uploader.model.claim import Claim, Head, Identity
from databricks_uploader.model.table import DeltaType, TableSchema
from databricks_uploader.model.upsert import BATCH, Upsert, newer
from databricks_uploader.model.workspace import Workspace, quoted
from databricks_uploader.ports import LastRow

_MOST_FILES = 100
"""Files of one statement, which names each in its text as a query of its own."""


class WindowsByVolume(ByVolume):
    """The table of `identity`, whose rows `keys` tell apart, merged from files of `volume`."""

    def __init__(  # noqa: PLR0913  (those of its parent, and the keys)
        self,
        connect: Callable[[], Statements],
        workspace: Workspace,
        identity: Identity,
        volume: Volume,
        *,
        keys: Sequence[str],
        retention_s: float,
        create_tables: bool,
    ) -> None:
        super().__init__(connect, workspace, identity, volume, retention_s=retention_s, create_tables=create_tables)
        self._keys = tuple(keys)

    def last_row(self, head: Head, timestamp_column: str | None) -> LastRow | None:
        """Return None: no row is one of the source."""
        del head, timestamp_column
        return None

    def load(self, claims: Sequence[Claim]) -> None:
        """Merge all files, of each key the newest row; as few statements as may be, in the order of the claims."""
        self._see_staged(claims)
        for first in range(0, len(claims), _MOST_FILES):
            some = claims[first : first + _MOST_FILES]
            upsert = Upsert.into(_schema(self), self._keys, some)
            files = [f"{self._volume.folder}/{name_of(claim)}" for claim in some]
            statement = upsert_statement(self._name, newest_of(files, upsert), upsert, bounds(some, upsert))
            self._statements().execute(statement)
            self._finished |= {claim.batch_id for claim in some}

    def windows_between(self, columns: Sequence[str], low: datetime, high: datetime) -> set[tuple[int, ...]]:
        """Return what the columns of time hold (µs, or an hour's number) in rows from `low` to `high` by the first."""
        return _windows(self, columns, low, high)


class WindowsByMerge(ByMerge):
    """The table of `identity`, whose rows `keys` tell apart, merged from literals."""

    def __init__(
        self,
        connect: Callable[[], Statements],
        workspace: Workspace,
        identity: Identity,
        *,
        keys: Sequence[str],
        create_tables: bool,
    ) -> None:
        super().__init__(connect, workspace, identity, key=(), create_tables=create_tables)
        self._keys = tuple(keys)
        self._finished: set[int] = set()

    def last_row(self, head: Head, timestamp_column: str | None) -> LastRow | None:
        """Return None: no row is one of the source."""
        del head, timestamp_column
        return None

    def load(self, claims: Sequence[Claim]) -> None:
        """Merge claim by claim, statement by statement."""
        for claim in claims:
            upsert = Upsert.into(_schema(self), self._keys, [claim])
            for rows in pieces(self._files[claim.sequence], upsert.columns):
                statement = upsert_statement(self._name, rows.query, upsert, bounds([claim], upsert))
                self._statements().execute(statement)
            self._finished.add(claim.batch_id)

    def prove(self, claims: Sequence[Claim]) -> None:
        """See that each claim's statements have finished in this process: they may be sent again."""
        missing = next((claim for claim in claims if claim.batch_id not in self._finished), None)
        if missing is not None:
            raise TransientError(f"claim {missing.sequence} is not known to be loaded", hint="it is loaded again")

    def windows_between(self, columns: Sequence[str], low: datetime, high: datetime) -> set[tuple[int, ...]]:
        """Return what the columns of time hold (µs, or an hour's number) in rows from `low` to `high` by the first."""
        return _windows(self, columns, low, high)


def upsert_statement(target: str, rows: str, upsert: Upsert, within: Sequence[str]) -> str:
    """Put each of the rows `s` into the table `t`: in the place of the one with its keys where it is newer.

    `within` are bounds of `t` that hold for all rows that may be replaced, by which files are skipped.
    """
    names = [quoted(column.name) for column in upsert.columns]
    same = " AND ".join([*within, *(f"t.{quoted(key)} <=> s.{quoted(key)}" for key in upsert.keys)])
    guard = f" AND {newer('t', 's', '`', 'shiftright({}, {})')}" if upsert.guarded else ""
    return (
        f"MERGE INTO {target} AS t USING ({rows}) AS s ON {same} "
        f"WHEN MATCHED{guard} THEN UPDATE SET {', '.join(f't.{name} = s.{name}' for name in names)} "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({', '.join(f's.{name}' for name in names)})"
    )


def newest_of(files: Sequence[str], upsert: Upsert) -> str:
    """Return the query of the rows of files with the table's exact types, of each key that of the newest claim."""
    chosen = ", ".join(f"CAST({quoted(c.name)} AS {c.sql_type}) AS {quoted(c.name)}" for c in upsert.columns)
    parts = [f"SELECT {chosen}, {quoted(BATCH)} AS `_claimed` FROM parquet.{quoted(file)}" for file in files]
    keys = ", ".join(quoted(key) for key in upsert.keys)
    ranked = f"SELECT *, row_number() OVER (PARTITION BY {keys} ORDER BY `_claimed` DESC) AS `_newest`"
    names = ", ".join(quoted(column.name) for column in upsert.columns)
    return f"SELECT {names} FROM ({ranked} FROM ({' UNION ALL '.join(parts)})) WHERE `_newest` = 1"


def bounds(claims: Sequence[Claim], upsert: Upsert) -> list[str]:
    """Return the bounds of the first key of time, as statistics of the claims' files have them."""
    for column in upsert.columns:
        found = [claim.statistics.get(column.name, (None, None, 0)) for claim in claims]
        if column.type == DeltaType.TIMESTAMP and column.name in upsert.keys and all(f[0] and f[1] for f in found):
            low, high = min(str(f[0]) for f in found), max(str(f[1]) for f in found)
            texts = [f"CAST({statements.text(bound)} AS TIMESTAMP)" for bound in (low, high)]
            return [f"t.{quoted(column.name)} BETWEEN {texts[0]} AND {texts[1]}"]
    return []


def _schema(table: WorkspaceTable) -> TableSchema:
    seen = table._seen or table.table()  # noqa: SLF001  (of this room)
    if seen is None:
        raise TransientError("the table has just gone", hint="it is looked at again")
    return seen.schema


def _windows(table: WorkspaceTable, columns: Sequence[str], low: datetime, high: datetime) -> set[tuple[int, ...]]:
    schema = _schema(table)
    first = quoted(columns[0])
    chosen = []
    for number, name in enumerate(columns):
        column = schema.get(name)
        timed = column is not None and column.type == DeltaType.TIMESTAMP
        value = f"unix_micros({quoted(name)})" if timed else f"CAST({quoted(name)} AS BIGINT)"
        chosen.append(f"{value} AS w{number}")
    texts = [f"CAST({statements.text(time.isoformat(timespec='microseconds'))} AS TIMESTAMP)" for time in (low, high)]
    asked = f"SELECT DISTINCT {', '.join(chosen)} FROM {table._name} WHERE {first} BETWEEN {texts[0]} AND {texts[1]}"  # noqa: SLF001
    rows = table._statements().query(asked)  # noqa: SLF001
    return {tuple(row[f"w{number}"] for number in range(len(columns))) for row in rows}
