"""Settings from the command line and a YAML file, and all their faults at once."""

from pathlib import Path

import pytest

from databricks_uploader.errors import ConfigError
from databricks_uploader.settings.read import read

GIVEN = {"sqlite": "x.db", "delta_path": "lake"}


def config(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_the_command_line_stands_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    found = read({**GIVEN, "interval": "7"}, config(tmp_path, "interval: 60\nnode_id: pump\nonce: yes\n"))
    assert (found.interval, found.node_id, found.once, found.retry_for) == (7, "pump", True, 60)


def test_relative_paths_of_the_file_are_relative_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = read({"delta_path": "lake"}, config(tmp_path, "sqlite_path: data/x.db\nstate_dir: /state\n"))
    assert found.sqlite == tmp_path / "data" / "x.db"
    assert found.delta_path == tmp_path / "elsewhere" / "lake"
    assert found.state_dir == Path("/state")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("interval: soon", "config.yaml:1: interval takes a number of seconds above 0, not 'soon'"),
        ("interval: 0", "config.yaml:1: interval takes a number of seconds above 0, not '0'"),
        ("once: maybe", "config.yaml:1: once takes true or false, not 'maybe'"),
        ("log_level: loud", "config.yaml:1: log_level takes one of debug, info, warning, error, not 'loud'"),
        ("\nintervall: 3", "config.yaml:2: no setting 'intervall', did you mean 'interval'?"),
        ("zzz: 3", "config.yaml:1: no setting 'zzz'"),
        ("interval: 1\nupload_interval: 2",
         "config.yaml:2: upload_interval has another value than config.yaml:1, which means the same"),
        ("enable_sanitize: true", "config.yaml:1: enable_sanitize is not available in this version"),
        ("filter_config: {a: 1}", "config.yaml:1: filter_config is not available in this version"),
        ("databricks_host: x", "config.yaml:1: databricks_host is not available in this version"),
        ("node_id: [a]", "config.yaml:1: node_id takes one value"),
        ("node_id: ''", "config.yaml:1: node_id takes a name, not ''"),
        ("- a", "config.yaml:1: settings are `key: value` lines"),
        ("a: [", "config.yaml:2: not YAML: expected the node content, but found '<stream end>'"),
    ],
)  # fmt: skip
def test_a_fault_names_its_place_and_what_is_wrong(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(GIVEN, config(tmp_path, text + "\n" if text == "a: [" else text))
    assert str(raised.value) == fault


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read({"interval": "x"}, config(tmp_path, "onse: 1\nspool_max_bytes: -1\n"))
    assert str(raised.value).splitlines() == [
        "5 faults in the settings:",
        "  config.yaml:1: no setting 'onse', did you mean 'once'?",
        "  --interval: interval takes a number of seconds above 0, not 'x'",
        "  config.yaml:2: spool_max_bytes takes a number of bytes above 0, not '-1'",
        "  no source: set --sqlite FILE (sqlite in YAML)",
        (
            "  no destination: set --delta-path DIR (delta_path in YAML) for Delta tables in a local folder; "
            "a Databricks workspace (databricks_host, …) is not available in this version"
        ),
    ]


def test_steps_that_are_off_and_empty_values_are_no_faults(tmp_path: Path) -> None:
    assert read(GIVEN, config(tmp_path, "enable_filter: false\nnode_id:\n")).node_id is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config: no file"):
        read(GIVEN, tmp_path / "nope.yaml")
