"""Rules against a table's columns: every fault, each in words, before anything is read."""

from dataclasses import replace

import pytest

from databricks_uploader.model.secret import Secret
from databricks_uploader.model.step_columns import allowed, judged_columns, output, touches, withheld
from databricks_uploader.model.step_faults import step_faults
from databricks_uploader.model.step_fingerprint import fingerprint
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
    SanitizeStep,
    Scalar,
    TimeUnit,
    TruncateTime,
)
from databricks_uploader.model.table import Column, TableSchema

TYPES = {
    "id": "long", "small": "byte", "temperature": "double", "ratio": "float", "price": "decimal(5,2)",
    "device_status": "string", "photo": "binary", "odd": "boolean", "day": "date", "seen": "timestamp",
    "local": "timestamp_ntz",
}  # fmt: skip
TABLE = TableSchema.of([Column(name, kind) for name, kind in TYPES.items()])


def condition(column: str, operator: str, *values: Scalar) -> Condition:
    return Condition(column=column, operator=Operator(operator), values=values)


def told(*rules: Rule) -> list[str]:
    step = (
        FilterStep(tuple(r for r in rules if isinstance(r, Condition)))
        if isinstance(rules[0], Condition)
        else SanitizeStep(tuple(r for r in rules if not isinstance(r, Condition)))
    )
    return [fault.text for fault in step_faults([step], TABLE)]


FITTING = [
    condition("id", "=", 3),
    condition("id", "=", 3.0),
    condition("id", ">", 1.5),
    condition("small", "between", -128, 127),
    condition("temperature", ">", -50),
    condition("price", "=", "123.45"),
    condition("price", "<", 0.001),
    condition("odd", "=", True),  # noqa: FBT003  (a value)
    condition("odd", "=", 1),
    condition("day", ">=", "2026-01-31"),
    condition("seen", ">=", "2026-01-31T08:00:00Z"),
    condition("seen", ">=", "2026-01-31"),
    condition("local", "<", "2026-01-31 08:00"),
    condition("photo", "is_null", True),  # noqa: FBT003  (a value)
    condition("DEVICE_STATUS", "in", "active", ""),
    Pattern(column="device_status", pattern="a"),
    Replacement(column="id", pairs=(("3", 4), (5, None))),
    Replacement(column="odd", pairs=(("true", False),)),
    Mask(column="id", keep_last=4),
    Redact(column="photo", text="***"),
    Hash(column="temperature"),
    Round(column="price", decimals=1),
    TruncateTime(column="day", unit=TimeUnit.MONTH),
    TruncateTime(column="local", unit=TimeUnit.HOUR),
]


@pytest.mark.parametrize("rule", FITTING, ids=str)
def test_rules_that_fit(rule: Rule) -> None:
    assert told(rule) == []


MISFITS = [
    (condition("temprature", ">", 3),
     "is about 'temprature', which is no column there, did you mean 'temperature'?"),
    (condition("zzz", ">", 3),
     f"is about 'zzz', which is no column there; there are {', '.join(TYPES)}"),
    (condition("id", "=", 1.5), "is BIGINT, which has no value 1.5"),
    (condition("id", ">", "5"), "is BIGINT, and '5' is no number"),
    (condition("id", ">", True), "is BIGINT, and true is no number"),  # noqa: FBT003  (a value)
    (condition("id", "<", 2**63), "is BIGINT, which 9223372036854775808 is out of the range of"),
    (condition("small", "=", 128), "is TINYINT, which 128 is out of the range of"),
    (condition("small", "between", 3, 1), "takes the least value first"),
    (condition("temperature", "=", "warm"), "is DOUBLE, and 'warm' is no number"),
    (condition("temperature", "between", 3, 1), "takes the least value first"),
    (condition("ratio", "=", 1e300), "is FLOAT, which has no value 1e+300"),
    (condition("price", "=", 0.001), "is DECIMAL(5,2), which has no value 0.001"),
    (condition("price", "<", 1000), "is DECIMAL(5,2), which 1000.00 is out of the range of"),
    (condition("device_status", "=", 5), "is STRING, and 5 is no text: put it in quotes"),
    (condition("odd", ">", 0), "is BOOLEAN, which has no order for >"),
    (condition("odd", "=", "yes"), "is BOOLEAN, and 'yes' is neither true nor false"),
    (condition("photo", "=", "x"), "is BINARY, which only is_null can tell"),
    (condition("day", "=", "31.1.2026"), "is DATE, and '31.1.2026' is none such as 2026-01-31"),
    (condition("seen", "=", 5), "is TIMESTAMP, and 5 is none such as 2026-01-31T08:00:00"),
    (condition("local", "=", "2026-01-31T08:00Z"),
     "is TIMESTAMP_NTZ, which has no zone, and '2026-01-31T08:00Z' has one"),
    (Pattern(column="id", pattern="a"), "is BIGINT, and a pattern is for STRING"),
    (Replacement(column="id", pairs=(("x", 4),)), "is BIGINT, and 'x' is no number"),
    (Replacement(column="id", pairs=((3, "4"),)), "is BIGINT, and '4' is no number"),
    (Replacement(column="id", pairs=(("3", 4), (3, 5))), "replaces '3' twice"),
    (Replacement(column="photo", pairs=(("x", "y"),)), "is BINARY, whose values can't be written in a rule"),
    (Mask(column="temperature", keep_last=1), "is DOUBLE, and mask is for STRING and integers"),
    (Round(column="id", decimals=1), "is BIGINT, which has no decimals to round"),
    (TruncateTime(column="day", unit=TimeUnit.HOUR), "is DATE, which can be cut to month or year, not to hour"),
    (TruncateTime(column="id", unit=TimeUnit.HOUR), "is BIGINT, and truncate_time is for times"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "fault"), MISFITS, ids=str)
def test_rules_that_do_not_fit(rule: Rule, fault: str) -> None:
    assert told(rule)[0] == fault


def test_all_faults_of_all_steps_are_told_at_once_with_their_places() -> None:
    filtering = FilterStep((replace(condition("temprature", ">", 3), inside=("temprature", ">")),))
    hiding = SanitizeStep((Drop(column="id", inside=("id",)),), allow=("id", "sen"))
    later = FilterStep((condition("ID", "=", 3),))
    found = step_faults([filtering, hiding, later], TABLE)
    assert [(fault.step, fault.inside) for fault in found] == [
        (0, ("temprature", ">")),
        (1, ("id",)),
        (1, ("allow", 1)),
        (1, ()),
        (2, ()),
    ]
    assert [fault.text for fault in found] == [
        "is about 'temprature', which is no column there, did you mean 'temperature'?",
        "withholds 'id', which allow lets pass",
        "is about 'sen', which is no column there, did you mean 'seen'?",
        "lets no column pass",
        "is about 'ID', which is no column there; there are none",
    ]


def test_a_rule_that_alters_a_column_which_allow_withholds_is_a_fault_but_remove_nulls_is_not() -> None:
    step = SanitizeStep((Hash(column="id"), RemoveNulls(column="price")), allow=("seen",))
    assert [fault.text for fault in step_faults([step], TABLE)] == [
        "alters 'id', which allow does not let pass: put it there, or leave the rule out"
    ]


@pytest.mark.parametrize(
    "rules",
    [
        (Hash(column="id"), Redact(column="ID", text="x")),
        (Pattern(column="a", pattern="x"), Pattern(column="a", pattern="y")),
        (Replacement(column="a", pairs=((1, 2),)), Replacement(column="a", pairs=((2, 3),))),
    ],
)
def test_a_column_has_one_rule_of_a_kind_in_a_step(rules: tuple[Hash | Pattern | Replacement, ...]) -> None:
    with pytest.raises(ValueError, match="has two"):
        SanitizeStep(rules)


@pytest.mark.parametrize(
    ("operator", "values", "text"),
    [
        ("is_null", (1,), "takes true or false"),
        ("in", (), "at least one value"),
        ("between", (1,), "two values"),
        ("=", (None,), "can't be null; NULL is matched by is_null: true"),
        ("=", (float("nan"),), "finite"),
    ],
)
def test_a_condition_that_means_nothing_cannot_be_made(operator: str, values: tuple[Scalar, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        condition("a", operator, *values)


HIDING = SanitizeStep(
    (Hash(column="ID"), Mask(column="small", keep_last=1), Redact(column="photo", text=""), Drop(column="seen"))
)


def test_hash_mask_and_redact_leave_texts_and_drop_leaves_nothing() -> None:
    left = output([HIDING], TABLE)
    assert {c.name: c.type for c in left.columns} == {
        **{name: kind for name, kind in TYPES.items() if name != "seen"},
        "id": "string",
        "small": "string",
        "photo": "string",
    }


def test_a_column_that_nobody_judged_is_withheld_and_a_filter_may_still_be_about_it() -> None:
    steps = (FilterStep((condition("day", ">", "2026-01-31"),)), HIDING)
    judged = judged_columns(steps, ["id", "SMALL", "seen"])
    assert step_faults(steps, TABLE) == []
    assert [c.name for c in output(steps, TABLE, judged).columns] == ["id", "small"]
    assert withheld(steps, TABLE, judged) == tuple(name for name in TYPES if name not in ("id", "small"))


def test_allow_lists_the_judged_columns_whatever_was_recorded() -> None:
    steps = (SanitizeStep((), allow=("id", "seen")), SanitizeStep((), allow=("SEEN",)))
    assert judged_columns(steps, ["price"]) == {"seen"}
    assert allowed([HIDING]) is None
    assert [c.name for c in output(steps, TABLE).columns] == ["seen"]


@pytest.mark.parametrize(
    ("step", "touched"),
    [
        (HIDING, True),
        (FilterStep((condition("id", ">", 3),)), False),
        (SanitizeStep((RemoveNulls(column="id"),)), False),
        (SanitizeStep((Replacement(column="id", pairs=((1, 2),)),)), True),
        (SanitizeStep((), allow=("seen",)), True),
    ],
)
def test_a_key_is_touched_by_what_alters_or_withholds_it(step: FilterStep | SanitizeStep, *, touched: bool) -> None:
    assert touches([step], TABLE, "Id") == touched


def test_a_key_that_nobody_judged_is_touched() -> None:
    assert touches([SanitizeStep((Drop(column="seen"),))], TABLE, "id", judged=["price"])


def test_the_fingerprint_of_steps_changes_with_what_they_do_and_not_with_where_they_are_written() -> None:
    pattern = Pattern(column="text", pattern="a")
    one = [SanitizeStep((pattern,))]
    key, other = Secret("0123456789abcdef"), Secret("fedcba9876543210")
    others = [
        fingerprint([SanitizeStep((replace(pattern, pattern="b"),))]),
        fingerprint([SanitizeStep((pattern,), allow=("text",))]),
        fingerprint([*one, *one]),
        fingerprint(one, ["text"]),
        fingerprint(one, key=key),
        fingerprint(one, key=other),
        fingerprint([FilterStep((condition("id", "=", 1),))]),
        fingerprint([FilterStep((condition("id", "=", True),))]),  # noqa: FBT003  (a value)
    ]
    assert len({fingerprint(one), *others}) == len(others) + 1
    assert fingerprint([SanitizeStep((replace(pattern, inside=("elsewhere",)),))]) == fingerprint(one)
