"""Which target column takes which source column, in which type."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from databricks_uploader.errors import PermanentError
from databricks_uploader.model.naming import target_names
from databricks_uploader.model.source import Affinity, SourceColumn, SourceTable
from databricks_uploader.model.table import LINEAGE, Column, DeltaType, TableSchema, decimal

_EXACT = {
    "BOOLEAN": DeltaType.BOOLEAN,
    "BOOL": DeltaType.BOOLEAN,
    "DATE": DeltaType.DATE,
    "NUMERIC": DeltaType.DOUBLE,
    "DECIMAL": DeltaType.DOUBLE,
    "": DeltaType.STRING,
}
_NATURAL: Mapping[Affinity, DeltaType] = {
    Affinity.INTEGER: DeltaType.LONG,
    Affinity.TEXT: DeltaType.STRING,
    Affinity.NONE: DeltaType.BINARY,
    Affinity.REAL: DeltaType.DOUBLE,
    Affinity.NUMERIC: DeltaType.STRING,
}
_DIGITS = re.compile(r"(?:DECIMAL|NUMERIC|DEC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_MOST_DIGITS = 38


def natural_type(column: SourceColumn, timestamp_column: str | None) -> str:
    """Return the Delta type that a column's declared type stands for.

    What SQLite has no affinity for but NUMERIC (JSON, UUID, …) and what has no type is taken as text, which holds
    any value.
    """
    if timestamp_column is not None and column.name.lower() == timestamp_column.lower():
        return DeltaType.TIMESTAMP
    declared = column.declared.strip().upper()
    if declared in _EXACT:
        return _EXACT[declared]
    if column.time_type:
        return DeltaType.TIMESTAMP
    digits = _DIGITS.fullmatch(declared)
    if digits is not None:
        precision, scale = int(digits[1]), int(digits[2] or 0)
        return decimal(precision, scale) if scale <= precision <= _MOST_DIGITS and precision else DeltaType.STRING
    return _NATURAL[column.affinity]


def natural_schema(table: SourceTable, timestamp_column: str | None) -> TableSchema:
    """Return the schema of a target table made for `table`: its columns, then the lineage columns."""
    names = target_names(c.name for c in table.columns)
    own = [Column(names[c.name], natural_type(c, timestamp_column)) for c in table.columns]
    return TableSchema.of([*own, *LINEAGE.columns])


@dataclass(frozen=True)
class Pair:
    """A source column and the target column that takes it."""

    source: SourceColumn
    target: Column


@dataclass(frozen=True)
class Matched:
    """The columns of source and target side by side."""

    pairs: tuple[Pair, ...]
    missing: tuple[Pair, ...]
    """Source columns that the target table has no column for, with what it would be."""

    def ddl(self, table: str) -> str:
        """What to run so that no column is missing."""
        return addition(self.missing, table)


def addition(missing: Sequence[Pair], table: str) -> str:
    """Return what to run so that these columns are in the target table."""
    return f"ALTER TABLE `{table}` ADD COLUMNS ({', '.join(pair.target.sql for pair in missing)})"


def time_of_rows(pairs: Sequence[Pair], timestamp_column: str | None) -> str | None:
    """Return the target column that takes the source's timestamp column as instants; None where there is none."""
    of_time = (p.target for p in pairs if timestamp_column is not None and p.source.name == timestamp_column)
    return next((column.name for column in of_time if column.kind is DeltaType.TIMESTAMP), None)


def columns_of(pairs: Sequence[Pair]) -> TableSchema:
    """Return the columns of a claim's file: those of the target that take something."""
    return TableSchema.of([pair.target for pair in pairs])


def matched(table: SourceTable, timestamp_column: str | None, target: TableSchema) -> Matched:
    """Find each source column's target column, by name without case.

    Raises PermanentError where a target column can't take any value of ours, or must have one and gets none.
    """
    found = side_by_side(table, timestamp_column, target)
    check_takes(found.pairs, target)
    return found


def side_by_side(table: SourceTable, timestamp_column: str | None, target: TableSchema) -> Matched:
    """Do the same without a look at what the target table takes."""
    names = target_names(c.name for c in table.columns)
    pairs, missing = [], []
    taken = {names[c.name].casefold() for c in table.columns}
    for column in table.columns:
        found = target.get(names[column.name])
        if found is None and column.name.casefold() not in taken:
            found = target.get(column.name)
        if found is None:
            missing.append(Pair(column, Column(names[column.name], natural_type(column, timestamp_column))))
        else:
            pairs.append(Pair(column, found))
    return Matched(tuple(pairs), tuple(missing))


def check_takes(pairs: Sequence[Pair], target: TableSchema) -> None:
    """Raise PermanentError where a target column can't take any value of ours, or must have one and gets none."""
    for pair in pairs:
        if pair.target.kind is None:
            raise PermanentError(
                f"column {pair.target.name!r} of the target table is {pair.target.sql_type}, which takes no value of "
                f"{pair.source.name!r}",
                hint="load into another table (--table), or give the column a type of single values",
            )
    filled = {pair.target.name for pair in pairs} | {c.name for c in LINEAGE.columns}
    empty = [c.name for c in target.columns if not c.nullable and c.name not in filled]
    if empty:
        raise PermanentError(
            f"column {empty[0]!r} of the target table is NOT NULL, and the source has no such column",
            hint=f"run ALTER TABLE … ALTER COLUMN `{empty[0]}` DROP NOT NULL, then start again",
        )


def alteration(column: Column) -> str:
    """Say what a column's type does to values that it can't hold as they are."""
    if column.kind in (DeltaType.TIMESTAMP, DeltaType.TIMESTAMP_NTZ):
        return "cut to microseconds"
    how = {DeltaType.STRING: "written as text", DeltaType.BINARY: "taken as bytes", DeltaType.DATE: "cut to the day"}
    return how.get(column.kind or DeltaType.DOUBLE, f"rounded to {column.sql_type}")
