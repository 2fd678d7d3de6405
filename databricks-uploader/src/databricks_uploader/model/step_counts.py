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

    @property
    def by_rule(self) -> "ByRule":
        """The counts by the labels of rules; those of two rules with one label are added."""
        return ByRule().plus(ByRule(_labelled(self.excluded), _labelled(self.altered)))


@dataclass(frozen=True)
class ByRule:
    """Rows that rules excluded and altered, by the rules' labels, which hold no value."""

    excluded: tuple[tuple[str, int], ...] = ()
    altered: tuple[tuple[str, int], ...] = ()

    def plus(self, other: "ByRule") -> "ByRule":
        """Return both together, without what is 0."""
        return ByRule(_added(self.excluded, other.excluded), _added(self.altered, other.altered))

    @property
    def rows_excluded(self) -> int:
        """Rows that any rule excluded."""
        return sum(rows for _, rows in self.excluded)


def _labelled(counts: tuple[tuple[Rule, int], ...]) -> tuple[tuple[str, int], ...]:
    return tuple((rule.label, rows) for rule, rows in counts)


def _added(*counts: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    total: dict[str, int] = {}
    for label, rows in (pair for each in counts for pair in each if pair[1]):
        total[label] = total.get(label, 0) + rows
    return tuple(total.items())
