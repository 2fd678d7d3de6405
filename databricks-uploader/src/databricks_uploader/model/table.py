"""The schema of a target table, and the lineage columns that every table of ours has."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class DeltaType(StrEnum):
    """A Delta primitive type by its name in the Delta protocol ("Schema Serialization Format")."""

    LONG = "long"
    DOUBLE = "double"
    STRING = "string"
    BINARY = "binary"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"

    @property
    def sql(self) -> str:
        """The type's name in Databricks SQL."""
        return "BIGINT" if self is DeltaType.LONG else self.value.upper()


@dataclass(frozen=True)
class Column:
    """One column of a target table; `type` is the Delta name, which need not be one that we can write."""

    name: str
    type: str
    nullable: bool = True

    @property
    def sql(self) -> str:
        """The column as it stands in a CREATE TABLE or ALTER TABLE statement."""
        known = DeltaType(self.type).sql if self.type in set(DeltaType) else self.type.upper()
        return f"`{self.name.replace('`', '``')}` {known}" + ("" if self.nullable else " NOT NULL")


@dataclass(frozen=True)
class TableSchema:
    """Columns in order. Delta finds columns by name without case, and so does `get`."""

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> Self:
        """Make a schema of columns in any sequence."""
        return cls(tuple(columns))

    def get(self, name: str) -> Column | None:
        """Return the column of that name, compared without case."""
        return next((c for c in self.columns if c.name.casefold() == name.casefold()), None)


@dataclass(frozen=True)
class TargetTable:
    """A target table as it was found: the id that a re-creation changes, and the columns."""

    id: str
    schema: TableSchema


ROW = Column("_row", DeltaType.LONG)
LINEAGE = TableSchema.of(
    [
        Column("_node_id", DeltaType.STRING),
        Column("_incarnation", DeltaType.LONG),
        Column("_batch_id", DeltaType.LONG),
        ROW,
        Column("_loaded_at", DeltaType.TIMESTAMP),
    ]
)
"""Where a row came from: node, incarnation of the source table, claim, source rowid, time of the claim."""
