"""Random rules over random rows: DuckDB's way and plain Python come to the same values and counts."""

import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support import plain_steps, typed_files

from databricks_uploader.model.secret import Secret
from databricks_uploader.model.step_faults import step_faults
from databricks_uploader.model.steps import (
    Condition,
    Drop,
    FilterStep,
    Hash,
    Mask,
    Operator,
    Pattern,
    Redact,
    RemoveNulls,
    Replacement,
    Round,
    Rule,
    SanitizeRule,
    SanitizeStep,
    Step,
    TimeUnit,
    TruncateTime,
)
from databricks_uploader.model.work import Work
from databricks_uploader.steps.engine import apply

KEY = "a key of this test"
TYPES = {
    "id": "long", "small": "byte", "short": "short", "number": "integer", "real": "double", "ratio": "float",
    "price": "decimal(9,2)", "text": "string", "o'dd \"name\"": "string", "photo": "binary", "flag": "boolean",
    "day": "date", "seen": "timestamp", "local": "timestamp_ntz",
}  # fmt: skip
LETTERS = "aAbB19 *'\"\\éß👍\n\0.-"
TEXTS = st.sampled_from(["", "a", "ab", "A1b9", "b*b", "é", "👍a", "a\nb", "'", "12345"]) | st.text(LETTERS, max_size=6)
PATTERNS = [r"\d+", "a", "[A-Z]+", r"\b\w", "a|b", "b*", "^a", "é", ".", "(?i)b", r"\\", "'"]
TIMES = (
    st.sampled_from(
        [datetime.fromisoformat("2026-01-31T08:30:59.999999"), datetime.fromisoformat("1969-12-31T23:59:59.000001")]
    )
    | st.datetimes()
)
REALS = st.sampled_from([0.0, -0.0, 0.1, 2.675, 2.5, -2.5, 1e22, 5e-324, float("inf")]) | st.floats(allow_nan=False)


def integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-3, 3) | st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


CELLS: dict[str, st.SearchStrategy[Any]] = {
    "long": integers(64),
    "byte": integers(8),
    "short": integers(16),
    "integer": integers(32),
    "double": REALS,
    "float": REALS.filter(lambda x: abs(x) < 3e38 or x == float("inf")).map(plain_steps.single),
    "decimal(9,2)": st.integers(-99_999_99, 99_999_99).map(lambda n: Decimal(n).scaleb(-2))
    | st.sampled_from([Decimal("1.25"), Decimal("-1.25"), Decimal("0.00")]),
    "string": TEXTS,
    "binary": st.binary(max_size=3),
    "boolean": st.booleans(),
    "date": st.dates(date(1, 1, 1), date(9999, 12, 31)) | st.just(date(2026, 1, 31)),
    "timestamp": TIMES.map(lambda t: t.replace(tzinfo=UTC)),
    "timestamp_ntz": TIMES,
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | CELLS[kind] for name, kind in TYPES.items()}), min_size=1, max_size=9
)


def said(cell: plain_steps.Cell) -> plain_steps.Cell:
    """Return a cell as a person writes it in a rule."""
    if isinstance(cell, Decimal | bytes):
        return str(cell)
    return cell.isoformat() if isinstance(cell, date) else cell


def written(kind: str) -> st.SearchStrategy[Any]:
    cells = CELLS[kind].filter(lambda cell: cell not in (float("inf"), float("-inf"))).map(said)
    halves = st.sampled_from([0.5, -1.5, 2.25]) if kind in ("long", "byte", "decimal(9,2)") else st.nothing()
    return cells | halves


@st.composite
def conditions(draw: Callable[..., Any]) -> Condition:
    column = draw(st.sampled_from(list(TYPES)))
    operator = draw(st.sampled_from(Operator))
    if operator is Operator.IS_NULL:
        return Condition(column=column, operator=operator, values=(draw(st.booleans()),))
    sizes = {Operator.IN: (1, 4), Operator.NOT_IN: (1, 4), Operator.BETWEEN: (2, 2)}.get(operator, (1, 1))
    values = draw(st.lists(written(TYPES[column]), min_size=sizes[0], max_size=sizes[1]))
    return Condition(column=column, operator=operator, values=tuple(values))


_SORTS = {"string": "text", "date": "time", "timestamp": "time", "timestamp_ntz": "time", "binary": "", "boolean": ""}


@st.composite
def sanitize_rules(draw: Callable[..., Any]) -> SanitizeRule:
    column = draw(st.sampled_from([*TYPES, "text", "text", "text"]))
    values = written(TYPES[column])
    pairs = st.lists(st.tuples(values, st.none() | values), min_size=1, max_size=3).map(tuple)
    always: list[st.SearchStrategy[SanitizeRule]] = [
        st.builds(Replacement, column=st.just(column), pairs=pairs),
        st.sampled_from([RemoveNulls(column=column), Drop(column=column)]),
        st.sampled_from([Hash(column=column), Redact(column=column, text="***")]),
    ]
    fitting: dict[str, list[st.SearchStrategy[SanitizeRule]]] = {
        "text": [
            st.builds(Pattern, column=st.just(column), pattern=st.sampled_from(PATTERNS)),
            st.builds(Mask, column=st.just(column), keep_last=st.integers(0, 5)),
        ],
        "number": [
            st.builds(Round, column=st.just(column), decimals=st.integers(0, 3)),
            st.builds(Mask, column=st.just(column), keep_last=st.integers(0, 5)),
        ],
        "time": [st.builds(TruncateTime, column=st.just(column), unit=st.sampled_from(TimeUnit))],
    }
    rules = always + fitting.get(_SORTS.get(TYPES[column], "number"), [])
    rule: SanitizeRule = draw(st.one_of(rules))
    return rule


def one_of_a_kind(rule: SanitizeRule) -> tuple[str, str]:
    last = "last" if not isinstance(rule, Pattern | Replacement | RemoveNulls) else type(rule).__name__
    return rule.column, last


FILTERS = st.lists(conditions(), min_size=1, max_size=3).map(lambda found: FilterStep(tuple(found)))


def sanitizing(rules: list[SanitizeRule], others: list[str] | None) -> SanitizeStep:
    """Return a step that allows what its rules alter, and others; where None are given it has no such list."""
    if others is None:
        return SanitizeStep(tuple(rules))
    dropped = {rule.column for rule in rules if isinstance(rule, Drop)}
    named = dict.fromkeys([*others, *(rule.column for rule in rules)])
    return SanitizeStep(tuple(rules), tuple(name for name in named if name not in dropped) or None)


SANITIZES = st.builds(
    sanitizing,
    st.lists(sanitize_rules(), min_size=1, max_size=6, unique_by=one_of_a_kind),
    st.none() | st.lists(st.sampled_from(list(TYPES)), unique=True),
)


def fitting(steps: list[Step]) -> list[Step]:
    """Return the steps without the rules that do not fit."""
    columns, left = typed_files.schema(TYPES), list[Step]()
    for step in steps:
        rules = tuple(rule for rule in step.rules if not step_faults([*left, alone(rule)], columns))
        made = rebuilt(step, rules)
        if made is not None and not step_faults([*left, made], columns):
            left.append(made)
    return left


def alone(rule: Rule) -> Step:
    return FilterStep((rule,)) if isinstance(rule, Condition) else SanitizeStep((rule,))


def rebuilt(step: Step, rules: tuple[Any, ...]) -> Step | None:
    if not rules:
        return None
    return FilterStep(rules) if isinstance(step, FilterStep) else SanitizeStep(rules, step.allow)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, drawn=st.lists(FILTERS | SANITIZES, min_size=1, max_size=3), numbered=st.booleans())
def test_both_ways_come_to_the_same_rows_and_counts(
    rows: list[dict[str, Any]], drawn: list[Step], *, numbered: bool
) -> None:
    steps = fitting(drawn)
    assume(steps)
    expected = plain_steps.Result(steps, rows, TYPES, KEY)
    work = Work(tuple(steps), typed_files.schema(TYPES), numbered=numbered, key=Secret(KEY))
    with tempfile.TemporaryDirectory() as folder:
        typed, claimed = Path(folder) / "typed.parquet", Path(folder) / "claim.parquet"
        typed_files.write(typed, TYPES, rows)
        applied = apply(work, typed, claimed)
        found = typed_files.read(claimed) if applied.counts.written else ({}, [])
    counts = applied.counts
    assert (counts.read, counts.written) == (len(rows), len(expected.rows))
    assert [n for _, n in counts.excluded] == list(expected.excluded.values())
    assert [n for _, n in counts.altered] == list(expected.altered.values())
    rowids = [row["_row"] for row in found[1]]
    assert rowids == (list(range(1, len(rowids) + 1)) if numbered else [11 + n for n in expected.numbers])
    own = [{name: row[name] for name in row if name not in typed_files.LINEAGE_NAMES} for row in found[1]]
    assert [in_bits(row) for row in own] == [in_bits(row) for row in expected.rows]


def in_bits(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row in which 0.0 is another number than -0.0, and true another value than 1."""
    return {name: (type(cell), str(cell)) for name, cell in row.items()}
