"""Settings from four sources: precedence, aliases, places, and all faults at once."""

import re
from pathlib import Path

import pytest

from databricks_uploader.errors import ConfigError
from databricks_uploader.settings.model import Settings
from databricks_uploader.settings.resolve import Resolved, Sources, resolve

FLAGS = {"--sqlite": "x.db", "--delta-path": "lake"}


def config(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def settings(**sources: object) -> Settings:
    return resolve(Sources(**{"flags": FLAGS, **sources})).settings()  # type: ignore[arg-type]


def faults(resolved: Resolved) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        resolved.settings()
    lines = str(raised.value).splitlines()
    return [re.sub(":  +", ": ", line.removeprefix("  ")) for line in (lines[1:] if len(lines) > 1 else lines)]


def test_the_command_line_stands_over_the_environment_that_over_the_file_and_that_over_defaults(tmp_path: Path) -> None:
    file = config(tmp_path, "interval: 60\nnode_id: pump\nonce: yes\nretry_for: 1\n")
    found = settings(flags={**FLAGS, "--interval": "7"}, environment={"INTERVAL": "8", "NODE_ID": "valve"}, config=file)
    assert (found.interval, found.node_id, found.once, found.retry_for) == (7, "valve", True, 1)
    assert (found.log_level, found.spool_max_bytes) == ("info", 256 << 20)


def test_where_each_value_came_from_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("\nLOG_LEVEL=debug\n")
    found = resolve(
        Sources({"--sqlite": "x.db"}, {"NODE_ID": "a"}, config(tmp_path, "interval: 60\n"), tmp_path / ".env")
    )
    assert {name: given.place.label for name, given in found.given.items()} == {
        "sqlite": "--sqlite",
        "node_id": "environment NODE_ID",
        "log_level": ".env:2",
        "interval": "config.yaml:1",
    }


def test_relative_paths_of_the_file_are_relative_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file = config(tmp_path, "sqlite_path: data/x.db\nstate_dir: /state\n")
    found = settings(flags={"--delta-path": "lake"}, config=file)
    assert found.sqlite == tmp_path / "data" / "x.db"
    assert found.delta_path == tmp_path / "elsewhere" / "lake"
    assert found.state_dir == Path("/state")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("interval: soon", "config.yaml:1: interval takes a time above 0 such as 300, 30s or 5m, not 'soon'"),
        ("interval: 0", "config.yaml:1: interval takes a time above 0 such as 300, 30s or 5m, not '0'"),
        ("once: maybe", "config.yaml:1: once takes true or false, not 'maybe'"),
        ("log_level: loud", "config.yaml:1: log_level takes one of debug, info, warning, error, not 'loud'"),
        ("\nintervall: 3", "config.yaml:2: no setting 'intervall', did you mean 'interval'?"),
        ("NODE_ID: a", "config.yaml:1: no setting 'NODE_ID', did you mean 'node_id'?"),
        ("zzz: 3", "config.yaml:1: no setting 'zzz'"),
        ("interval: 1\nupload_interval: 2",
         "config.yaml:2: upload_interval has another value than config.yaml:1, which means the same"),
        ("interval: 1\ninterval: 2",
         "config.yaml:2: interval has another value than config.yaml:1, which means the same"),
        ("min_rows: 0", "config.yaml:1: min_rows takes a number above 0, not '0'"),
        ("node_id: dapi0123456789abcdef", "config.yaml:1: node_id looks like a token, and would be shown"),
        ("node_id: [a]", "config.yaml:1: node_id takes one value"),
        ("node_id: ''", "config.yaml:1: node_id takes a name, not ''"),
        ("filter_config: '{}'\nenable_filter: false", "config.yaml:1: filter_config takes a mapping"),
        ("node_id: ${NOT_THERE}", "config.yaml:1: the variable NOT_THERE is not set"),
        ("node_id: ${NOT_THERE:-x}", "config.yaml:1: only ${NAME} is expanded; write $$ for a dollar sign"),
        ("- a", "config.yaml:1: settings are `key: value` lines"),
        ("a: [", "config.yaml:2: not YAML: expected the node content, but found '<stream end>'"),
        ("filter_config: &a {b: *a}\nenable_filter: false",
         "config.yaml:1: an alias (*) stands inside of what it repeats"),
        ("filter_config: {b: 1, b: 2}\nenable_filter: false", "config.yaml:1: 'b' is given twice"),
        ("sqlite_path: 'C:\\data\\x.db'",
         "config.yaml:1: sqlite is a Windows path: C:\\data\\x.db; here paths look like /data/sensor.db"),
    ],
)  # fmt: skip
def test_a_fault_names_its_place_and_what_is_wrong(tmp_path: Path, text: str, fault: str) -> None:
    flags = {"--delta-path": "lake"} if "sqlite" in text else FLAGS
    told = faults(resolve(Sources(flags, {}, config(tmp_path, text + "\n" if text == "a: [" else text))))
    assert told[0] == fault
    assert told[1:] in ([], ["no source: set --sqlite FILE (sqlite in YAML)"])


def test_all_faults_are_told_at_once_in_the_order_of_their_places(tmp_path: Path) -> None:
    file = config(tmp_path, "onse: 1\nspool_max_bytes: -1\n")
    assert faults(resolve(Sources({"--interval": "x"}, {"LOG_LEVEL": "'info'"}, file))) == [
        "config.yaml:1: no setting 'onse', did you mean 'once'?",
        "config.yaml:2: spool_max_bytes takes a size above 0 such as 67108864 or 64MiB, not '-1'",
        "environment LOG_LEVEL: log_level still carries its quotes: write the value without them",
        "--interval: interval takes a time above 0 such as 300, 30s or 5m, not 'x'",
        "no source: set --sqlite FILE (sqlite in YAML)",
        (
            "no destination: set --delta-path DIR (delta_path in YAML) for Delta tables in a local folder, or "
            "databricks_host, databricks_http_path and databricks_database for a workspace"
        ),
    ]


def test_a_value_that_another_source_overrules_is_not_looked_at(tmp_path: Path) -> None:
    file = config(tmp_path, "sqlite: /path/to/sensor.db\ninterval: soon\nnode_id: ${NOT_THERE}\n")
    found = settings(flags={**FLAGS, "--interval": "1"}, environment={"NODE_ID": "a"}, config=file)
    assert (found.interval, found.node_id) == (1, "a")


def test_steps_that_are_off_and_empty_values_are_no_faults(tmp_path: Path) -> None:
    file = config(tmp_path, "enable_filter: false\ncreate_tables: true\nnode_id:\n")
    assert settings(config=file, environment={"NODE_ID": "", "ONCE": "", "DATABRICKS_HOST": ""}).node_id is None


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "On"])
def test_what_means_true(text: str) -> None:
    assert settings(environment={"ONCE": text}).once
    assert not settings(environment={"ONCE": text}, flags={**FLAGS, "--once": "false"}).once


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "OFF"])
def test_what_means_false(text: str) -> None:
    assert not settings(environment={"ONCE": text}).once


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300", 300), ("0.5", 0.5), ("5m", 300), ("1h30m", 5400), ("1h 30m", 5400), ("250ms", 0.25), ("2d", 172800)],
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert settings(environment={"INTERVAL": text}).interval == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("67108864", 64 << 20), ("64MiB", 64 << 20), ("64 mib", 64 << 20), ("1Gi", 1 << 30), ("1.5MB", 1_500_000)],
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert settings(environment={"SPOOL_MAX_BYTES": text}).spool_max_bytes == size


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e12", "5 weeks", "5m5", "", " "])
def test_what_is_no_duration(text: str) -> None:
    assert faults(resolve(Sources({**FLAGS, "--interval": text})))[0].startswith("--interval: interval takes a time")


def test_aliases_with_one_meaning_are_no_contradiction_and_across_sources_precedence_decides(tmp_path: Path) -> None:
    same = config(tmp_path, "interval: 300\nupload_interval: 5m\nsqlite: x.db\nsqlite_path: ./x.db\n")
    assert settings(config=same, flags={"--delta-path": "lake"}).interval == 300
    assert settings(config=same, environment={"UPLOAD_INTERVAL": "6"}).interval == 6


def test_two_variables_of_one_meaning_and_two_values_are_a_contradiction() -> None:
    told = faults(resolve(Sources(FLAGS, {"INTERVAL": "5", "UPLOAD_INTERVAL": "6"})))
    assert told == [
        "environment UPLOAD_INTERVAL: upload_interval has another value than environment INTERVAL, which means the same"
    ]


def test_a_variable_that_is_nearly_one_of_ours_is_not_passed_over() -> None:
    told = faults(resolve(Sources(FLAGS, {"ENABLE_SANITISE": "true", "DATABRICKS_RUNTIME_VERSION": "15"})))
    assert told == ["environment ENABLE_SANITISE: no setting has this variable, did you mean ENABLE_SANITIZE?"]


def test_variables_in_values_are_expanded_and_a_doubled_dollar_is_one(tmp_path: Path) -> None:
    file = config(tmp_path, "node_id: ${SITE}-$${x}-${NUMBER}\ninterval: ${NUMBER}\n")
    found = settings(config=file, environment={"SITE": "north", "NUMBER": "3"})
    assert (found.node_id, found.interval) == ("north-${x}-3", 3)


def test_values_of_rules_are_of_the_type_that_they_are_written_in(tmp_path: Path) -> None:
    values = [
        "1",
        "1.5",
        ".5",
        "-2",
        "true",
        "'1'",
        "text",
        "012",
        "1:30",
        "1_000",
        "2026-01-02",
        "${N}",
        "'${N}'",
    ]
    lines = "".join(f"\n      - {value}" for value in values)
    found = resolve(Sources(FLAGS, {"N": "3"}, config(tmp_path, f"filter_config:\n  a:\n    in:{lines}\n")))
    (condition,) = found.values["filter_config"].conditions
    assert [(type(value), value) for value in condition.values] == [
        (type(value), value)
        for value in (1, 1.5, 0.5, -2, True, "1", "text", "012", "1:30", "1_000", "2026-01-02", 3, "3")
    ]


@pytest.mark.parametrize("text", ["xxxxxxxx", "/path/to/x", "your_name"])
def test_rules_may_hold_what_would_be_a_placeholder_elsewhere(text: str) -> None:
    rules = '{"name": {"replace_value": "a", "with_value": "' + text + '"}}'
    assert resolve(Sources(FLAGS, {"SANITIZE_CONFIG": rules, "ENABLE_SANITIZE": "no"})).faults == ()


def test_a_missing_file_is_named_and_the_one_that_is_there(tmp_path: Path) -> None:
    missing = tmp_path / "uploader-config.yaml"
    assert faults(resolve(Sources(FLAGS, config=missing))) == [f"--config: no file {missing}"]
    (tmp_path / "databricks-uploader-config.yaml").touch()
    assert faults(resolve(Sources(FLAGS, config=missing))) == [
        f"--config: no file {missing}; there is {tmp_path}/databricks-uploader-config.yaml"
    ]


def test_no_file_is_read_by_itself_but_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uploader-config.yaml").write_text("sqlite: x.db\n")
    monkeypatch.chdir(tmp_path)
    assert faults(resolve(Sources({"--delta-path": "lake"}))) == [
        "no source: set --sqlite FILE (sqlite in YAML); settings of uploader-config.yaml count only with --config "
        "uploader-config.yaml"
    ]


def test_two_steps_are_one_fault_that_names_both() -> None:
    told = faults(resolve(Sources(FLAGS, {"ENABLE_FILTER": "1", "ENABLE_AGGREGATE": "1"})))
    assert (
        "environment ENABLE_AGGREGATE: enable_aggregate is on, and so is enable_filter (environment ENABLE_FILTER): at "
        "most one step here, several in pipelines" in told
    )
