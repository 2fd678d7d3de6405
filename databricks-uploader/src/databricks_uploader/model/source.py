"""The source as values: its tables and columns, and the choice of table, timestamp column and types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from databricks_uploader.errors import ConfigError, PermanentError
from databricks_uploader.model.table import LINEAGE, Column, DeltaType, TableSchema

TIMESTAMP_NAMES = (
    "timestamp", "ts", "datetime", "date", "time", "created_at", "event_time", "event_timestamp", "recorded_at",
    "measurementtime", "updated_at", "last_updated_ts",
)  # fmt: skip
_TIME_TYPES = ("DATE", "DATETIME", "TIMESTAMP")


@dataclass(frozen=True)
class SourceColumn:
    """A column of a source table; `declared` is its declared type as written, '' where there is none."""

    name: str
    declared: str

    @property
    def time_type(self) -> bool:
        """Whether the declared type, without its arguments, says that the column holds times."""
        return self.declared.upper().split("(")[0].strip() in _TIME_TYPES


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


def natural_type(column: SourceColumn, timestamp_column: str | None) -> DeltaType:
    """Return the Delta type that a column's declared type stands for.

    The order of the rules is that of SQLite's affinities (https://sqlite.org/datatype3.html, 3.1); the types
    that SQLite itself treats as numbers come first.
    """
    if timestamp_column is not None and column.name.lower() == timestamp_column.lower():
        return DeltaType.TIMESTAMP
    declared = column.declared.upper()
    exact = {
        "BOOLEAN": DeltaType.BOOLEAN,
        "BOOL": DeltaType.BOOLEAN,
        "DATE": DeltaType.DATE,
        "": DeltaType.STRING,
    }
    if declared in exact:
        return exact[declared]
    if column.time_type:
        return DeltaType.TIMESTAMP
    for words, kind in _AFFINITIES.items():
        if any(word in declared for word in words):
            return kind
    raise PermanentError(
        f"column {column.name!r} is declared {column.declared}, which this version can't load exactly",
        hint="read a view or table without it, or declare it INTEGER, REAL, TEXT or BLOB",
    )


_AFFINITIES: Mapping[tuple[str, ...], DeltaType] = {
    ("INT",): DeltaType.LONG,
    ("CHAR", "CLOB", "TEXT"): DeltaType.STRING,
    ("BLOB",): DeltaType.BINARY,
    ("REAL", "FLOA", "DOUB"): DeltaType.DOUBLE,
}


def is_time(column: Column, timestamp_column: str | None) -> bool:
    """Tell whether a target column takes the source's timestamp column, as times."""
    same = timestamp_column is not None and column.name.lower() == timestamp_column.lower()
    return same and column.type == DeltaType.TIMESTAMP


def natural_schema(table: SourceTable, timestamp_column: str | None) -> TableSchema:
    """Return the schema of a target table made for `table`: its columns, then the lineage columns."""
    taken = [c.name for c in table.columns if LINEAGE.get(c.name) is not None]
    if taken:
        raise ConfigError(
            f"column {taken[0]!r} of table {table.name!r} has the name of a lineage column",
            hint="rename it in the source",
        )
    own = [Column(c.name, natural_type(c, timestamp_column)) for c in table.columns]
    return TableSchema.of([*own, *LINEAGE.columns])


def typed_columns(table: SourceTable, timestamp_column: str | None, target: TableSchema) -> TableSchema:
    """Return the columns that a claim's file holds for the source's columns, with their types there.

    A text column goes into a TIMESTAMP or DATE column of the target by being parsed; every other type must be
    the target's. Raises PermanentError, with the DDL to run, where that isn't so.
    """
    required = [c for c in target.columns if not c.nullable]
    if required:
        raise PermanentError(
            f"column {required[0].name!r} of the target table is NOT NULL, which a source can't promise",
            hint="run ALTER TABLE … ALTER COLUMN … DROP NOT NULL, then start again",
        )
    typed, missing, clashes = [], [], []
    for column in table.columns:
        natural = natural_type(column, timestamp_column)
        found = target.get(column.name)
        if found is None:
            missing.append(Column(column.name, natural))
        elif found.type == natural or (found.type, natural) in _PARSED:
            typed.append(Column(found.name, found.type))
        else:
            clashes.append(f"{column.name!r} is {found.type} there and {natural} here")
    if clashes:
        raise PermanentError(
            f"the target table has other types: {'; '.join(clashes)}",
            hint="load into another table (--table), or change the table's types",
        )
    if missing:
        raise PermanentError(
            f"the target table lacks the column {', '.join(repr(c.name) for c in missing)}",
            hint=f"run ALTER TABLE … ADD COLUMNS ({', '.join(c.sql for c in missing)}), then start again",
        )
    return TableSchema.of(typed)


_PARSED = {
    (DeltaType.TIMESTAMP, DeltaType.STRING),
    (DeltaType.DATE, DeltaType.STRING),
    (DeltaType.STRING, DeltaType.TIMESTAMP),
}


def _nearest(name: str, there: Sequence[str], what: str) -> str:
    close = get_close_matches(name, there, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"{what} there: {', '.join(sorted(there)) or 'none'}"
