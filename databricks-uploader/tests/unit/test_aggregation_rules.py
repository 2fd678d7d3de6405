"""Aggregations as a person writes them, what they make of a table's columns, and every fault with its place."""

from datetime import timedelta
from pathlib import Path

import pytest

from databricks_uploader.model.aggregation import AggregateStep, Aggregation, Function, written
from databricks_uploader.model.aggregation_faults import aggregate_faults, table_faults
from databricks_uploader.model.table import Column, TableSchema
from databricks_uploader.settings.resolve import Sources, resolve

TYPES = {
    "id": "long", "device_id": "string", "seen": "timestamp", "temperature": "double", "humidity": "double",
    "level": "integer", "price": "decimal(9,2)", "photo": "binary", "odd": "boolean", "minute": "long",
}  # fmt: skip
TABLE = TableSchema.of([Column(name, kind) for name, kind in TYPES.items()])


def step(text: str, folder: Path, **environment: str) -> AggregateStep:
    (folder / "c.yaml").write_text(text)
    found: AggregateStep = resolve(Sources({}, environment, folder / "c.yaml")).values["aggregate_config"]
    return found


def of(*group_by: str, **functions: str) -> AggregateStep:
    return AggregateStep(group_by, tuple(Aggregation(column=c, function=Function(f)) for c, f in functions.items()))


def made(made_of: AggregateStep) -> list[str]:
    return [column.sql for column in made_of.output(TABLE).columns]


def test_the_originals_yaml_example_makes_the_columns_of_its_table(tmp_path: Path) -> None:
    text = """aggregate_config:
  group_by: ["device_id", "hour"]
  aggregations:
    temperature: "avg"
    humidity: "max"
    readings: "count"
"""
    assert made(step(text, tmp_path)) == [
        "`device_id` STRING", "`hour` TIMESTAMP", "`avg_temperature` DOUBLE", "`max_humidity` DOUBLE",
        "`reading_count` BIGINT",
    ]  # fmt: skip


def test_the_originals_environment_example_makes_a_day_beside_its_hour_of_day(tmp_path: Path) -> None:
    text = (
        '{"group_by": ["device_id", "hour_of_day"], "aggregations": {"temperature": "avg", "humidity": "max", '
        '"records": "count"}}'
    )
    assert made(step("", tmp_path, AGGREGATE_CONFIG=text)) == [
        "`device_id` STRING", "`day` TIMESTAMP", "`hour_of_day` INT", "`avg_temperature` DOUBLE",
        "`max_humidity` DOUBLE", "`record_count` BIGINT",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("group_by", "keys"),
    [
        ((), ["hour"]),
        (("device_id",), ["device_id", "hour"]),
        (("minute", "device_id"), ["minute", "device_id"]),
        (("hour_of_day", "day"), ["hour_of_day", "day"]),
        (("day", "hour_of_day"), ["day", "hour_of_day"]),
        (("hour", "hour_of_day"), ["hour", "day", "hour_of_day"]),
    ],
)
def test_the_keys_are_the_groups_and_the_times_in_their_order(group_by: tuple[str, ...], keys: list[str]) -> None:
    assert list(of(*group_by, id="count").keys) == keys


@pytest.mark.parametrize(
    ("column", "function", "column_made"),
    [
        ("level", "sum", "`sum_level` DECIMAL(38,0)"),
        ("price", "sum", "`sum_price` DECIMAL(38,2)"),
        ("temperature", "sum", "`sum_temperature` DOUBLE"),
        ("price", "avg", "`avg_price` DOUBLE"),
        ("price", "max", "`max_price` DECIMAL(9,2)"),
        ("device_id", "min", "`min_device_id` STRING"),
        ("seen", "last", "`last_seen` TIMESTAMP"),
        ("photo", "first", "`first_photo` BINARY"),
        ("level", "median", "`median_level` DOUBLE"),
        ("level", "stddev", "`stddev_level` DOUBLE"),
        ("device_id", "count", "`count_device_id` BIGINT"),
        ("device_id", "count_distinct", "`count_distinct_device_id` BIGINT"),
        ("rows", "count", "`row_count` BIGINT"),
        ("s", "count", "`s_count` BIGINT"),
    ],
)
def test_a_function_has_a_name_and_a_type(column: str, function: str, column_made: str) -> None:
    assert made(of(**{column: function}))[-1] == column_made


def test_functions_may_be_a_list_and_lateness_and_zone_be_given(tmp_path: Path) -> None:
    text = "aggregate_config: {aggregations: {level: [sum, max]}, allowed_lateness: 1h30m, timezone: Europe/Oslo}\n"
    found = step(text, tmp_path)
    assert [one.name(TABLE) for one in found.aggregations] == ["sum_level", "max_level"]
    assert (found.allowed_lateness, found.timezone) == (timedelta(minutes=90), "Europe/Oslo")


def test_all_faults_of_an_aggregation_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = """aggregate_config:
  group_by: hour
  groupby: [hour]
  aggregations:
    temperature: average
    humidity: [max, 3]
    level: []
    price: {max: true}
  allowed_lateness: soon
  timezone: Europe/Olso
"""
    (tmp_path / "c.yaml").write_text(text)
    found = sorted(resolve(Sources({}, {}, tmp_path / "c.yaml")).faults, key=lambda fault: fault.place)
    functions = "avg, sum, min, max, count, count_distinct, first, last, stddev, median"
    assert [f"{f.place.label}: {f.text}" for f in found if "aggregate_config." in f.text] == [
        "c.yaml:2: aggregate_config.group_by takes a list of columns and times",
        "c.yaml:3: aggregate_config.groupby is no rule of an aggregation, did you mean 'group_by'?",
        "c.yaml:5: aggregate_config.aggregations.temperature is no function: 'average', did you mean 'avg'?",
        "c.yaml:6: aggregate_config.aggregations.humidity.1 takes a name, not 3",
        f"c.yaml:7: aggregate_config.aggregations.level takes at least one of {functions}",
        "c.yaml:8: aggregate_config.aggregations.price takes a list of functions",
        "c.yaml:9: aggregate_config.allowed_lateness takes a time such as 30, 30s or 5m",
        "c.yaml:10: aggregate_config.timezone takes the name of a time zone, not 'Europe/Olso'; did you mean "
        "'Europe/Oslo'?",
    ]


@pytest.mark.parametrize(
    ("wrong", "inside", "told"),
    [
        (of("minute", id="count"), ("group_by", 0), "can be the column 'minute' or the time of rows: read a view"),
        (of("devise_id", id="count"), ("group_by", 0), "neither a column nor a time, did you mean 'device_id'?"),
        (of("hours", id="count"), ("group_by", 0), "neither a column nor a time, did you mean 'hour'?"),
        (of(temprature="avg"), (), "no column there, did you mean 'temperature'?; only count takes a name of your own"),
        (of(device_id="avg"), (), "is STRING, and avg is for numbers"),
        (of(odd="sum"), (), "is BOOLEAN, and sum is for numbers"),
        (of(seen="median"), (), "is TIMESTAMP, and median is for numbers"),
        (of(reading="count", readings="count"), (), "makes a column 'reading_count', which is there already"),
        (of(level="max", LEVEL="max"), (), "makes a column 'max_LEVEL', which is there already"),
        (of(**{"my rows": "count"}), (), "makes a column 'my row_count', and a name has none of"),
    ],
)
def test_what_does_not_fit_the_columns_is_told_with_the_remedy(
    wrong: AggregateStep, inside: tuple[str | int, ...], told: str
) -> None:
    ((where, text),) = aggregate_faults(wrong, TABLE, "seen")
    assert where == inside
    assert told in text


@pytest.mark.parametrize(
    ("time", "told"),
    [
        (None, "needs the rows' time, and no column holds it: name one with timestamp_col"),
        ("device_id", "needs the rows' time, and 'device_id' is STRING: name another with timestamp_col"),
    ],
)
def test_without_a_time_of_rows_there_are_no_windows(time: str | None, told: str) -> None:
    assert aggregate_faults(of(level="sum"), TABLE, time) == [((), told)]


def test_a_column_called_like_a_time_is_fine_where_it_is_not_grouped_by() -> None:
    assert aggregate_faults(of("device_id", minute="max"), TABLE, "seen") == []


HOURLY = of("device_id", "hour", level="sum")


def table(**more: str) -> TableSchema:
    known = {"device_id": "string", "hour": "timestamp", "sum_level": "decimal(38,0)"} | more
    return TableSchema.of([Column(name, kind) for name, kind in known.items()])


@pytest.mark.parametrize(
    ("changed", "existing", "told"),
    [
        (HOURLY, table(), None),
        (HOURLY, table(sum_level="long", note="string", _row="long"), None),
        (of("device_id", "hour", level="avg"), table(), "run ALTER TABLE … ADD COLUMNS (`avg_level` DOUBLE)"),
        (HOURLY, table(sum_level="string"), "makes 'sum_level' DECIMAL(38,0), and it is STRING in the table"),
        (HOURLY, table(hour="date"), "makes 'hour' TIMESTAMP, and it is DATE in the table"),
        (of("hour", level="sum"), table(), "has not 'device_id', which the table has, so it was filled by others"),
        (of("device_id", "odd", "hour", level="sum"), table(), "needs 'odd', which the table has not"),
    ],
)
def test_an_existing_table_that_was_filled_otherwise_is_told(
    changed: AggregateStep, existing: TableSchema, told: str | None
) -> None:
    found = [text for _, text in table_faults(changed, TABLE, existing)]
    assert len(found) == (told is not None)
    assert told is None or told in found[0]


def test_a_changed_group_by_is_told_by_what_it_was() -> None:
    ((where, text),) = table_faults(HOURLY, TABLE, table(), ("device_id", "day"))
    assert where == ("group_by",)
    assert text == (
        "was device_id, day when the table was filled: put it back, or load into another table (target, or "
        "databricks_table)"
    )
    assert table_faults(HOURLY, TABLE, table(), ("hour", "DEVICE_ID")) == []


def test_the_tables_owner_decides_names_and_types() -> None:
    found = written(HOURLY, TABLE, table(sum_level="long")).columns
    assert [column.type for column in found] == ["string", "timestamp", "long"]
