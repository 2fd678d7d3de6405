"""Several pipelines of one source: each with its table, its state and its troubles."""

from pathlib import Path

import pytest
from deltalake import DeltaTable, Schema
from tests.support.sanitized import KEY, PEOPLE, Site

THREE = """
pipelines:
  - name: everything
    scenario: raw
  - name: warm
    scenario: filtered
    filter_config: {temperature: {'>': 20}}
    target: warm
  - name: public
    steps:
      - filter: {temperature: {is_null: false}}
      - sanitize: {owner: {hash: true}, status: {drop: true}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path, {"SANITIZE_HASH_KEY": KEY})
    found.execute(PEOPLE)
    return found


def add(site: Site, *keys: int) -> None:
    site.execute(
        *(f"INSERT INTO people VALUES ({k}, '2026-01-31T08:10:00Z', 'Ada', 'ok', {k * 10 or 'NULL'})" for k in keys)
    )


def ids(site: Site) -> dict[str, list[int]]:
    return {name: [key for (key,) in site.rows(name, "id")] for name in ("raw_people", "warm", "secure_people")}


def test_each_pipeline_loads_into_its_own_table(site: Site) -> None:
    add(site, 1, 2, 3)
    site.settings(THREE)
    assert site.upload().exit_code == 0
    add(site, 4)
    done = site.upload()
    assert ids(site) == {"raw_people": [1, 2, 3, 4], "warm": [3, 4], "secure_people": [1, 2, 3, 4]}
    assert "status" not in site.columns("secure_people")
    assert "all is uploaded: 3 rows in this run" in done.errors
    assert site.run("state", "show").output.count("\npipeline") == 3


def test_one_that_fails_holds_back_no_other_and_the_gravest_exit_code_counts(site: Site) -> None:
    add(site, 1, 2, 3)
    site.settings(THREE.replace("owner: {hash", "ownr: {hash").replace("target: warm", "target: nested"))
    DeltaTable.create(site.table("nested"), _nested(), mode="error")
    done = site.upload()
    assert site.rows("raw_people", "id") == [(1,), (2,), (3,)]
    assert "pipelines.2.steps.1.sanitize.ownr is about 'ownr', which is no column there" in done.errors
    assert "column 'id' of the target table is ARRAY" in done.errors
    assert done.exit_code == 2


def test_a_state_error_of_one_is_graver_than_a_fault_of_another(site: Site) -> None:
    add(site, 1)
    site.settings(THREE)
    site.upload()
    add(site, 2)
    for file in (site.table("warm") / "_delta_log").iterdir():
        file.unlink()
    DeltaTable.create(site.table("warm"), DeltaTable(site.table("raw_people")).schema())
    add(site, 3)
    site.settings(THREE.replace("owner: {hash", "ownr: {hash"))
    done = site.upload()
    assert done.exit_code == 3, done.errors
    assert ids(site)["raw_people"] == [1, 2, 3]


def test_two_pipelines_of_one_table_are_refused(site: Site) -> None:
    add(site, 1)
    site.settings("pipelines:\n  - {name: a, scenario: raw}\n  - {name: b, steps: []}")
    done = site.upload()
    assert done.exit_code == 2
    assert "the pipelines 'a' and 'b' have one target table, 'raw_people'" in done.errors
    assert not site.table("raw_people").exists()


def test_rows_in_quarantine_of_each_are_replayed(site: Site) -> None:
    add(site, 1)
    site.settings(THREE)
    site.upload()
    site.execute("INSERT INTO people VALUES (2, '2026-01-31T08:10:00Z', 'Bob', 'ok', 'warm')")
    site.upload()
    assert len(site.run("quarantine", "list").output.splitlines()) == 6
    site.execute("UPDATE people SET temperature = 40 WHERE id = 2")
    assert site.run("quarantine", "replay", "--all").output == "1 row is loaded; 2 can't be loaded still\n"
    assert ids(site) == {"raw_people": [1], "warm": [], "secure_people": [1, 2]}


def _nested() -> Schema:
    return Schema.from_json(
        '{"type": "struct", "fields": [{"name": "id", "nullable": true, "metadata": {}, "type": {"type": "array", '
        '"elementType": "long", "containsNull": true}}]}'
    )
