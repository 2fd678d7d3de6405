"""Aggregations carried out: every value is that of plain Python, and the same however its rows come."""

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import plain_aggregates, plain_steps, typed_files

from databricks_uploader.errors import PermanentError, TransientError
from databricks_uploader.model.aggregation import AggregateStep, Aggregation, Function, TimeToken
from databricks_uploader.model.aggregation_faults import aggregate_faults
from databricks_uploader.model.claim import batch_id
from databricks_uploader.model.table import Column, TableSchema
from databricks_uploader.model.work import Aggregate
from databricks_uploader.steps.aggregating import aggregate, look

TYPES = {
    "seen": "timestamp", "local": "timestamp_ntz", "on": "date", "site": "string", "o'dd \"name\"": "string",
    "number": "long", "small": "byte", "real": "double", "ratio": "float", "price": "decimal(9,2)", "flag": "boolean",
    "photo": "binary", "setting": "double",
}  # fmt: skip
TIMES = st.sampled_from(
    [
        "2026-10-25T00:59:59.999999",
        "2026-10-25T00:00",
        "2026-10-25T01:30",
        "2026-10-25T02:00",
        "2026-03-29T00:59",
        "2026-03-29T01:00",
        "1969-12-31T23:59:59.999999",
        "2026-10-24T22:00",
        "2026-10-25T22:59",
    ]
).map(datetime.fromisoformat) | st.datetimes(datetime(1975, 1, 1), datetime(2060, 1, 1))  # noqa: DTZ001
REALS = st.sampled_from([0.0, -0.0, 0.1, 0.2, 0.3, 1e16, -1e16, 1.0, float("inf"), float("-inf")]) | st.floats(
    -1e100, 1e100
)
CELLS: Mapping[str, st.SearchStrategy[Any]] = {
    "timestamp": TIMES.map(lambda t: t.replace(tzinfo=UTC)),
    "timestamp_ntz": TIMES,
    "date": TIMES.map(datetime.date),
    "string": st.sampled_from(["", "a", "b", "é", "👍", "A"]),
    "long": st.sampled_from([2**63 - 1, -(2**63), 0, 1]) | st.integers(-(2**63), 2**63 - 1),
    "byte": st.integers(-128, 127),
    "double": REALS,
    "float": REALS.filter(lambda x: abs(x) < 3e38 or math.isinf(x)).map(plain_steps.single),
    "decimal(9,2)": st.integers(-99_999_99, 99_999_99).map(lambda n: Decimal(n).scaleb(-2)),
    "boolean": st.booleans(),
    "binary": st.binary(max_size=2),
}
NEVER_NULL = {"seen", "local", "on"}
ROWS = st.lists(
    st.fixed_dictionaries({n: CELLS[k] if n in NEVER_NULL else st.none() | CELLS[k] for n, k in TYPES.items()}),
    min_size=1, max_size=12,
)  # fmt: skip
SCHEMA = typed_files.schema(TYPES)


@st.composite
def steps(draw: Callable[..., Any]) -> AggregateStep:
    groups = draw(
        st.lists(st.sampled_from(["site", 'o\'dd "name"', "flag", "small", "setting"]), max_size=2, unique=True)
    )
    tokens = draw(st.lists(st.sampled_from([token.value for token in TimeToken]), max_size=2, unique=True))
    wanted = draw(
        st.lists(st.tuples(st.sampled_from([*TYPES, "rows"]), st.sampled_from(Function)), min_size=1, unique=True)
    )
    fitting = [Aggregation(column=column, function=function) for column, function in wanted]
    zone = draw(st.sampled_from(["UTC", "Europe/Oslo", "Asia/Kathmandu", "America/New_York"]))
    found = [one for one in fitting if not aggregate_faults(AggregateStep(("day",), (one,)), SCHEMA, "seen")]
    return AggregateStep(
        tuple(draw(st.permutations([*groups, *tokens]))),
        tuple(found) or (Aggregation(column="rows", function=Function.COUNT),),
        timezone=zone,
    )


def work_of(step: AggregateStep, time: str = "seen") -> Aggregate:
    return Aggregate(step, SCHEMA, time, step.output(SCHEMA))


def rows_of(work: Aggregate, files: Sequence[Path], to: Path) -> list[dict[str, Any]]:
    """Return the rows of all windows of some files."""
    windows = [seen.start for seen in look(work, files).seen]
    done = aggregate(work, files, windows, typed_files.LINEAGE, to)
    found, rows = typed_files.read(to)
    assert list(found.items())[: len(work.output.columns)] == [
        (column.name, typed_files.arrow_type(column.type)) for column in work.output.columns
    ]
    assert done.rows == len(rows)
    return rows


def same(found: object, expected: object) -> bool:
    """Tell whether values are equal; sums of floating-point numbers up to a rounding of their largest parts."""
    if isinstance(found, float) and isinstance(expected, float):
        return found == expected or (math.isnan(found) and math.isnan(expected))
    return found == expected


def near(found: object, expected: object, cells: Sequence[Any]) -> bool:
    """Tell whether a floating-point result is the exact one but for some roundings in the size of its largest parts."""
    if not isinstance(found, float) or not isinstance(expected, float) or not math.isfinite(expected):
        return same(found, expected)
    largest = max((abs(float(cell)) for cell in cells if cell is not None), default=0.0)
    return abs(found - expected) <= 1e-15 * max(len(cells), 4) * max(largest, abs(expected))


_ROUNDED = {Function.SUM, Function.AVG, Function.STDDEV, Function.MEDIAN}


@given(steps(), ROWS, st.sampled_from(["seen", "seen", "local", "on"]))
@settings(max_examples=60, deadline=None)
def test_every_value_of_every_group_is_that_of_plain_python(
    step: AggregateStep, rows: list[dict[str, Any]], time: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        typed_files.write(Path(folder, "typed"), TYPES, rows)
        found = rows_of(work_of(step, time), [Path(folder, "typed")], Path(folder, "claim"))
    functions = [("" if one.counts_rows(SCHEMA) else one.column, one.function.value) for one in step.aggregations]
    expected = plain_aggregates.groups(rows, time, step.keys, functions, step.timezone)
    by_key = {tuple(row[name] for name in step.keys): row for row in found}
    assert len(by_key) == len(found)
    assert by_key.keys() == expected.keys()
    for key, values in expected.items():
        row = by_key[key]
        assert row["_row"] == values[-1]
        for one, value in zip(step.aggregations, values, strict=False):
            result, cells = row[one.name(SCHEMA)], [r.get(one.column) for r in rows]
            close = near(result, value, cells) if one.function in _ROUNDED else same(result, value)
            assert close, (one, result, value)


@given(steps(), ROWS, st.randoms(use_true_random=False), st.integers(0, 12))
@settings(max_examples=30, deadline=None)
def test_the_same_rows_give_the_same_values_in_whatever_order_and_files_they_come(
    step: AggregateStep,
    rows: list[dict[str, Any]],
    random: Random,
    cut: int,
) -> None:
    work = work_of(step)
    late = datetime(2070, 1, 1, tzinfo=UTC)
    shuffled = [*rows, rows[0] | {"seen": late}]
    random.shuffle(shuffled)
    for number, row in enumerate(rows):
        row["seen"] = row["seen"].replace(microsecond=number)  # first and last are by the key where times are equal
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder, "one"), Path(folder, "other")
        typed_files.write(Path(folder, "a"), TYPES, rows)
        windows = [seen.start for seen in look(work, [Path(folder, "a")]).seen]
        aggregate(work, [Path(folder, "a")], windows, typed_files.LINEAGE, one)
        parts = [part for part in (shuffled[:cut], shuffled[cut:]) if part]
        for number, part in enumerate(parts):
            typed_files.write(Path(folder, f"b{number}"), TYPES, part)
        files = [Path(folder, f"b{number}") for number in range(len(parts))]
        aggregate(work, files, windows, typed_files.LINEAGE, other)
        assert repr(typed_files.read(one)) == repr(typed_files.read(other))  # -0.0 is not 0.0 there, and nan is nan


STEP = AggregateStep(
    ("site", "hour"),
    tuple(Aggregation(column=c, function=f) for c, f in (("number", Function.SUM), ("rows", Function.COUNT))),
)
START = datetime(2026, 1, 31, 8, tzinfo=UTC)
PLAIN = dict.fromkeys(TYPES) | {"number": 1, "site": "a"}


def micros(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def hours(*minutes: int, **more: object) -> list[dict[str, Any]]:
    return [PLAIN | {"seen": START + timedelta(minutes=minute)} | more for minute in minutes]


def test_a_look_tells_the_windows_with_their_rows_keys_and_newest_time(tmp_path: Path) -> None:
    typed_files.write(tmp_path / "typed", TYPES, [*hours(5, 70, 59, 61), PLAIN])
    found = look(work_of(STEP), [tmp_path / "typed"])
    assert [(one.start, one.rows, one.lowest, one.highest, one.newest) for one in found.seen] == [
        (micros(START), 2, 11, 13, micros(START + timedelta(minutes=59))),
        (micros(START + timedelta(hours=1)), 2, 12, 14, micros(START + timedelta(minutes=70))),
    ]
    assert found.untimed == 1


def test_first_and_last_are_by_time_and_then_by_key(tmp_path: Path) -> None:
    rows = [row | {"number": number} for number, row in enumerate(hours(30, 5, 59, 5, 59, 20))]
    typed_files.write(tmp_path / "typed", TYPES, rows)
    step = AggregateStep((), tuple(Aggregation(column="number", function=f) for f in (Function.FIRST, Function.LAST)))
    (row,) = rows_of(work_of(step), [tmp_path / "typed"], tmp_path / "claim")
    assert (row["first_number"], row["last_number"]) == (1, 4)


@pytest.mark.parametrize("turned", [False, True])
def test_where_the_cursor_is_a_time_first_and_last_are_by_time_and_then_by_values(
    tmp_path: Path,
    turned: bool,  # noqa: FBT001
) -> None:
    rows = [
        *hours(5, number=7, site="b"),
        *hours(5, number=8, site="a"),
        *hours(5, number=7, site="a"),
        *hours(59, number=9, site="c"),
        *hours(59, number=None, site="d"),
        *hours(59, number=1, site="d"),
    ]
    typed_files.write(tmp_path / "typed", TYPES, rows[::-1] if turned else rows)
    firsts = [Aggregation(column=c, function=f) for c in ("number", "site") for f in (Function.FIRST, Function.LAST)]
    step = AggregateStep((), tuple(firsts))
    (row,) = rows_of(replace(work_of(step), by_time=True), [tmp_path / "typed"], tmp_path / "claim")
    found = [row[name] for name in ("first_site", "first_number", "last_site", "last_number")]
    assert found == ["a", 7, "d", None], "site is the earlier column, and NULL is last"


def test_only_the_windows_asked_for_are_written_with_their_lineage(tmp_path: Path) -> None:
    typed_files.write(tmp_path / "typed", TYPES, [*hours(5, 10), *hours(20, site=None, number=None), *hours(70)])
    done = aggregate(work_of(STEP), [tmp_path / "typed"], [micros(START)], typed_files.LINEAGE, tmp_path / "claim")
    found, rows = typed_files.read(tmp_path / "claim")
    assert list(found)[-5:] == list(typed_files.LINEAGE_NAMES)
    assert rows == [
        {"site": "a", "hour": START, "sum_number": Decimal(2), "row_count": 2} | typed_files.lineage(2),
        {"site": None, "hour": START, "sum_number": None, "row_count": 1} | typed_files.lineage(1),
    ]
    assert done.statistics["hour"] == ("2026-01-31T08:00:00.000000Z", "2026-01-31T08:00:00.000000Z", 0)
    assert done.statistics["_row"] == (1, 2, 0)
    assert done.statistics["_batch_id"] == (batch_id(77, 3), batch_id(77, 3), 0)


def test_an_hour_that_comes_twice_is_one_row_by_hour_of_day_and_two_by_hour(tmp_path: Path) -> None:
    twice = [PLAIN | {"seen": datetime(2026, 10, 25, hour, 30, tzinfo=UTC)} for hour in (0, 1)]
    typed_files.write(tmp_path / "typed", TYPES, twice)
    for token, counts in (("hour", [1, 1]), ("hour_of_day", [2])):
        step = AggregateStep((token,), (Aggregation(column="rows", function=Function.COUNT),), timezone="Europe/Oslo")
        rows = rows_of(work_of(step), [tmp_path / "typed"], tmp_path / "claim")
        assert [row["row_count"] for row in rows] == counts


def test_a_sum_that_does_not_fit_is_told_by_its_column_and_not_by_itself(tmp_path: Path) -> None:
    typed_files.write(tmp_path / "typed", TYPES, hours(1, 2, number=2**62))
    narrow = TableSchema.of(
        [*STEP.output(SCHEMA).columns[:2], Column("sum_number", "long"), Column("row_count", "long")]
    )
    with pytest.raises(PermanentError) as raised:
        aggregate(
            Aggregate(STEP, SCHEMA, "seen", narrow), [tmp_path / "typed"], [micros(START)], typed_files.LINEAGE,
            tmp_path / "claim",
        )  # fmt: skip
    assert "sum_number BIGINT" in str(raised.value)
    for error in (raised.value, raised.value.__cause__, raised.value.__context__):
        assert error is None or str(2**63) not in f"{error}"


def test_a_file_that_is_not_there_is_no_bug(tmp_path: Path) -> None:
    with pytest.raises(TransientError):
        look(work_of(STEP), [tmp_path / "typed"])


def test_a_day_column_is_a_time_too(tmp_path: Path) -> None:
    typed_files.write(tmp_path / "typed", TYPES, [PLAIN | {"on": date(2026, 1, 31), "seen": START}])
    (row,) = rows_of(work_of(STEP, "on"), [tmp_path / "typed"], tmp_path / "claim")
    assert row["hour"] == datetime(2026, 1, 31, tzinfo=UTC)
