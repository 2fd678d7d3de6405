"""What a pipeline would do, as values."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.touched import Seen

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


class WindowIs(StrEnum):
    """What is known of a window when only the newest rows were looked at."""

    CLOSED = "closed"
    """All its rows were, and it would be loaded."""
    OPEN = "open"
    """More rows of it are expected."""
    IN_PART = "in part"
    """There may be older rows of it."""


@dataclass(frozen=True)
class PreviewedWindows:
    """What an aggregation makes of rows."""

    windows: Mapping[WindowIs, int]
    rows: int
    """Rows of the target table."""
    untimed: int
    """Source rows that have no time, and are in no window."""
    first: tuple[tuple[WindowIs, Mapping[str, Cell]], ...] = ()
    """The first of the target table's rows, each with what its window is: closed ones first, then the newest."""


def windows_are(seen: Sequence[Seen], closed: Collection[int], *, all_read: bool) -> Mapping[int, WindowIs]:
    """Tell of each window what it is, if rows come about in the order of their times; `closed`: those past their end.

    The window of the oldest row that was read, and those before it, may have older rows, unless all were read.
    """
    oldest = min(seen, key=lambda one: one.lowest, default=None)
    found = {}
    for one in seen:
        in_part = oldest is not None and not all_read and one.start <= oldest.start
        complete = WindowIs.IN_PART if in_part else WindowIs.CLOSED
        found[one.start] = complete if one.start in closed else WindowIs.OPEN
    return found


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
    """The first of them; none where they only become windows."""
    aggregated: PreviewedWindows | None = None
    """What becomes of all of them in the end; None where they stay rows."""

    @property
    def ddl(self) -> str:
        """The statement that makes the target table."""
        return f"CREATE TABLE {self.target} ({', '.join(column.sql for column in self.columns.columns)})"
