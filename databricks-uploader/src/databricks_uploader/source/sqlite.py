"""One table of a SQLite database, found and read in pages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from arro3.core import Array, DataType

from databricks_uploader.errors import ConfigError
from databricks_uploader.events import Notice, Tell
from databricks_uploader.model.gaps import LOWEST
from databricks_uploader.model.position import Position
from databricks_uploader.model.source import (
    SourceColumn,
    SourceTable,
    choose_table,
    configured_timestamp,
    telling_columns,
    timestamp_candidates,
)
from databricks_uploader.model.table import DeltaType, TableSchema
from databricks_uploader.model.witness import Values
from databricks_uploader.ports import Reading, TimedPage
from databricks_uploader.source import pages, plan
from databricks_uploader.source.by_time import Sweep
from databricks_uploader.source.connection import Connection, connect, identifier, quoted, text
from databricks_uploader.source.rows import Rows
from databricks_uploader.source.signature import Signature, signature
from databricks_uploader.source.typed import ARROW

_SAMPLE_ROWS = 100
_ROWID_NAMES = ("rowid", "oid", "_rowid_")


@dataclass
class SqliteSource:
    """The configured, or only, table of the database at `path`."""

    path: Path
    tell: Tell
    table_name: str | None = None
    timestamp_name: str | None = None
    page_size: pages.PageSize = field(default_factory=pages.PageSize)
    _asked: Signature | None = field(default=None, init=False)
    _read: Signature | None = field(default=None, init=False)

    def table(self) -> SourceTable:
        """Find the table. Raises ConfigError where it, or the database, is not there."""
        with connect(self.path, self.tell) as connection:
            kinds = _tables(connection)
            tables = [name for name, kind in kinds.items() if kind != "view" or self.table_name is not None]
            name = choose_table(self.table_name, tables, str(self.path))
            if name is None:
                raise _several(connection, tables, self.path)
            return _described(connection, name, kinds[name])

    def timestamp_column(self, table: SourceTable) -> str | None:
        """Choose the column that holds the rows' time by its name, type and a sample of values."""
        if self.timestamp_name is not None:
            chosen = configured_timestamp(table, self.timestamp_name)
            with connect(self.path, self.tell) as connection:
                if not _holds_times(connection, table, chosen):
                    raise ConfigError(
                        f"column {chosen!r} of table {table.name!r} does not hold ISO-8601 times",
                        hint="name another with --timestamp-col (timestamp_col in YAML)",
                    )
            return chosen
        with connect(self.path, self.tell) as connection:
            for candidate in timestamp_candidates(table):
                if _holds_times(connection, table, candidate):
                    self.tell(Notice(f"column {candidate!r} of {table.name!r} holds the rows' time"))
                    return candidate
                self.tell(Notice(f"column {candidate!r} of {table.name!r} does not hold ISO-8601 times: passed over"))
        self.tell(Notice(f"no column of {table.name!r} holds the rows' time"))
        return None

    def is_empty(self, table: SourceTable) -> bool:
        """Tell whether the table has no row."""
        with connect(self.path, self.tell) as connection:
            return not connection.rows(f"SELECT 1 FROM {quoted(table.name)} LIMIT 1")

    def oldest(self, table: SourceTable) -> int | None:
        """Return the lowest rowid; None where the table has no row."""
        with connect(self.path, self.tell) as connection:
            ((key,),) = connection.rows(f"SELECT min({plan.rowid(table)}) FROM {quoted(table.name)} t")
            return None if key is None else int(key)

    def row(
        self, table: SourceTable, key: int, columns: Sequence[str], timestamp_column: str | None
    ) -> tuple[Values, datetime | None]:
        """Return the witness values and the time of the row with that rowid; KeyError where there is no such row."""
        where = f"FROM {quoted(table.name)} t WHERE {plan.rowid(table)} = {key}"
        with connect(self.path, self.tell) as connection:

            def both() -> tuple[Values, datetime | None]:
                found = dict(pages.witness_values(connection, plan.witnessed(table, columns, where), at_most=1))
                times = connection.rows(f"SELECT {identifier(timestamp_column)} {where}") if timestamp_column else []
                return found[key], _parsed([times[0][0]])[0] if times else None

            return connection.consistent(both)

    def row_before(self, table: SourceTable, timestamp_column: str | None, time: datetime | None) -> int | None:
        """Return the rowid of the row before the first one of that time or later (None: of the newest row)."""
        key, source = plan.rowid(table), f"FROM {quoted(table.name)} t"
        with connect(self.path, self.tell) as connection:
            if time is None or timestamp_column is None:
                newest: int | None = connection.rows(f"SELECT max({key}) {source}")[0][0]
                return newest
            before = None
            while rows := connection.rows(
                f"SELECT {key}, {identifier(timestamp_column)} {source} "
                f"{'' if before is None else f'WHERE {key} > {before}'} ORDER BY {key} LIMIT {self.page_size.rows}"
            ):
                for (row, _), found in zip(rows, _parsed([text for _, text in rows]), strict=True):
                    if found is not None and found >= time:
                        return before
                    before = row
            return before

    def newest_first(self, table: SourceTable, columns: Sequence[str], at_most: int) -> Sequence[tuple[int, Values]]:
        """Return rowid and witness values of so many of the newest rows."""
        key, source = plan.rowid(table), f"FROM {quoted(table.name)} t"
        oldest = f"SELECT {key} {source} ORDER BY {key} DESC LIMIT 1 OFFSET {at_most - 1}"
        rows = f"{source} WHERE {key} >= coalesce(({oldest}), {LOWEST})"
        with connect(self.path, self.tell) as connection:
            select = plan.witnessed(table, columns, rows)
            return sorted(pages.witness_values(connection, select, at_most=at_most), reverse=True)

    def unchanged(self) -> bool:
        """Tell, without a query, whether nothing was committed since `nothing_new`; False where that is not sure."""
        self._asked = signature(self.path)
        return self._asked is not None and self._asked == self._read

    def nothing_new(self) -> None:
        """Keep in mind that all was read that was there when `unchanged` was asked last."""
        self._read = self._asked

    @contextmanager
    def reading(
        self, table: SourceTable, columns: TableSchema, position: Position, witnesses: Sequence[int]
    ) -> Iterator[Reading]:
        """Look at the table and read what is to be claimed next over one connection."""
        with connect(self.path, self.tell) as connection:
            rows = Rows(connection, table, columns, position.timestamp_column)
            reader = pages.Reader(rows, position.witness_columns, self.page_size)
            yield reader.reading(position.cursor, witnesses, position.gaps.ranges)

    @contextmanager
    def sweep(
        self, table: SourceTable, columns: TableSchema, position: Position, since: datetime | None
    ) -> Iterator[Iterator[TimedPage]]:
        """Read all rows of a time on, and some before, over one connection."""
        with connect(self.path, self.tell) as connection:
            rows = Rows(connection, table, columns, position.timestamp_column)
            (time,) = position.witness_columns
            yield Sweep(rows, time, telling_columns(table), self.page_size).pages(since)


def _tables(connection: Connection) -> dict[str, str]:
    """Return the user's own tables and views and what kind each is; not what extensions keep beside theirs."""
    listed = connection.rows(
        "SELECT name, CASE WHEN type = 'view' THEN type WHEN wr THEN 'without rowid' ELSE 'rowid' END "
        "FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view') "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    return dict(listed)


def _described(connection: Connection, name: str, kind: str) -> SourceTable:
    listed = connection.rows(
        f"SELECT name, type, pk FROM pragma_table_xinfo({text(name)}) WHERE hidden <> 1 ORDER BY cid"
    )
    columns = tuple(SourceColumn(column, declared) for column, declared, _ in listed)
    if kind != "rowid":
        key = [(number, column) for column, _, number in listed if number]
        return SourceTable(name, columns, None, tuple(column for _, column in sorted(key)))
    (autoincrement,) = connection.rows(
        f"SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = {text(name)} "
        "AND upper(sql) LIKE '%AUTOINCREMENT%' AND EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence')"
    )[0]
    return SourceTable(name, columns, _rowid(connection, name, columns), autoincrement=bool(autoincrement))


def _rowid(connection: Connection, name: str, columns: Sequence[SourceColumn]) -> str:
    """Return the name that reaches the rowid: its alias, an INTEGER PRIMARY KEY, or one that no column has.

    An INTEGER PRIMARY KEY that has an index is no alias; one declared DESC is such
    (https://sqlite.org/lang_createtable.html#rowid).
    """
    keys = connection.rows(
        f"SELECT name FROM pragma_table_xinfo({text(name)}) WHERE pk AND upper(type) = 'INTEGER' AND "
        f"(SELECT max(pk) FROM pragma_table_xinfo({text(name)})) = 1 AND "
        f"NOT EXISTS (SELECT 1 FROM pragma_index_list({text(name)}) WHERE origin = 'pk')"
    )
    if keys:
        return str(keys[0][0])
    taken = {column.name.lower() for column in columns}
    free = next((alias for alias in _ROWID_NAMES if alias not in taken), None)
    if free is None:
        raise ConfigError(
            f"the columns of {name!r} hide its rowid",
            hint=f"rename one of {', '.join(_ROWID_NAMES)} in the source",
        )
    return free


def _several(connection: Connection, tables: Sequence[str], path: Path) -> ConfigError:
    lines = []
    for name in tables:
        rows = connection.rows(f"SELECT count(*) FROM {quoted(name)}")[0][0]
        times = timestamp_candidates(_described(connection, name, "without rowid"))
        lines.append(f"  {name}: {rows:,} rows, {'time in ' + times[0] if times else 'no time column'}")
    return ConfigError(
        f"{len(tables)} tables in {path}:\n" + "\n".join(lines),
        hint="name one with --sqlite-table (sqlite_table_name in YAML)",
    )


def _holds_times(connection: Connection, table: SourceTable, column: str) -> bool:
    """Tell whether the newest values of the column parse; a column of NULLs is taken by its name."""
    newest = f"ORDER BY {identifier(table.rowid or column)} DESC LIMIT {_SAMPLE_ROWS}"
    sample = connection.rows(f"SELECT {identifier(column)} FROM {quoted(table.name)} t {newest}")
    values = [row[0] for row in sample if row[0] is not None]
    return all(isinstance(v, str) for v in values) and None not in _parsed(values)


def _parsed(values: list[str | None]) -> list[datetime | None]:
    return list(Array(values, DataType.utf8()).cast(ARROW[DeltaType.TIMESTAMP]).to_pylist())
