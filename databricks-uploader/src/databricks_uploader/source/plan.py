"""The SELECTs of one table with rowids: what is looked at, and what a page is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from databricks_uploader.model.gaps import LOWEST, Range
from databricks_uploader.model.source import SourceColumn, SourceTable
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.witness import WITNESSED_TEXT, Values
from databricks_uploader.source.connection import identifier, quoted, text
from databricks_uploader.source.typed import WAYS, Way


@dataclass(frozen=True)
class Wanted:
    """One column: its SQL expression in the source, its name at the target, its way."""

    expression: str
    name: str
    type: str
    way: Way


@dataclass(frozen=True)
class Plan:
    """What is asked of one table."""

    table: SourceTable
    wanted: tuple[Wanted, ...]

    @classmethod
    def of(cls, table: SourceTable, columns: TableSchema) -> "Plan":
        """Plan to read columns of these names, each by the way of its type at the target."""
        sources = {c.name: table.get(c.name) for c in columns.columns}
        return cls(table, tuple(
            Wanted(_expression(source), c.name, c.type, WAYS[c.type])
            for c in columns.columns if (source := sources[c.name]) is not None
        ))  # fmt: skip

    @cached_property
    def key(self) -> str:
        """The rowid, as an expression; NULL where there is none."""
        return rowid(self.table)

    def expression(self, name: str) -> str:
        """Return what a page selects for the source column (or rowid) of that name."""
        column = self.table.get(name)
        return identifier(name) if column is None else _expression(column)

    @property
    def source(self) -> str:
        """The FROM of the table, called t."""
        return f"FROM {quoted(self.table.name)} t"

    @cached_property
    def selected(self) -> Mapping[str, str]:
        """The expressions of a page, each with a literal of its type: the columns, the key, what the driver hides."""
        hidden = " OR ".join(unfit(w) for w in self.wanted if w.way.hidden)
        columns = {w.expression: w.way.literal for w in self.wanted}
        return columns | {self.key: "0"} | ({hidden: "0"} if hidden else {})

    def end(self, after: int | None, limit: int, same: str = "1") -> str:
        """Select the last of the next `limit` rowids, NULL where there are fewer; the last of all; and `same`."""
        where = f"WHERE {self.key} >= {LOWEST}" if after is None else f"WHERE {self.key} > {after}"
        full = f"SELECT {self.key} {self.source} {where} ORDER BY {self.key} LIMIT 1 OFFSET {limit - 1}"
        return f"SELECT ({full}), (SELECT max({self.key}) {self.source} {where}), {same}"

    def following(self, after: int | None, up_to: int) -> str:
        """Name the rows after `after` up to `up_to`: FROM and WHERE, in the order of a range of rowids."""
        lower = "" if after is None else f"{self.key} > {after} AND "
        return f"{self.source} WHERE {lower}{self.key} <= {up_to}"

    def named(self, keys: Sequence[int]) -> str:
        """Name the rows with these rowids: FROM and WHERE."""
        return (
            f"FROM {_values('named', [(key,) for key in keys])} CROSS JOIN {self._t} WHERE {self.key} = named.column1"
        )

    def page(self, rows: str) -> str:
        """Select rows behind a first row of literals, without which a column that is all NULL would be typed INT64.

        No ORDER BY and LIMIT: under a UNION they would copy each row once more (15 % of the time).
        """
        literals, values = ", ".join(self.selected.values()), ", ".join(self.selected)
        return f"SELECT {literals} UNION ALL SELECT {values} {rows}"

    def odd(self, column: Wanted, rows: str) -> str:
        """Select key and storage class of one of the rows whose value is of a class that does not fit."""
        return f"SELECT {self.key}, typeof({column.expression}) {rows} AND {unfit(column)} LIMIT 1"

    def late(self, gaps: Sequence[Range], limit: int) -> str:
        """Select rowids of rows that came into gaps."""
        return (
            f"SELECT {self.key} FROM {_values('gap', gaps)} CROSS JOIN {self._t} "
            f"WHERE {self.key} BETWEEN gap.column1 AND gap.column2 LIMIT {limit}"
        )

    @property
    def _t(self) -> str:
        return f"{quoted(self.table.name)} t"


def rowid(table: SourceTable) -> str:
    """Return the rowid as an expression; NULL where there is none."""
    return "NULL" if table.rowid is None else identifier(table.rowid)


def ids(table: SourceTable) -> str:
    """Select the lowest rowid, the AUTOINCREMENT counter (NULL without) and the schema version."""
    counter = f"(SELECT seq FROM sqlite_sequence WHERE name = {text(table.name)})" if table.autoincrement else "NULL"
    oldest = f"(SELECT min({rowid(table)}) FROM {quoted(table.name)} t)"
    return f"SELECT {oldest}, {counter}, (SELECT schema_version FROM pragma_schema_version)"


def witnessed(table: SourceTable, columns: Sequence[str], rows: str) -> str:
    """Select rowid and witness values of rows, each value in the one of three columns that is of its class.

    The first row is one of literals: it types the columns, whatever the table holds.
    """
    three = ", ".join(
        f"CASE WHEN typeof({c}) IN ('text', 'blob') THEN {_beginning(c)} END, "
        f"CASE typeof({c}) WHEN 'integer' THEN {c} END, CASE typeof({c}) WHEN 'real' THEN {c} END"
        for c in _expressions(table, columns)
    )
    literals = "".join(", x'', 0, 0.0" for _ in columns)
    return f"SELECT 0{literals} UNION ALL SELECT {rowid(table)}{', ' if three else ''}{three} {rows}"


def still(table: SourceTable, columns: Sequence[str], key: int, values: Values) -> str:
    """Tell in SQL whether a row has its witness values still; NULL where it is gone."""
    there = zip(_expressions(table, columns), values, strict=True)
    same = [f"{_beginning(c) if isinstance(v, bytes) else c} IS {_literal(v)}" for c, v in there]
    return f"(SELECT {' AND '.join(same) or '1'} FROM {quoted(table.name)} t WHERE {rowid(table)} = {key})"


def unfit(column: Wanted) -> str:
    """Tell in SQL whether a value is of another storage class than its column's."""
    return f"typeof({column.expression}) NOT IN ('null', '{column.way.storage_class}')"


def _expression(column: SourceColumn) -> str:
    return identifier(column.name) if column.declared else f"CAST({identifier(column.name)} AS TEXT)"


def _expressions(table: SourceTable, columns: Sequence[str]) -> Sequence[str]:
    return [_expression(table.get(name) or SourceColumn(name, "")) for name in columns]


def _beginning(expression: str) -> str:
    return f"CAST(substr({expression}, 1, {WITNESSED_TEXT}) AS BLOB)"


def _literal(value: bytes | int | float | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return repr(value).replace("inf", "9e999")


def _values(name: str, rows: Sequence[tuple[int, ...]]) -> str:
    return f"(VALUES {', '.join(str(row).replace(',)', ')') for row in rows)}) {name}"
