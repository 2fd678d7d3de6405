"""The source as values: its tables and columns, and the choice of table and timestamp column."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from databricks_uploader.errors import ConfigError

TIMESTAMP_NAMES = (
    "timestamp", "ts", "datetime", "date", "time", "created_at", "event_time", "event_timestamp", "recorded_at",
    "measurementtime", "updated_at", "last_updated_ts",
)  # fmt: skip
_TIME_TYPES = ("DATE", "DATETIME", "TIMESTAMP")


class Affinity(StrEnum):
    """What SQLite turns values into as they are stored (https://sqlite.org/datatype3.html, 3.1)."""

    INTEGER = "INTEGER"
    TEXT = "TEXT"
    NONE = "BLOB"
    REAL = "REAL"
    NUMERIC = "NUMERIC"


_AFFINITIES = (
    (("INT",), Affinity.INTEGER),
    (("CHAR", "CLOB", "TEXT"), Affinity.TEXT),
    (("BLOB",), Affinity.NONE),
    (("REAL", "FLOA", "DOUB"), Affinity.REAL),
)
"""Words in a declared type and the affinity that they give, in SQLite's order; NUMERIC where there is none."""


@dataclass(frozen=True)
class SourceColumn:
    """A column of a source table; `declared` is its declared type as written, '' where there is none."""

    name: str
    declared: str

    @property
    def time_type(self) -> bool:
        """Whether the declared type, without its arguments, says that the column holds times."""
        return self.declared.upper().split("(")[0].strip() in _TIME_TYPES

    @property
    def affinity(self) -> Affinity:
        """The column's affinity, by its declared type."""
        if not self.declared:
            return Affinity.NONE
        declared = self.declared.upper()
        return next((a for words, a in _AFFINITIES if any(w in declared for w in words)), Affinity.NUMERIC)


@dataclass(frozen=True)
class SourceTable:
    """A table of the source."""

    name: str
    columns: tuple[SourceColumn, ...]
    rowid: str | None
    """The name that reaches the rowid: a column's where one is its alias; None where there are no rowids."""
    key: tuple[str, ...] = ()
    """The columns of the primary key of a table without rowids; none in a view."""
    autoincrement: bool = False
    """Whether a rowid is never given twice."""
    schema_version: int | None = None
    """The database's schema version when the table was looked at; None where that doesn't matter."""

    @property
    def renumbered_by_vacuum(self) -> bool:
        """Whether VACUUM may change rowids: where no column is their alias."""
        return self.rowid is not None and self.get(self.rowid) is None

    def get(self, name: str) -> SourceColumn | None:
        """Return the column of that name, compared without case as SQLite does."""
        return next((c for c in self.columns if c.name.lower() == name.lower()), None)


def choose_table(configured: str | None, tables: Sequence[str], where: str) -> str | None:
    """Return the name of the table to read, as the database spells it; None where only a person can choose.

    Raises ConfigError where there is no table, or none of the configured name.
    """
    if configured is not None:
        named = next((t for t in tables if t.lower() == configured.lower()), None)
        if named is None:
            raise ConfigError(f"no table {configured!r} in {where}", hint=_nearest(configured, tables, "tables"))
        return named
    if not tables:
        raise ConfigError(f"no table in {where}", hint="is it the right file, and has its writer started?")
    return tables[0] if len(tables) == 1 else None


def timestamp_candidates(table: SourceTable) -> list[str]:
    """Return the columns that may hold the rows' time, the likeliest first."""
    by_name = [c.name for n in TIMESTAMP_NAMES for c in table.columns if c.name.lower() == n]
    declared = [c.name for c in table.columns if c.time_type]
    return by_name or (declared if len(declared) == 1 else [])


def configured_timestamp(table: SourceTable, name: str) -> str:
    """Return the configured timestamp column as the table spells it; ConfigError where it is not there."""
    column = table.get(name)
    if column is None:
        names = [c.name for c in table.columns]
        raise ConfigError(f"no column {name!r} in table {table.name!r}", hint=_nearest(name, names, "columns"))
    return column.name


def loaded_key(table: SourceTable) -> tuple[str, ...]:
    """Return the columns that no two rows of the table agree in: its rowid's alias, or its primary key, or none."""
    if table.rowid is None:
        return table.key
    alias = table.get(table.rowid)
    return () if alias is None else (alias.name,)


def telling_columns(table: SourceTable) -> tuple[str, ...]:
    """Return the columns that tell rows of one time apart: the rowid, the primary key, or all."""
    return (table.rowid,) if table.rowid is not None else table.key or tuple(c.name for c in table.columns)


def witness_columns(table: SourceTable, timestamp_column: str | None) -> tuple[str, ...]:
    """Return the columns that tell a row from another with its rowid: its time; else the first sixteen."""
    return (timestamp_column,) if timestamp_column is not None else tuple(c.name for c in table.columns)[:16]


def _nearest(name: str, there: Sequence[str], what: str) -> str:
    close = get_close_matches(name, there, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"{what} there: {', '.join(sorted(there)) or 'none'}"
