"""`quarantine list | show | replay | discard`, as a person types them."""

import json
from pathlib import Path

import pytest
from tests.support import databases, program, tables

GIVEN = ("--sqlite", "sensor.db", "--delta-path", "lake", "--state-dir", "state", "--node-id", "n")
MADE = (
    "CREATE TABLE readings (id INTEGER PRIMARY KEY, ts TEXT, value REAL, note)",
    "INSERT INTO readings VALUES (1, '2026-11-24T08:00:00Z', 20.5, 'fine'), (2, '2026-11-24', 'hot', x'ff00'), "
    "(3, '2026-11-24T08:02:00Z', 21, NULL), (-4, '2026-03-29 02:30:00', 22, 1.5)",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    databases.execute(tmp_path / "sensor.db", *MADE)
    assert program.run(*GIVEN, "--once", "--source-timezone", "Europe/Oslo", cwd=tmp_path).exit_code == 0
    return tmp_path


def quarantine(folder: Path, verb: str, *more: str) -> program.Result:
    given = GIVEN if verb == "replay" else ("--state-dir", "state")
    return program.run("quarantine", verb, *given, *more, cwd=folder)


def loaded(folder: Path) -> list[int]:
    return [row[0] for row in tables.rows(folder / "lake" / "raw_readings", "id")]


def test_list_shows_each_row_with_its_reasons(folder: Path) -> None:
    header, first, second, _, ending = quarantine(folder, "list").output.splitlines()
    assert header == "id  pipeline                 row  claimed               reason"
    assert first.startswith("1   readings → raw_readings  -4   20")
    assert first.endswith("Z  ts: TEXT that is no time")
    assert second.endswith("Z  value: TEXT that is no number; note: BLOB that is not UTF-8")
    assert ending == "2 in quarantine; `quarantine show ID` shows the values of one"


def test_show_prints_the_values_as_the_source_has_them(folder: Path) -> None:
    assert quarantine(folder, "show", "2").output.splitlines()[1:] == [
        "  id     INTEGER  2",
        "  ts     TEXT     2026-11-24",
        "  value  TEXT     hot  ← TEXT that is no number",
        "  note   BLOB     ff00  ← BLOB that is not UTF-8",
    ]


def test_json_tells_the_same(folder: Path) -> None:
    listed = json.loads(quarantine(folder, "list", "--json").output)
    assert [(row["id"], row["key"], sorted(row["reasons"])) for row in listed] == [
        (1, -4, ["ts"]),
        (2, 2, ["note", "value"]),
    ]
    assert json.loads(quarantine(folder, "show", "1", "--json").output)["values"] == [
        {"column": "id", "class": "integer", "value": -4},
        {"column": "ts", "class": "text", "value": "2026-03-29 02:30:00"},
        {"column": "value", "class": "real", "value": 22.0},
        {"column": "note", "class": "real", "value": 1.5},
    ]


def test_replay_loads_what_fits_by_now_and_says_what_does_not(folder: Path) -> None:
    # A time that the clocks of Oslo jumped over is one in UTC.
    result = quarantine(folder, "replay", "--all")
    assert (result.exit_code, result.output) == (0, "1 row is loaded; 1 can't be loaded still\n")
    stays = "WARNING 1 row for raw_readings stays in quarantine: column 'value' holds TEXT that is no number"
    assert stays in result.errors
    assert sorted(loaded(folder)) == [-4, 1, 3]
    assert (
        quarantine(folder, "replay", "2", "--json").output == '{"loaded": 0, "waiting": 0, "excluded": 0, "left": 1}\n'
    )
    assert [row["id"] for row in json.loads(quarantine(folder, "list", "--json").output)] == [2]


def test_discard_deletes_rows_for_good(folder: Path) -> None:
    assert quarantine(folder, "discard", "2").output == "1 row is discarded\n"
    assert quarantine(folder, "discard", "--all", "--json").output == '{"discarded": 1}\n'
    assert quarantine(folder, "list").output == "nothing is in quarantine\n"
    assert loaded(folder) == [1, 3]


@pytest.mark.parametrize(
    ("verb", "more", "code", "words"),
    [
        ("show", ["9"], 2, "no row 9 in quarantine — `databricks-uploader quarantine list` shows which there are"),
        ("discard", ["1", "9", "8"], 2, "no row 8, 9 in quarantine"),
        ("discard", [], 2, "name rows by their ids, or all of them with --all"),
        ("replay", ["1", "--all"], 2, "name rows by their ids, or all of them with --all"),
        ("replay", ["9"], 2, "no row 9 in quarantine"),
        ("show", ["x"], 2, "'x' is not a valid integer"),
    ],
)
def test_a_row_that_is_not_there_and_a_wish_that_is_none_are_said(
    folder: Path, verb: str, more: list[str], code: int, words: str
) -> None:
    result = quarantine(folder, verb, *more)
    assert result.exit_code == code
    assert words in result.errors
    assert len(json.loads(quarantine(folder, "list", "--json").output)) == 2


def test_beside_a_running_uploader_rows_can_be_looked_at_and_not_changed(folder: Path) -> None:
    given = ("--sqlite", folder / "sensor.db", "--delta-path", folder / "lake", "--state-dir", folder / "state")
    with program.running(*given, "--node-id", "n", "--interval", "60") as first:
        program.wait_for(first, "state in")
        assert quarantine(folder, "list").exit_code == 0
        for verb in ("discard", "replay"):
            result = quarantine(folder, verb, "--all")
            assert (result.exit_code, "another uploader" in result.errors) == (75, True)
