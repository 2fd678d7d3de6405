"""What `preview` shows, and that it writes nothing."""

import json
from pathlib import Path

import pytest
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
