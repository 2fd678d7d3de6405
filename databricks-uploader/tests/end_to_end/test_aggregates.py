"""Aggregated tables: what one query over the whole source table gives, whatever happens in between."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from deltalake import DeltaTable, Schema
from tests.support import tables
from tests.support.sanitized import Site

HOURLY = """
enable_aggregate: true
aggregate_config:
  group_by: ["device_id", "hour"]
  aggregations:
    temperature: "avg"
    humidity: "max"
    readings: "count"
"""
READINGS = "CREATE TABLE readings (id INTEGER PRIMARY KEY, ts TEXT, device_id TEXT, temperature REAL, humidity REAL)"
KINDS = {
    "by rowid": (READINGS, ""),
    "by time": (READINGS, "cursor: timestamp"),
    "without rowids": (
        "CREATE TABLE readings (id INTEGER, ts TEXT, device_id TEXT, temperature REAL, humidity REAL, "
        "PRIMARY KEY (ts, id)) WITHOUT ROWID",
        "late_arrival: 2h",
    ),
}
"""Tables, and how they are read."""
LONG = pytest.mark.long
TRUTH = (
    "SELECT device_id, strftime('%Y-%m-%d %H:00', ts), avg(temperature), max(humidity), count(*) FROM readings "
    "WHERE ts < '2026-02' GROUP BY 1, 2 ORDER BY 1 NULLS LAST, 2"
)
SEEN = "device_id, strftime(hour AT TIME ZONE 'UTC', '%Y-%m-%d %H:00'), avg_temperature, max_humidity, reading_count"


@pytest.fixture
def kind() -> str:
    return "by rowid"


@pytest.fixture
def site(tmp_path: Path, kind: str) -> Site:
    found = Site(tmp_path)
    made, read = KINDS[kind]
    found.execute(made)
    found.settings(read + HOURLY)
    return found


def add(site: Site, *rows: str) -> None:
    site.execute(*(f"INSERT INTO readings VALUES ({row})" for row in rows))


def truth(site: Site) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(site.database)) as connection:
        return connection.execute(TRUTH).fetchall()


def seen(site: Site, columns: str = SEEN) -> list[tuple[object, ...]]:
    return tables.rows(site.table("aggregated_readings"), columns, "1, 2")


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=LONG) if kind != "by rowid" else kind for kind in KINDS])
def test_the_table_is_what_one_query_gives(site: Site) -> None:
    add(
        site,
        "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40",
        "2, '2026-01-31T08:20:00Z', 'a', 21.0, 41",
        "3, '2026-01-31T08:30:00Z', NULL, NULL, NULL",
        "4, '2026-01-31T09:30:00Z', 'b', 5.5, 10",
    )
    done = site.upload()
    assert done.exit_code == 0, done.errors
    assert seen(site) == truth(site)
    assert "loaded 4 rows into aggregated_readings" in done.errors


@pytest.mark.parametrize("kind", ["by rowid", "without rowids"])
def test_a_late_row_corrects_its_window_and_leaves_the_others(site: Site) -> None:
    add(site, "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40", "2, '2026-01-31T09:20:00Z', 'a', 21.0, 41")
    site.upload()
    add(site, "3, '2026-01-31T08:50:00Z', 'a', 25.0, 39")
    assert "loaded 1 row into" in site.upload().errors
    assert (
        seen(site)
        == truth(site)
        == [("a", "2026-01-31 08:00", 22.5, 40.0, 2), ("a", "2026-01-31 09:00", 21.0, 41.0, 1)]
    )
    assert site.upload().errors.endswith("nothing new\n")
    batches = tables.rows(site.table("aggregated_readings"), "_batch_id & 16777215, _row", "1")
    assert batches == [(1, 1), (3, 2)]


def test_an_open_window_waits_and_a_single_run_says_until_when(site: Site) -> None:
    add(site, "1, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 'a', 20.0, 40", "2, '2026-01-31T08:20:00Z', 'a', 21.0, 41")
    done = site.upload()
    assert seen(site) == [("a", "2026-01-31 08:00", 21.0, 41.0, 1)]
    assert "loaded 1 of 2 rows into aggregated_readings: 1 waits for its window" in done.errors
    assert "1 row for aggregated_readings waits in 1 window that is open: the next one closes at 20" in done.errors
    assert "waiting   1 row of" in site.run("state", "show").output


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("by rowid", "no time, so that the row is in no window"),
        pytest.param("by time", "NULL, and is the time to order by", marks=LONG),
    ],
)
def test_rows_without_a_time_go_into_quarantine(site: Site, reason: str) -> None:
    add(site, "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40", "2, NULL, 'a', 21.0, 41", "3, 'soon', 'a', 22.0, 41")
    add(site, "4, '2026-01-31T08:10:00Z', 'a', 22.0, 40")
    site.upload()
    assert seen(site) == [("a", "2026-01-31 08:00", 21.0, 40.0, 2)]
    listed = site.run("quarantine", "list").output
    assert reason in listed
    assert "2" in listed


@pytest.mark.parametrize("kind", ["by rowid", pytest.param("without rowids", marks=LONG)])
def test_a_late_row_of_a_window_whose_rows_are_gone_is_set_apart_rather_than_the_window_falsified(site: Site) -> None:
    add(site, "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40", "2, '2026-01-31T09:20:00Z', 'a', 21.0, 41")
    site.upload()
    before = seen(site)
    site.execute("DELETE FROM readings WHERE id = 1", "INSERT INTO readings VALUES (3, '2026-01-31T08:50Z', 'a', 1, 1)")
    done = site.upload()
    assert "1 window of aggregated_readings can't be computed" in done.errors
    assert seen(site) == before
    assert "a time of a window that the source lacks other rows of by now" in site.run("quarantine", "list").output


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ('group_by: ["device", "hour"]\n  aggregations: {temperature: avg}',
         "config.yaml:7: aggregate_config.group_by.0 is 'device', which is neither a column nor a time, did you mean "
         "'device_id'?"),
        ("aggregations: {device_id: avg}",
         "config.yaml:7: aggregate_config.aggregations.device_id is STRING, and avg is for numbers"),
    ],
)  # fmt: skip
def test_an_aggregation_that_does_not_fit_stops_before_anything_is_written(site: Site, rules: str, told: str) -> None:
    add(site, "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40")
    site.settings(f"enable_aggregate: true\naggregate_config:\n  {rules}")
    done = site.upload()
    assert (done.exit_code, told in done.errors) == (2, True), done.errors
    assert not site.folder.joinpath("lake").exists()


def test_another_group_by_over_a_table_that_is_there_is_a_fault(site: Site) -> None:
    add(site, "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40")
    site.upload()
    site.settings(HOURLY.replace('"hour"', '"day"'))
    add(site, "2, '2026-01-31T08:10:00Z', 'a', 20.0, 40")
    done = site.upload()
    assert done.exit_code == 2
    assert "aggregate_config.group_by was device_id, hour when the table was filled: put it back" in done.errors


def test_rows_that_fit_by_now_leave_quarantine_for_their_windows(site: Site) -> None:
    site.settings("source_timezone: Europe/Oslo" + HOURLY)
    add(
        site,
        "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40",
        "2, '2026-03-29 02:30:00', 'a', 21.0, 41",  # the clocks of Oslo jump over it
        "3, '2026-01-31T08:20:00Z', 'a', 'hot', 41",
    )
    site.upload()
    assert [row[-1] for row in seen(site)] == [1]
    assert "nothing" not in site.run("quarantine", "list").output
    site.settings(HOURLY)
    done = site.run("quarantine", "replay", "--all")
    assert done.output == "1 row waits for its window, which the next upload computes; 1 can't be loaded still\n"
    assert "1 row for aggregated_readings stays in quarantine: column 'temperature' holds TEXT that" in done.errors
    assert "hot  ← TEXT that is no number" in site.run("quarantine", "show", "2").output
    assert site.run("quarantine", "discard", "2").output == "1 row is discarded\n"
    assert "loaded 1 row into aggregated_readings" in site.upload().errors
    assert [row[1:] for row in seen(site)] == [
        ("2026-01-31 08:00", 20.0, 40.0, 1), ("2026-03-29 02:00", 21.0, 41.0, 1),
    ]  # fmt: skip


def test_the_original_s_example_of_variables_loads_its_table(site: Site) -> None:
    add(site, "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40", "2, '2026-01-31T08:20:00Z', 'a', 21.0, 41")
    site.settings("")
    site.environment |= {
        "ENABLE_AGGREGATE": "true",
        "AGGREGATE_CONFIG": '{"group_by": ["device_id", "hour_of_day"], '
        '"aggregations": {"temperature": "avg", "humidity": "max", "records": "count"}}',
    }
    assert site.upload().exit_code == 0
    assert seen(site, "device_id, hour_of_day, avg_temperature, max_humidity, record_count") == [
        ("a", 8, 20.5, 41.0, 2)
    ]


IN_PIPELINES = """
pipelines:
  - {name: raw, scenario: raw}
  - name: hourly
    target: hourly
    steps:
      - filter: {temperature: {"<": 100}}
      - sanitize: {device_id: {mask: {keep_last: 1}}}
      - aggregate:
          group_by: [device_id, hour]
          aggregations: {temperature: [avg, count], readings: count}
"""


def test_an_aggregation_after_other_steps_sees_what_they_leave(site: Site) -> None:
    add(
        site,
        "1, '2026-01-31T08:10:00Z', 'xa', 20.0, 40",
        "2, '2026-01-31T08:20:00Z', 'ya', 22.0, 41",
        "3, '2026-01-31T08:30:00Z', 'xa', 200, 41",
    )
    site.settings(IN_PIPELINES)
    done = site.upload()
    assert done.exit_code == 0, done.errors
    columns = "device_id, avg_temperature, count_temperature, reading_count, _row"
    assert tables.rows(site.table("hourly"), columns, "1") == [("*a", 21.0, 2, 2, 2)]
    assert len(site.rows("raw_readings")) == 3
    assert b"xa" not in b"".join(file.read_bytes() for file in site.table("hourly").rglob("*") if file.is_file())
    add(site, "4, '2026-01-31T08:40:00Z', 'za', 27.0, 40")
    site.upload()
    assert tables.rows(site.table("hourly"), columns, "1") == [("*a", 23.0, 3, 3, 3)]


def test_an_aggregation_is_the_last_step(site: Site) -> None:
    site.settings("""
pipelines:
  - name: hourly
    steps: [{aggregate: {aggregations: {rows: count}}}, {filter: {temperature: 1}}]
""")
    done = site.upload()
    assert (done.exit_code, "pipelines.0.steps.0.aggregate is not the last step" in done.errors) == (2, True)


def test_windows_of_other_rules_that_did_not_leave_are_taken_back(site: Site) -> None:
    add(site, "1, '2026-01-31T08:10:00Z', 'xa', 20.0, 40")
    site.settings(IN_PIPELINES)
    site.upload()
    add(site, "2, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 'xa', 20.0, 40", "3, '2026-01-31T08:20:00Z', 'xa', 30.0, 40")
    lake = site.folder / "lake"
    lake.rename(site.folder / "elsewhere")
    lake.write_text("in the way")
    assert site.upload().exit_code != 0
    lake.unlink()
    (site.folder / "elsewhere").rename(lake)
    site.settings(IN_PIPELINES.replace("keep_last: 1", "keep_last: 2"))
    done = site.upload()
    assert "rows that waited are read again" in done.errors
    rows = tables.rows(site.table("hourly"), "device_id, avg_temperature, reading_count", "1")
    assert rows == [("**", 25.0, 2), ("*a", 20.0, 1)]


def test_from_the_beginning_again_gives_the_same_table(site: Site) -> None:
    add(site, "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40", "2, '2026-01-31T08:20:00Z', 'a', 21.0, 41")
    site.upload()
    site.run("state", "adopt", "--after", "beginning")
    add(site, "3, '2026-01-31T08:30:00Z', 'a', 22.0, 40")
    assert site.upload().exit_code == 0
    assert seen(site) == truth(site)
    assert "can't be computed" not in site.run("state", "show").output
    done = site.run("state", "adopt", "--after", "1")
    assert (done.exit_code, "windows before that row could not be corrected" in done.errors) == (2, True)


@pytest.mark.long
def test_a_view_is_aggregated(site: Site) -> None:
    site.execute("CREATE VIEW warm AS SELECT ts, device_id, temperature, humidity FROM readings WHERE temperature > 0")
    site.settings("sqlite_table_name: warm" + HOURLY)
    add(site, "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40", "2, '2026-01-31T08:10:00Z', 'a', 20.0, 40")
    site.upload()
    add(site, "3, '2026-01-31T08:12:00Z', 'a', -1, 40", "4, '2026-01-31T08:10:00Z', 'a', 26.0, 40")
    done = site.upload()
    assert done.exit_code == 0, done.errors
    assert tables.rows(site.table("aggregated_warm"), SEEN, "1, 2") == [("a", "2026-01-31 08:00", 22.0, 40.0, 3)]


OF_THE_ORIGINAL = {
    "device_id": "string", "hour": "timestamp", "avg_temperature": "double", "max_humidity": "double",
    "reading_count": "integer",
}  # fmt: skip


def made_by_its_owner(site: Site, columns: dict[str, str]) -> None:
    fields = [{"name": n, "type": kind, "nullable": True, "metadata": {}} for n, kind in columns.items()]
    schema = Schema.from_json(json.dumps({"type": "struct", "fields": fields}))
    DeltaTable.create(site.table("aggregated_readings"), schema)


def test_the_original_s_table_without_lineage_columns_is_one_node_s(site: Site) -> None:
    made_by_its_owner(site, OF_THE_ORIGINAL)
    add(site, "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40", "2, '2026-01-31T09:20:00Z', 'a', 21.0, 41")
    assert site.upload().exit_code == 0
    add(site, "3, '2026-01-31T08:50:00Z', 'a', 25.0, 39", "4, '2026-01-31T10:50:00Z', 'a', 25.0, 39")
    assert site.upload().exit_code == 0
    assert seen(site) == truth(site)


def test_a_second_writer_of_a_table_that_can_not_tell_nodes_is_stopped(site: Site) -> None:
    made_by_its_owner(site, OF_THE_ORIGINAL)
    add(site, "1, '2026-01-31T08:10:00Z', 'a', 20.0, 40")
    site.upload()
    before = seen(site)
    site.state.rename(site.folder / "other")
    site.run("state", "show")
    done = site.upload("--node-id", "second")
    assert (done.exit_code, "another writer fills it too" in done.errors) == (3, True), done.errors
    assert seen(site) == before
