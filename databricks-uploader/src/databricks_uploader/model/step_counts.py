"""What steps did to the rows of one claim."""

from dataclasses import dataclass

from databricks_uploader.model.steps import Rule


@dataclass(frozen=True)
class StepCounts:
    """Rows that steps read and wrote, and what each rule did: every row read is accounted for."""

    read: int
    written: int
    excluded: tuple[tuple[Rule, int], ...] = ()
    """Rows that a rule excluded; a row counts for the first rule that did, in the order of application."""
    altered: tuple[tuple[Rule, int], ...] = ()
    """Rows written in which a rule changed the column's value."""

    def __post_init__(self) -> None:
        if self.read != self.written + sum(rows for _, rows in self.excluded):
            raise ValueError(f"rows unaccounted for: {self.read} read, {self.written} written")
