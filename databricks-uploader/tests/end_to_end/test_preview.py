"""What `preview` shows, and that it writes nothing."""

import json
from pathlib import Path

import pytest
from tests.support import tables
from tests.support.sanitized import KEY, PEOPLE, Site

RULES = """
pipelines:
  - {name: everything, scenario: raw}
  - name: public
    steps:
      - filter: {temperature: {'<': 100}}
      - sanitize: {owner: {hash: true}, status: {drop: true}, ts: {truncate_time: hour}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path, {"SANITIZE_HASH_KEY": KEY})
    found.execute(
        PEOPLE,
        "INSERT INTO people VALUES (1, '2026-01-31T08:10:00Z', 'Ada', 'ok', 21.5), "
        "(2, '2026-01-31T09:00:00Z', NULL, 'ok', 20), (3, '2026-01-31T09:30:00Z', 'Bob', 'ok', 200), "
        "(4, '2026-01-31T09:30:00Z', 'Cyd', 'ok', 'warm')",
    )
    found.settings(RULES)
    return found


def test_it_shows_table_columns_values_and_counts_of_each_pipeline(site: Site) -> None:
    told = site.run("preview").output
    assert told.startswith(
        f"everything: people → {site.table('raw_people')}, which is not there yet\n"
        "  CREATE TABLE raw_people (\n    `id` BIGINT,\n    `ts` TIMESTAMP,\n    `owner` STRING,\n"
    )
    public = told[told.index("public: ") :]
    assert "  withheld: status\n" in public
    lines = public[public.index("  the first of") :].splitlines()
    assert lines[0] == "  the first of the newest 4 rows, before and after; * another value"
    assert [line.split() for line in lines[1:4]] == [
        ["id", "ts", "owner", "status", "temperature"],
        ["1", "before", "1", "2026-01-31T08:10:00Z", "Ada", "ok", "21.5"],
        ["1", "after", "1", "2026-01-31T08:00:00Z*", lines[3].split()[4], "(withheld)", "21.5"],
    ]
    assert lines[3].split()[4].endswith("…*")
    assert lines[7] == "    3 after   excluded"
    assert lines[-5:] == [
        "  of the newest 4 rows",
        "    1  excluded by temperature <",
        "    1  altered by owner hash",
        "    1  altered by ts truncate_time",
        "    1  can't be loaded as they are",
    ]


def test_it_writes_nothing_anywhere(site: Site) -> None:
    before = {path: path.stat().st_mtime_ns for path in site.folder.rglob("*")}
    assert site.run("preview", "--json").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in site.folder.rglob("*")} == before


def test_as_json_it_has_the_whole_values(site: Site) -> None:
    _, public = json.loads(site.run("preview", "--json").output)
    assert (public["target_table"], public["there"], public["withheld"]) == ("secure_people", False, ["status"])
    assert public["rows"][0]["changed"] == ["owner", "ts"]
    assert public["rows"][2]["after"] is None
    assert (public["excluded"], public["looked_at"], public["quarantined"]) == ({"temperature <": 1}, 4, 1)


def test_what_stops_a_pipeline_is_told_beside_the_others(site: Site) -> None:
    site.settings(RULES.replace("owner:", "ownr:"))
    done = site.run("preview")
    assert done.exit_code == 2
    assert "everything: people → " in done.output
    assert "public can't run: config.yaml:" in done.output.replace(f"{site.folder}/", "")


def test_of_a_table_in_the_order_of_times_too(site: Site) -> None:
    site.execute(
        "DROP TABLE people",
        "CREATE TABLE people (name TEXT PRIMARY KEY, ts TEXT, temperature REAL) WITHOUT ROWID",
        "INSERT INTO people VALUES ('Ada', '2026-01-31T08:10:00Z', 1), ('Bob', '2026-01-31T08:11:00Z', 200)",
    )
    site.settings("enable_filter: true\nfilter_config: {temperature: {'<': 100}}")
    assert site.run("preview").output.endswith("  of the newest 2 rows\n    1  excluded by temperature <\n")


HOURLY = """
pipelines:
  - name: hourly
    target: hourly
    steps:
      - filter: {temperature: {'<': 100}}
      - sanitize: {owner: {mask: {keep_last: 1}}, status: {drop: true}}
      - aggregate: {group_by: [owner, hour], aggregations: {temperature: [avg, count], readings: count}}
"""
LATER = (
    "INSERT INTO people VALUES (5, '2026-01-31T08:50:00Z', 'Ida', 'ok', 22.5), (6, NULL, 'Ada', 'ok', 1), "
    "(7, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 'Eva', 'ok', 3)"
)


def test_of_an_aggregation_it_shows_what_windows_the_newest_rows_would_make(site: Site) -> None:
    site.execute(LATER)
    site.settings(
        "enable_aggregate: true\n"
        "aggregate_config: {group_by: [status, hour], aggregations: {temperature: avg, readings: count}}"
    )
    told = site.run("preview").output
    assert told.startswith(
        f"people → {site.table('aggregated_people')}, which is not there yet\n  CREATE TABLE aggregated_people (\n"
        "    `status` STRING,\n    `hour` TIMESTAMP,\n    `avg_temperature` DOUBLE,\n    `reading_count` BIGINT,\n"
    )
    assert "before and after" not in told
    *lines, ending = told[told.index("  the newest") :].split("\n")
    assert lines[:5] == [
        "  the newest 7 rows become 3 rows of 3 windows",
        "    2  closed: loaded as here",
        "    1  open: more rows are waited for",
        "",
        "  the first of them, closed and newest windows first; _row counts source rows",
    ]
    assert [line.split()[:6] for line in lines[5:9]] == [
        ["status", "hour", "avg_temperature", "reading_count", "_row"],
        ["1", "closed", "ok", "2026-01-31T09:00:00Z", "110.0", "2"],
        ["2", "closed", "ok", "2026-01-31T08:00:00Z", "22.0", "2"],
        ["3", "open", "ok", lines[8].split()[3], "3.0", "1"],
    ]
    assert lines[9:] == [
        "",
        "  of the newest 7 rows",
        "    1  can't be loaded as they are",
        "    1  without a time, and so in no window",
    ]
    assert ending == ""


def test_closed_windows_are_loaded_as_they_are_shown_after_other_steps_too(site: Site) -> None:
    site.execute(LATER)
    site.settings(HOURLY)
    before = {path: path.stat().st_mtime_ns for path in site.folder.rglob("*")}
    done = site.run("preview", "--json")
    assert {path: path.stat().st_mtime_ns for path in site.folder.rglob("*")} == before
    (shown,) = json.loads(done.output)
    aggregated = shown["aggregated"]
    assert (shown["excluded"], shown["withheld"]) == ({"temperature <": 1}, ["status"])
    assert shown["rows"][0]["after"]["owner"] == "**a"
    assert (aggregated["rows"], aggregated["without_time"]) == (3, 1)
    assert aggregated["windows"] == {"closed": 2, "open": 1, "in part": 0}
    assert "Ada" not in json.dumps(aggregated)
    assert site.upload().exit_code == 0
    hour = "strftime(hour AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"
    columns = f"owner, {hour}, avg_temperature, count_temperature, reading_count, _row"
    closed = [tuple(one["row"].values()) for one in aggregated["first"] if one["window"] == "closed"]
    assert sorted(closed, key=str) == sorted(tables.rows(site.table("hourly"), columns, "1, 2"), key=str)


def test_what_stops_an_aggregation_is_told_too(site: Site) -> None:
    site.settings(HOURLY.replace("temperature: [avg", "temprature: [avg"))
    done = site.run("preview")
    assert done.exit_code == 2
    assert "which is no column there, did you mean 'temperature'?" in done.output
