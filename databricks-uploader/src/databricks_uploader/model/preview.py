"""What a pipeline would do, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.table import TableSchema

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class PreviewedRow:
    """One row as it is read, and as it would be loaded; None where a rule excludes it."""

    before: Mapping[str, Cell]
    after: Mapping[str, Cell] | None

    @property
    def changed(self) -> frozenset[str]:
        """The columns whose values are other ones afterwards."""
        after = self.after or {}
        return frozenset(name for name in after if after[name] != self.before.get(name))


@dataclass(frozen=True)
class Preview:
    """What one pipeline would do."""

    name: str
    source_table: str
    target: str
    where: str
    """Where and how that is loaded, in words."""
    there: bool
    """Whether the target table exists."""
    columns: TableSchema
    """The target table's, as it is or as it would be made."""
    withheld: tuple[str, ...] = ()
    missing: str | None = None
    """What to run so that the target table takes what it lacks."""
    looked_at: int = 0
    """Rows that were looked at, the newest."""
    quarantined: int = 0
    by_rule: ByRule = field(default_factory=ByRule)
    rows: tuple[PreviewedRow, ...] = ()
    """The first of them."""

    @property
    def ddl(self) -> str:
        """The statement that makes the target table."""
        return f"CREATE TABLE {self.target} ({', '.join(column.sql for column in self.columns.columns)})"
