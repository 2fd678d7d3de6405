"""The SELECTs of one table: what is looked at, and what a page is made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from databricks_uploader.model.gaps import LOWEST, Range
from databricks_uploader.model.quarantine import RawValue, Undecodable
from databricks_uploader.model.source import SourceColumn, SourceTable, telling_columns
from databricks_uploader.model.witness import WITNESSED_TEXT, Values
from databricks_uploader.source.connection import identifier, quoted, text
from databricks_uploader.source.typed import Way

_VERSION = "(SELECT schema_version FROM pragma_schema_version) = {}"
MOST_EXPRESSIONS = 1_500
"""In one SELECT; SQLite takes 2,000 (https://sqlite.org/limits.html)."""


@dataclass(frozen=True)
class Plan:
    """What is asked of one table."""

    table: SourceTable
    ways: tuple[Way, ...]

    @cached_property
    def key(self) -> str:
        """The rowid, as an expression; NULL where there is none."""
        return rowid(self.table)

    @property
    def source(self) -> str:
        """The FROM of the table, called t."""
        return f"FROM {quoted(self.table.name)} t"

    def selected(self, ways: Sequence[Way]) -> Mapping[str, str]:
        """Return expressions of a page, each with a literal of its type: the key, columns, what the driver hides."""
        guards = {way.guard: "0" for way in ways if way.guard is not None}
        return {self.key: "0"} | {way.expression: way.literal for way in ways} | guards

    def end(self, after: int | None, limit: int, same: str = "1", most: int | None = None) -> str:
        """Select the last of the next `limit` rowids, NULL where there are fewer; the last of all; and `same`.

        `most`: the rowid that all are to be up to.
        """
        where = f"WHERE {self.key} >= {LOWEST}" if after is None else f"WHERE {self.key} > {after}"
        where += "" if most is None else f" AND {self.key} <= {most}"
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

    def pages(self, selected: Mapping[str, str], rows: str) -> Iterator[str]:
        """Select rows behind a first row of literals, without which a column that is all NULL would be typed INT64.

        No ORDER BY where one SELECT will do: under a UNION it would copy each row once more (15 % of the time).
        """
        several = len(selected) > MOST_EXPRESSIONS
        expressions = iter(selected.items())
        while part := dict(islice(expressions, MOST_EXPRESSIONS)):
            literals, values = ", ".join(part.values()), ", ".join(part)
            if several:
                yield f"SELECT {literals} UNION ALL SELECT * FROM (SELECT {values} {rows} ORDER BY {self._order})"
            else:
                yield f"SELECT {literals} UNION ALL SELECT {values} {rows}"

    def sizes(self, rows: str, order: str) -> str:
        """Select `order` and the bytes of rows, which are known without reading them."""
        values = [identifier(c.name) for c in self.table.columns]
        size = _sum([f"CASE WHEN typeof({v}) IN ('text', 'blob') THEN octet_length({v}) ELSE 8 END" for v in values])
        return f"SELECT {order}, {size} {rows}"

    def late(self, gaps: Sequence[Range], limit: int) -> str:
        """Select rowids of rows that came into gaps."""
        return (
            f"SELECT {self.key} FROM {_values('gap', gaps)} CROSS JOIN {self._t} "
            f"WHERE {self.key} BETWEEN gap.column1 AND gap.column2 LIMIT {limit}"
        )

    @property
    def _order(self) -> str:
        return ", ".join(identifier(name) for name in telling_columns(self.table))

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


ORDINAL = "#"
"""The name of the column that counts rows which are given."""


def given(table: SourceTable, rows: Sequence[Sequence[RawValue]], *, utf8: bool) -> str:
    """Return a FROM of given rows, with the table's columns and `ORDINAL`, for a database in UTF-8 or UTF-16."""
    names = [ORDINAL, *(column.name for column in table.columns)]
    named = ", ".join(f"column{i} AS {quoted(name)}" for i, name in enumerate(names, start=1))
    values = (", ".join(_given(value, utf8=utf8) for value in (i, *row)) for i, row in enumerate(rows))
    return f"FROM (SELECT {named} FROM (VALUES {', '.join(f'({each})' for each in values)})) t"


def _given(value: RawValue, *, utf8: bool) -> str:
    if isinstance(value, str):
        return f"CAST(x'{value.encode('utf-8' if utf8 else 'utf-16-le').hex()}' AS TEXT)"
    return f"CAST(x'{value.data.hex()}' AS TEXT)" if isinstance(value, Undecodable) else _literal(value)


def value_forms(column: SourceColumn) -> tuple[Mapping[str, str], str]:
    """Return what tells a value of a column exactly, each expression with a literal of its type; and its text.

    They are its storage class, the value in that of four columns which is of its class, and SQLite's text of a number.
    """
    c = identifier(column.name)
    forms = {f"typeof({c})": "''"}
    for kind, literal in (("integer", "0"), ("real", "0.0"), ("text", "''"), ("blob", "x''")):
        forms[f"CASE typeof({c}) WHEN '{kind}' THEN {c} END"] = literal
    return forms, f"CASE WHEN typeof({c}) IN ('integer', 'real') THEN CAST({c} AS TEXT) END"


def witness_forms(table: SourceTable, name: str) -> Mapping[str, str]:
    """Return three columns, one of which holds a source column's witness value, each with a literal of its type."""
    c = expression(table, name)
    return {
        f"CASE WHEN typeof({c}) IN ('text', 'blob') THEN {_beginning(c)} END": "x''",
        f"CASE typeof({c}) WHEN 'integer' THEN {c} END": "0",
        f"CASE typeof({c}) WHEN 'real' THEN {c} END": "0.0",
    }


def witnessed(table: SourceTable, columns: Sequence[str], rows: str) -> str:
    """Select rowid and witness values of rows, each value in the one of three columns that is of its class.

    The first row is one of literals: it types the columns, whatever the table holds.
    """
    forms = [pair for name in columns for pair in witness_forms(table, name).items()]
    literals = "".join(f", {literal}" for _, literal in forms)
    values = "".join(f", {form}" for form, _ in forms)
    return f"SELECT 0{literals} UNION ALL SELECT {rowid(table)}{values} {rows}"


def still(table: SourceTable, columns: Sequence[str], key: int, values: Values) -> str:
    """Tell in SQL whether a row has its witness values still; NULL where it is gone."""
    there = zip((expression(table, name) for name in columns), values, strict=True)
    version = [] if table.schema_version is None else [_VERSION.format(table.schema_version)]
    same = version + [f"{_beginning(c) if isinstance(v, bytes) else c} IS {_literal(v)}" for c, v in there]
    return f"(SELECT {' AND '.join(same) or '1'} FROM {quoted(table.name)} t WHERE {rowid(table)} = {key})"


def expression(table: SourceTable, name: str) -> str:
    """Return how witnesses see a source column (or the rowid): one without a type as text."""
    column = table.get(name)
    undeclared = column is not None and not column.declared
    return f"CAST({identifier(name)} AS TEXT)" if undeclared else identifier(name)


def _sum(terms: Sequence[str]) -> str:
    """Add terms in a tree, whose depth SQLite limits."""
    if len(terms) < 3:  # noqa: PLR2004  (a pair)
        return " + ".join(terms)
    half = len(terms) // 2
    return f"({_sum(terms[:half])}) + ({_sum(terms[half:])})"


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
