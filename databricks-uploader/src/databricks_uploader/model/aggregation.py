"""What an aggregation asks for, as values, and the columns that it makes of a table's columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import groupby

from databricks_uploader.model.column_kinds import Kind, exact, kind_of
from databricks_uploader.model.steps import Inside
from databricks_uploader.model.table import Column, DeltaType, TableSchema, decimal

MOST_DIGITS = 38


class TimeToken(StrEnum):
    """Words of `group_by` that stand for the time of rows instead of a column."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    HOUR_OF_DAY = "hour_of_day"


class Function(StrEnum):
    """What many values become one by."""

    AVG = "avg"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    COUNT_DISTINCT = "count_distinct"
    FIRST = "first"
    LAST = "last"
    STDDEV = "stddev"
    MEDIAN = "median"


_OF_NUMBERS = {Function.AVG, Function.SUM, Function.STDDEV, Function.MEDIAN}
_LIKE_ITS_COLUMN = {Function.MIN, Function.MAX, Function.FIRST, Function.LAST}
_COUNTS = {Function.COUNT, Function.COUNT_DISTINCT}


@dataclass(frozen=True, kw_only=True)
class Aggregation:
    """One value of each group: a function of a column; of rows, where `count` is asked of a name that is no column."""

    column: str
    function: Function
    inside: Inside = field(default=(), compare=False, repr=False)
    """Where it is written within the step's rules."""

    def name(self, columns: TableSchema) -> str:
        """Return its column's name: avg_temperature; reading_count for a count of `readings`, which are rows."""
        if self.counts_rows(columns):
            return f"{self.column.removesuffix('s') or self.column}_count"
        return f"{self.function}_{self.column}"

    def counts_rows(self, columns: TableSchema) -> bool:
        """Tell whether it counts rows."""
        return self.function is Function.COUNT and columns.get(self.column) is None

    def type(self, columns: TableSchema) -> str:
        """Return its type; ValueError, in words that go on from its place, where the column has none for it."""
        if self.function in _COUNTS:
            return DeltaType.LONG
        column = columns.get(self.column)
        if column is None:
            raise ValueError(f"no column {self.column!r}")
        kind = kind_of(column.type)
        if self.function in _OF_NUMBERS and kind not in (Kind.EXACT, Kind.FLOATING):
            raise ValueError(f"is {column.sql_type}, and {self.function} is for numbers")
        if self.function in _LIKE_ITS_COLUMN:
            return column.type
        if self.function is Function.SUM and kind is Kind.EXACT:
            return decimal(MOST_DIGITS, exact(column.type).scale)
        return DeltaType.DOUBLE


@dataclass(frozen=True)
class AggregateStep:
    """Rows become one row for each window of time and group."""

    group_by: tuple[str, ...]
    """Columns, and words of TimeToken, in the order of the target table's columns."""
    aggregations: tuple[Aggregation, ...]
    allowed_lateness: timedelta = timedelta(0)
    """How long after its end a window is waited for."""
    timezone: str = "UTC"
    """Whose hours and days windows are."""

    def __post_init__(self) -> None:
        if not self.aggregations:
            raise ValueError("takes at least one aggregation")
        if self.allowed_lateness < timedelta(0):
            raise ValueError("takes an allowed_lateness from 0s on")
        names = [name.casefold() for name in self.group_by]
        twice = [name for name, found in groupby(sorted(names)) if len(list(found)) > 1]
        if twice:
            raise ValueError(f"groups by {twice[0]!r} twice")

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that tell the rows of the target table apart, in their order.

        Those of `group_by`, `day` before `hour_of_day`, and `hour` where no word of time is there.
        """
        found: list[str] = []
        for name in self.group_by:
            if name == TimeToken.HOUR_OF_DAY and TimeToken.DAY not in self.group_by:
                found.append(TimeToken.DAY.value)
            found.append(name)
        return tuple(found) if any(map(is_window, found)) else (*found, TimeToken.HOUR.value)

    @property
    def tokens(self) -> tuple[TimeToken, ...]:
        """The keys of time."""
        return tuple(TimeToken(name) for name in self.keys if is_window(name))

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns to group by."""
        return tuple(name for name in self.keys if not is_window(name))

    def output(self, columns: TableSchema) -> TableSchema:
        """Return the columns that it makes of a table's, without the lineage columns.

        Raises ValueError where it does not fit the table.
        """
        return TableSchema.of(
            [
                *(key_column(name, columns) for name in self.keys),
                *(Column(one.name(columns), one.type(columns)) for one in self.aggregations),
            ]
        )


def key_column(name: str, columns: TableSchema) -> Column:
    """Return a column of what an aggregation makes that is a group or a window; KeyError where there is none."""
    if is_window(name):
        return Column(name, DeltaType.INTEGER if name == TimeToken.HOUR_OF_DAY else DeltaType.TIMESTAMP)
    found = columns.get(name)
    if found is None:
        raise KeyError(name)
    return Column(found.name, found.type)


def is_window(name: str) -> bool:
    """Tell whether a key of an aggregated table is one of time."""
    return name in set(TimeToken)


def written(step: AggregateStep, columns: TableSchema, table: TableSchema) -> TableSchema:
    """Return the columns of a claim's file, those of an existing table: its owner decides their names and types."""
    found = [(column, table.get(column.name)) for column in step.output(columns).columns]
    return TableSchema.of([there or column for column, there in found])


def names_twice(step: AggregateStep, columns: TableSchema) -> Sequence[tuple[Aggregation, str]]:
    """Return the aggregations whose column another one or a key has already, compared without case."""
    taken = {name.casefold() for name in step.keys}
    found = []
    for one in step.aggregations:
        name = one.name(columns)
        if name.casefold() in taken:
            found.append((one, name))
        taken.add(name.casefold())
    return found


@dataclass(frozen=True)
class Into:
    """An existing table, and the keys that it was filled by so far: none where that is not known."""

    table: TableSchema
    keys: tuple[str, ...] = ()
