"""The schema of a target table, and the lineage columns that every table of ours has."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class DeltaType(StrEnum):
    """A kind of Delta type by its name in the Delta protocol ("Schema Serialization Format")."""

    BYTE = "byte"
    SHORT = "short"
    INTEGER = "integer"
    LONG = "long"
    FLOAT = "float"
    DOUBLE = "double"
    DECIMAL = "decimal"
    STRING = "string"
    BINARY = "binary"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIMESTAMP_NTZ = "timestamp_ntz"


_SQL = {DeltaType.BYTE: "TINYINT", DeltaType.SHORT: "SMALLINT", DeltaType.INTEGER: "INT", DeltaType.LONG: "BIGINT"}
_DECIMAL = re.compile(r"decimal\((\d+),(-?\d+)\)")


@dataclass(frozen=True)
class Column:
    """One column of a target table; `type` is the Delta name, which need not be one that we can write."""

    name: str
    type: str
    nullable: bool = True

    @property
    def kind(self) -> DeltaType | None:
        """The kind of its type; None for one that holds no single value (array, map, struct, …)."""
        name = self.type.split("(")[0]
        return DeltaType(name) if name in set(DeltaType) else None

    @property
    def precision_and_scale(self) -> tuple[int, int]:
        """Digits in all, and behind the point, of a DECIMAL."""
        found = _DECIMAL.fullmatch(self.type)
        if found is None:
            raise ValueError(f"{self.type} is no decimal")
        return int(found[1]), int(found[2])

    @property
    def sql_type(self) -> str:
        """The type's name in Databricks SQL."""
        return self.type.upper() if self.kind is None else _SQL.get(self.kind, self.type.upper())

    @property
    def sql(self) -> str:
        """The column as it stands in a CREATE TABLE or ALTER TABLE statement."""
        return f"`{self.name.replace('`', '``')}` {self.sql_type}" + ("" if self.nullable else " NOT NULL")


def decimal(precision: int, scale: int) -> str:
    """Return the Delta name of a DECIMAL."""
    return f"decimal({precision},{scale})"


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
