"""Steps as DuckDB SQL: one statement that writes what they make of a file, one that counts what each rule did."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from databricks_uploader.model.step_columns import after
from databricks_uploader.model.steps import (
    Condition,
    Drop,
    FilterStep,
    Pattern,
    RemoveNulls,
    Replacement,
    Rule,
    SanitizeRule,
    Step,
)
from databricks_uploader.model.table import LINEAGE, ROW
from databricks_uploader.model.work import Work
from databricks_uploader.steps.expressions import altered, condition, differs, quoted

LINEAGE_ORDER = (*(c.name for c in LINEAGE.columns if c != ROW), ROW.name)
"""The lineage columns as they stand in a claim's file, after its own columns."""
ROW_GROUP_ROWS = 32_768


@dataclass
class Statement:
    """A statement, and the values bound to it, which are never shown."""

    text: str = ""
    parameters: dict[str, object] = field(default_factory=dict, repr=False)

    def bind(self, value: object) -> str:
        """Bind a value; return what stands for it in the text."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}"


@dataclass(frozen=True)
class Counted:
    """One of the numbers of a counting statement."""

    rule: Rule
    excludes: bool
    """Whether it is of rows that the rule excludes, or of rows written that have another value by it."""


def writing(work: Work, typed: str, written: str) -> Statement:
    """Return the statement that writes the claim's file and returns its size and statistics."""
    statement = Statement()
    chain = _Chain(work, statement, typed, counting=False)
    own = [f"{chain.place(c.name)} AS {quoted(c.name)}" for c in work.output.columns]
    lineage = [quoted(name) for name in LINEAGE_ORDER[:-1]]
    row = "row_number() OVER ()" if work.numbered else quoted(ROW.name)
    select = f"SELECT {', '.join([*own, *lineage])}, {row} AS {quoted(ROW.name)} FROM {chain.last}"
    statement.text = (
        f"COPY (WITH {chain.text} {select}) TO {statement.bind(written)} (FORMAT parquet, COMPRESSION zstd, "
        f"COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {ROW_GROUP_ROWS}, USE_TMP_FILE false, RETURN_STATS)"
    )
    return statement


def counting(work: Work, typed: str) -> tuple[Statement, tuple[Counted, ...]]:
    """Return the statement that counts rows: read, written, and then as many numbers as are returned with it.

    A row counts for the first rule that excludes it. Rules that withhold a column have no number.
    """
    statement = Statement()
    chain = _Chain(work, statement, typed, counting=True)
    numbers = ["count(*)", "count(*) FILTER (why IS NULL)"]
    for number, counted in chain.counted.items():
        which = f"why = {number}" if counted.excludes else f"a{number} AND why IS NULL"
        numbers.append(f"count(*) FILTER ({which})")
    statement.text = f"WITH {chain.text} SELECT {', '.join(numbers)} FROM {chain.last}"
    return statement, tuple(chain.counted.values())


class _Chain:
    """The common table expressions s0, s1, …; columns are c0, c1, … in them, whatever they are called.

    Counting keeps all rows: `why` is then the number of the rule that excluded a row, and a0, a1, … tell what a rule
    altered.
    """

    def __init__(self, work: Work, statement: Statement, typed: str, *, counting: bool) -> None:
        self._key, self._bind, self._counting = work.key, statement.bind, counting
        self._places = {c.name.casefold(): f"c{number}" for number, c in enumerate(work.columns.columns)}
        self._columns = work.columns
        own = [f"{quoted(c.name)} AS {self.place(c.name)}" for c in work.columns.columns]
        rest = ["NULL AS why"] if counting else [quoted(name) for name in LINEAGE_ORDER]
        source = f"read_parquet({self._bind(typed)}, hive_partitioning = false)"  # a folder may be called id=7
        self._parts = [f"s0 AS (SELECT {', '.join([*own, *rest])} FROM {source})"]
        self.counted: dict[int, Counted] = {}
        self._rules = 0
        for step in work.steps:
            self._add(step)
            self._columns = after(step, self._columns)

    @property
    def text(self) -> str:
        return ", ".join(self._parts)

    @property
    def last(self) -> str:
        return f"s{len(self._parts) - 1}"

    def place(self, name: str) -> str:
        return self._places[name.casefold()]

    def _add(self, step: Step) -> None:
        if isinstance(step, FilterStep):
            self._exclude(step.conditions)
            return
        self._alter(rule for rule in step.rules if isinstance(rule, Pattern))
        self._alter(rule for rule in step.rules if isinstance(rule, Replacement))
        self._exclude(rule for rule in step.rules if isinstance(rule, RemoveNulls))
        self._alter(rule for rule in step.rules if not isinstance(rule, Pattern | Replacement | RemoveNulls | Drop))

    def _exclude(self, rules: Iterable[Condition | RemoveNulls]) -> None:
        passes = [(f"({self._passing(rule)})", self._numbered(rule, excludes=True)) for rule in rules]
        if not passes:
            return
        if self._counting:
            cases = " ".join(f"WHEN {text} IS NOT TRUE THEN {number}" for text, number in passes)
            select = f"* REPLACE (coalesce(why, CASE {cases} END) AS why) FROM {self.last}"
        else:
            select = f"* FROM {self.last} WHERE {' AND '.join(text for text, _ in passes)}"
        self._parts.append(f"s{len(self._parts)} AS (SELECT {select})")

    def _passing(self, rule: Condition | RemoveNulls) -> str:
        if isinstance(rule, RemoveNulls):
            return f"{self.place(rule.column)} IS NOT NULL"
        return condition(rule, self.place(rule.column), self._type(rule), self._bind)

    def _alter(self, rules: Iterable[SanitizeRule]) -> None:
        replaced, flags = [], []
        for rule in rules:
            column, number = self.place(rule.column), self._numbered(rule, excludes=False)
            result = altered(rule, column, self._type(rule), self._bind, self._key)
            replaced.append(f"{result} AS {column}")
            flags.append(f"{differs(rule, result, column)} AS a{number}")
        if replaced:
            select = ", ".join([f"* REPLACE ({', '.join(replaced)})", *(flags if self._counting else [])])
            self._parts.append(f"s{len(self._parts)} AS (SELECT {select} FROM {self.last})")

    def _numbered(self, rule: Rule, *, excludes: bool) -> int:
        self._rules += 1
        self.counted[self._rules] = Counted(rule, excludes)
        return self._rules

    def _type(self, rule: Rule) -> str:
        column = self._columns.get(rule.column)
        if column is None:
            raise ValueError(f"no column {rule.column!r}")
        return column.type
