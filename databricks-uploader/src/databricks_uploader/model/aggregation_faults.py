"""Whether an aggregation fits the columns that it reads and the table that it fills: all faults at once."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from databricks_uploader.model.aggregation import (
    AggregateStep,
    Function,
    TimeToken,
    is_window,
    key_column,
    names_twice,
)
from databricks_uploader.model.column_kinds import Kind, kind_of
from databricks_uploader.model.steps import Inside
from databricks_uploader.model.table import LINEAGE, Column, TableSchema

Fault = tuple[Inside, str]
"""Where it is within the step's rules, and what goes on from there in words."""
_NUMBERS = (Kind.EXACT, Kind.FLOATING)
_TIMES = (Kind.INSTANT, Kind.LOCAL_TIME, Kind.DATE)
_NO_NAME = re.compile(r"[ ,;{}()\n\t=]")
"""What Delta takes in no name of a column."""
_TOKENS = [token.value for token in TimeToken]
_ELSEWHERE = "load into another table (target, or databricks_table)"


def aggregate_faults(step: AggregateStep, columns: TableSchema, time: str | None) -> list[Fault]:
    """Return everything that keeps a step from being applied to rows of these columns.

    `time`: the column of the rows' time; None where there is none.
    """
    return [*_of_time(columns, time), *_of_groups(step, columns), *_of_functions(step, columns)]


def _of_time(columns: TableSchema, time: str | None) -> Iterator[Fault]:
    found = None if time is None else columns.get(time)
    if found is None:
        yield (), "needs the rows' time, and no column holds it: name one with timestamp_col"
    elif kind_of(found.type) not in _TIMES:
        yield (), f"needs the rows' time, and {found.name!r} is {found.sql_type}: name another with timestamp_col"


def _of_groups(step: AggregateStep, columns: TableSchema) -> Iterator[Fault]:
    for number, name in enumerate(step.group_by):
        inside: Inside = ("group_by", number)
        found = columns.get(name)
        if is_window(name) and found is not None:
            text = f"can be the column {found.name!r} or the time of rows"
            yield inside, f"{text}: read a view that calls the column otherwise (sqlite_table_name)"
        elif not is_window(name) and found is None:
            near = _near(name, [*_names(columns), *_TOKENS])
            yield inside, f"is {name!r}, which is neither a column nor a time{near}"
    made = set(step.keys) - set(step.group_by)
    for name in sorted(made):
        if columns.get(name) is not None and columns.get(name) in [columns.get(group) for group in step.groups]:
            yield ("group_by",), f"makes a column {name!r} of time, and groups by a column of that name"


def _of_functions(step: AggregateStep, columns: TableSchema) -> Iterator[Fault]:
    for one in step.aggregations:
        if columns.get(one.column) is None and one.function is not Function.COUNT:
            text = f"is about {one.column!r}, which is no column there{_near(one.column, _names(columns))}"
            yield one.inside, f"{text}; only count takes a name of your own, for rows"
            continue
        try:
            one.type(columns)
        except ValueError as error:
            yield one.inside, str(error)
        if _NO_NAME.search(one.name(columns)):
            yield one.inside, f"makes a column {one.name(columns)!r}, and a name has none of ,;{{}}()= and no spaces"
    for one, name in names_twice(step, columns):
        text = f"makes a column {name!r}, which is there already"
        yield one.inside, f"{text}: leave one out, or count rows by another name"


def table_faults(
    step: AggregateStep, columns: TableSchema, table: TableSchema, recorded: Sequence[str] | None = None
) -> list[Fault]:
    """Return everything that keeps what a step makes of these columns from going into an existing table.

    `recorded`: the keys that the table was filled by so far; None where that is not known. The step fits the columns.
    """
    return [*_of_keys(step, columns, table, recorded), *_of_columns(step, columns, table)]


def _of_keys(
    step: AggregateStep, columns: TableSchema, table: TableSchema, recorded: Sequence[str] | None
) -> Iterator[Fault]:
    keys = {name.casefold() for name in step.keys}
    if recorded is not None and keys != {name.casefold() for name in recorded}:
        yield ("group_by",), f"was {', '.join(recorded)} when the table was filled: put it back, or {_ELSEWHERE}"
        return
    lacking = [key_column(name, columns) for name in step.keys if table.get(name) is None]
    if lacking:
        names = ", ".join(repr(column.name) for column in lacking)
        yield ("group_by",), f"needs {names}, which the table has not, so it was filled by others: {_ELSEWHERE}"
    made = {column.name.casefold() for column in step.output(columns).columns}
    of_time = [Column(token, "") for token in TimeToken]
    for column in (*columns.columns, *of_time):
        found = table.get(column.name)
        if found is not None and column.name.casefold() not in made and LINEAGE.get(column.name) is None:
            text = f"has not {found.name!r}, which the table has, so it was filled by others"
            yield ("group_by",), f"{text}: add it, or {_ELSEWHERE}"


def _of_columns(step: AggregateStep, columns: TableSchema, table: TableSchema) -> Iterator[Fault]:
    output = step.output(columns)
    values = output.columns[len(step.keys) :]
    lacking = [column for column in values if table.get(column.name) is None]
    if lacking:
        ddl = f"ALTER TABLE … ADD COLUMNS ({', '.join(column.sql for column in lacking)})"
        yield ("aggregations",), f"needs columns that the table has not: run {ddl}"
    for column in output.columns:
        there = table.get(column.name)
        if there is not None and not _takes(column, there):
            where = "group_by" if column.name in step.keys else "aggregations"
            yield (where,), f"makes {column.name!r} {column.sql_type}, and it is {there.sql_type} in the table"


def _takes(made: Column, there: Column) -> bool:
    """Tell whether a column of the table takes values; a narrower number is what its owner wants."""
    if made.type == there.type:
        return True
    return there.kind is not None and kind_of(made.type) in _NUMBERS and kind_of(there.type) in _NUMBERS


def _names(columns: TableSchema) -> list[str]:
    return [column.name for column in columns.columns]


def _near(name: str, names: Sequence[str]) -> str:
    by_small = {one.lower(): one for one in names}
    close = get_close_matches(name.lower(), by_small, n=1)
    return f", did you mean {by_small[close[0]]!r}?" if close else f"; there are {', '.join(names)}"
