"""Rules carried out: which rows and values arrive, where, and what stops a pipeline before anything does."""

import json
from pathlib import Path

import pytest
from deltalake import DeltaTable, Schema
from tests.support.sanitized import KEY, PEOPLE, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path)
    found.execute(PEOPLE)
    return found


def add(site: Site, *rows: str) -> None:
    site.execute(*(f"INSERT INTO people VALUES ({row})" for row in rows))


FOUR = (
    "1, '2026-01-31T08:10:00Z', 'Ada', 'error', 21.5",
    "2, '2026-01-31T08:20:00Z', 'Bob', '', NULL",
    "3, '2026-01-31T09:30:00Z', NULL, 'ok', 200",
    "4, '2026-01-31T09:40:00Z', 'Cyd', 'active', 22",
)


def test_filtered_rows_go_into_the_filtered_table_and_the_others_are_counted(site: Site) -> None:
    add(site, *FOUR)
    site.settings('enable_filter: true\nfilter_config: {temperature: {">": -50, "<": 150}, owner: Ada}')
    done = site.upload()
    assert site.rows("filtered_people", "id, _row, temperature") == [(1, 1, 21.5)]
    assert not site.table("raw_people").exists()
    assert (
        "loaded 1 of 4 rows into filtered_people: 1 excluded by temperature >; 1 excluded by temperature <; "
        "1 excluded by owner =" in done.errors
    )
    assert "excluded  1 row by owner =" in site.run("state", "show").output


def test_sanitized_rows_go_into_the_secure_table(site: Site) -> None:
    add(site, *FOUR)
    site.environment["SANITIZE_HASH_KEY"] = KEY
    site.settings("""
enable_sanitize: true
sanitize_config:
  remove_nulls: [temperature]
  replace_values: {status: {error: unknown, '': unknown}}
  owner: {hash: true}
  ts: {truncate_time: hour}
""")
    done = site.upload()
    assert done.exit_code == 0
    rows = site.rows("secure_people", "id, status, length(owner), strftime(ts AT TIME ZONE 'UTC', '%H:%M')")
    assert rows == [(1, "unknown", 64, "08:00"), (3, "ok", None, "09:00"), (4, "active", 64, "09:00")]
    assert "loaded 3 of 4 rows into secure_people: 1 excluded by temperature remove_nulls; 1 altered by status" in (
        done.errors
    )
    newest = json.loads((site.state / "last_upload.json").read_text())["secure_people"]["last_uploaded_timestamp"]
    assert newest == "2026-01-31T09:00:00+00:00"


def test_the_statistics_in_the_table_are_those_of_the_written_file(site: Site) -> None:
    add(site, "1, '2026-01-31T08:10:00Z', 'Ada', 'ok', 21.456")
    site.settings("enable_sanitize: true\nsanitize_config: {temperature: {round: 1}, ts: {truncate_time: day}}")
    site.upload()
    log = "".join(entry.read_text() for entry in (site.table("secure_people") / "_delta_log").glob("*.json"))
    assert "21.5" in log
    assert "21.456" not in log
    assert "2026-01-31T08:10" not in log


def test_the_examples_of_the_original_run_from_yaml_and_from_variables(site: Site) -> None:
    add(site, *FOUR)
    site.settings("""
enable_filter: true
filter_config:
  temperature:
    ">": -50
    "<": 150
  status: "active"
""")
    site.upload()
    assert site.rows("filtered_people", "id") == [(4,)]
    site.settings("")
    site.environment |= {
        "ENABLE_SANITIZE": "true",
        "SANITIZE_CONFIG": '{"owner": "[A-C]", "status": {"replace_value": "ok", "with_value": "Y"}}',
    }
    site.upload()
    assert site.rows("secure_people", "owner, status") == [("da", "error"), ("ob", ""), (None, "Y"), ("yd", "active")]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("enable_filter: true\nfilter_config: {temprature: 1}",
         "filter_config.temprature is about 'temprature', which is no column there, did you mean 'temperature'?"),
        ("enable_filter: true\nfilter_config: {temperature: warm}",
         "filter_config.temperature is DOUBLE, and 'warm' is no number"),
        ("enable_sanitize: true\nsanitize_config: {owner: 'x[a-'}",
         "sanitize_config.owner is no pattern of RE2: missing ] at character 2"),
    ],
)  # fmt: skip
def test_a_rule_that_can_not_be_applied_stops_before_anything_is_written(site: Site, rules: str, told: str) -> None:
    add(site, *FOUR)
    site.settings(rules)
    done = site.upload()
    assert done.exit_code == 2
    assert told in done.errors
    assert not site.folder.joinpath("lake").exists()
    assert not [*site.state.joinpath("spool").iterdir(), *site.state.joinpath("work").iterdir()]


def test_a_missing_key_of_hash_stops(site: Site) -> None:
    site.settings("enable_sanitize: true\nsanitize_config: {owner: {hash: true}}")
    done = site.upload()
    assert (done.exit_code, "hash needs a key" in done.errors) == (2, True)


def test_two_steps_are_a_fault_that_names_both_and_where_they_were_set(site: Site) -> None:
    site.settings("enable_filter: true\nfilter_config: {id: 1}")
    site.environment |= {"ENABLE_SANITIZE": "1", "SANITIZE_CONFIG": '{"owner": "x"}'}
    done = site.upload()
    assert done.exit_code == 2
    assert "config.yaml:5: enable_filter is on, and so is enable_sanitize (environment ENABLE_SANITIZE)" in done.errors


def test_a_prefix_of_another_scenario_stays_with_a_warning(site: Site) -> None:
    add(site, FOUR[0])
    site.settings("databricks_table: raw_people\nenable_filter: true\nfilter_config: {id: 1}")
    assert "rows go into 'filtered_raw_people'" in site.upload().errors
    assert site.rows("filtered_raw_people", "id") == [(1,)]


def test_rows_in_the_order_of_their_times_go_through_the_steps_too(site: Site) -> None:
    add(site, *FOUR)
    site.settings("cursor: timestamp\nenable_filter: true\nfilter_config: {temperature: {'<': 100}}")
    assert site.upload().exit_code == 0
    assert site.rows("filtered_people", "id") == [(1,), (4,)]
    add(site, "5, '2026-01-31T09:41:00Z', 'Dee', 'ok', 1")
    site.upload()
    assert site.rows("filtered_people", "id") == [(1,), (4,), (5,)]


def test_a_table_that_is_there_keeps_its_types_and_its_columns_are_the_judged_ones(site: Site) -> None:
    add(site, *FOUR)
    types = {"temperature": "float", "status": "string", "owner": "string", "_row": "long", "_batch_id": "long"}
    fields = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in types.items()]
    schema = {"type": "struct", "fields": fields}
    DeltaTable.create(site.table("secure_people"), Schema.from_json(json.dumps(schema)))
    site.settings("enable_sanitize: true\nsanitize_config: {temperature: {round: 0}, owner: {mask: {keep_last: 1}}}")
    done = site.upload()
    assert done.exit_code == 0, done.errors
    assert site.rows("secure_people", "temperature, status, owner, _row, typeof(temperature)") == [
        (22.0, "error", "**a", 1, "FLOAT"), (None, "", "**b", 2, "FLOAT"), (200.0, "ok", None, 3, "FLOAT"),
        (22.0, "active", "**d", 4, "FLOAT"),
    ]  # fmt: skip


def test_state_is_not_rebuilt_where_a_rule_touches_the_key(site: Site) -> None:
    add(site, *FOUR)
    site.settings("enable_sanitize: true\nsanitize_config: {id: {drop: true}}")
    site.upload()
    done = site.run("state", "rebuild")
    assert done.exit_code == 2
    assert "a rule touches the source's key: secure_people can't tell which row was loaded last" in done.errors
    assert "after row 4" in site.run("state", "show").output


def test_columns_with_odd_names_are_ruled_by_the_names_of_the_source(site: Site) -> None:
    columns = '"full name" TEXT, "Ärger" REAL, ärger REAL'
    values = "'Ada', 1.26, 1.26"
    site.execute("DROP TABLE people", f"CREATE TABLE people ({columns})", f"INSERT INTO people VALUES ({values})")
    site.settings("enable_sanitize: true\nsanitize_config: {Full Name: {redact: x}, ärger: {round: 1}}")
    done = site.upload()
    assert done.exit_code == 0, done.errors
    assert site.rows("secure_people", '"full%20name", "Ärger", "%C3%A4rger"') == [("x", 1.26, 1.3)]


def test_a_rule_sees_the_source_s_column_where_the_table_has_none_for_it(site: Site) -> None:
    add(site, *FOUR)
    site.settings("enable_filter: true\nfilter_config: {temperature: {'<': 100}}\non_new_column: withhold")
    fields = [{"name": "owner", "type": "string", "nullable": True, "metadata": {}},
              {"name": "_row", "type": "long", "nullable": True, "metadata": {}},
              {"name": "_batch_id", "type": "long", "nullable": True, "metadata": {}}]  # fmt: skip
    schema = Schema.from_json(json.dumps({"type": "struct", "fields": fields}))
    DeltaTable.create(site.table("filtered_people"), schema)
    assert site.upload().exit_code == 0
    assert site.rows("filtered_people", "owner, _row") == [("Ada", 1), ("Cyd", 4)]


def test_a_rule_that_makes_text_of_a_column_that_is_none_in_the_table_is_refused(site: Site) -> None:
    add(site, *FOUR)
    fields = [{"name": "temperature", "type": "double", "nullable": True, "metadata": {}}]
    DeltaTable.create(site.table("secure_people"), Schema.from_json(json.dumps({"type": "struct", "fields": fields})))
    site.settings("enable_sanitize: true\nsanitize_config: {temperature: {redact: '-'}}")
    done = site.upload()
    assert done.exit_code == 1
    assert "column 'temperature' of the target table is DOUBLE, and the rules make it STRING" in done.errors
