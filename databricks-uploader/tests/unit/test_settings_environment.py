"""Files of variables, and settings by precedence whatever gives them."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_uploader.commands.show_config import drawn
from databricks_uploader.errors import ConfigError
from databricks_uploader.model.steps import Condition, FilterStep, Operator
from databricks_uploader.settings.model import KEYS, NAMES, VARIABLES, Key
from databricks_uploader.settings.resolve import Resolved, Sources, resolve

LEVELS = ("yaml", "env_file", "environment", "flag")
VALUES = {
    "node_id": st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    "interval": st.integers(1, 10**6).map(str),
    "once": st.sampled_from(["true", "false", "yes", "0"]),
    "spool_max_bytes": st.integers(1, 10**9).map(lambda n: f"{n}KiB"),
    "log_level": st.sampled_from(["debug", "info", "warning", "error"]),
}
ASSIGNMENTS = st.fixed_dictionaries(
    {}, optional={(key, level): value for key, value in VALUES.items() for level in LEVELS}
)


@given(assigned=ASSIGNMENTS, empty=st.sets(st.sampled_from(sorted(VALUES))))
def test_any_assignment_of_values_to_sources_resolves_by_precedence(
    assigned: dict[tuple[str, str], str], empty: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("settings")
    by_level = {level: {key: text for (key, at), text in assigned.items() if at == level} for level in LEVELS}
    (folder / "c.yaml").write_text("".join(f"{key}: '{text}'\n" for key, text in by_level["yaml"].items()))
    (folder / "v.env").write_text("".join(f"{key.upper()}='{text}'\n" for key, text in by_level["env_file"].items()))
    resolved = resolve(
        Sources(
            flags={"--" + key.replace("_", "-"): text for key, text in by_level["flag"].items()},
            environment={key.upper(): "" for key in empty}
            | {key.upper(): text for key, text in by_level["environment"].items()},
            config=folder / "c.yaml",
            env_file=folder / "v.env",
        )
    )
    assert resolved.faults == ()
    for key in VALUES:
        deciding = [level for level in reversed(LEVELS) if key in by_level[level]]
        alone = {"--" + key.replace("_", "-"): by_level[deciding[0]][key]} if deciding else {}
        assert resolved.values[key] == resolve(Sources(alone)).values[key]
        assert (key in resolved.given) == bool(deciding)


PIECES = st.sampled_from(
    [
        *NAMES, *VARIABLES, ": ", "=", "\n", "- ", "? ", "{", "}", "[", "]", "'", '"', "&a", "*a", "<<", "!!int", "${",
        "X", "}", "$$", "\t", "  ", "1", "5m", "~", "~x", "null", "|", "#", "é", "\0", "%", "`", ".", "/", "e9", "1:30",
        ">", "in",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=14).map("".join)


@given(yaml=TEXTS, variables=TEXTS, text=TEXTS, key=st.sampled_from(KEYS))
def test_whatever_is_written_is_a_setting_or_a_fault(
    yaml: str, variables: str, text: str, key: Key, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "c.yaml").write_text(yaml)
    (folder / "v.env").write_text(variables)
    given = dict.fromkeys(key.variables, text)
    resolved = resolve(Sources({key.flags[0]: text}, {"X": text, **given}, folder / "c.yaml", folder / "v.env"))
    with suppress(ConfigError):
        resolved.settings()
    assert drawn(resolved).splitlines()[0].split() == ["setting", "value", "from"]


def read(folder: Path, text: str, environment: dict[str, str] | None = None) -> Resolved:
    (folder / ".env").write_bytes(text.encode())
    return resolve(Sources({}, environment or {}, env_file=folder / ".env"))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NODE_ID=pump", "pump"),
        ("export NODE_ID=pump", "pump"),
        ("  NODE_ID=pump  ", "pump"),
        ("NODE_ID=pump # the third", "pump"),
        ("NODE_ID=pump#3", "pump#3"),
        ("NODE_ID='pump # 3'  # the third", "pump # 3"),
        ('NODE_ID="pump # 3" # the third', "pump # 3"),
        (r'NODE_ID="a \"b\" \\ \$c"', r'a "b" \ $c'),
        (r"NODE_ID='a \"b\" $c'", r"a \"b\" $c"),
        ("NODE_ID=pump\r\n", "pump"),
        ("NODE_ID=a\nNODE_ID=pump", "pump"),
        ("# NODE_ID=x\n\n  # y\nNODE_ID=pump\n", "pump"),
        ("\ufeffNODE_ID=pump", "pump"),
        ("NODE_ID=\n", None),
        ("NODE_ID=''", None),
        ("NODE_ID=# nothing", "# nothing"),
    ],
)
def test_lines_of_a_file_of_variables(line: str, value: str | None, tmp_path: Path) -> None:
    resolved = read(tmp_path, line)
    assert resolved.faults == ()
    assert resolved.values["node_id"] == value


def test_a_quoted_value_may_go_over_lines_and_places_are_those_of_names(tmp_path: Path) -> None:
    text = "ENABLE_FILTER=no\nFILTER_CONFIG='{\n  \"a\": 1\n}'\nINTERVAL=x\nLOG_LEVEL=loud\n"
    resolved = read(tmp_path, text)
    assert resolved.values["filter_config"] == FilterStep(
        (Condition(column="a", operator=Operator.EQUAL, values=(1,)),)
    )
    assert [fault.place.label for fault in resolved.faults] == [".env:5", ".env:6"]


def test_variables_that_are_set_win_and_empty_ones_are_not_set(tmp_path: Path) -> None:
    resolved = read(tmp_path, "NODE_ID=file\nLOG_LEVEL=debug\n", {"NODE_ID": "set", "LOG_LEVEL": ""})
    assert (resolved.values["node_id"], resolved.values["log_level"]) == ("set", "debug")


def test_a_reference_in_a_file_of_variables_is_a_fault_and_no_literal(tmp_path: Path) -> None:
    for text in ('NODE_ID="${HOST}"', "NODE_ID=$HOST"):
        (fault,) = read(tmp_path, text, {"HOST": "x"}).faults
        assert fault.told() == ".env:1: ${…} is not expanded in an --env-file; write the value, or '…' around it"


@pytest.mark.parametrize("text", ["NODE_ID pump", "NODE_ID: pump", "NODE_ID='pump", "a b=c", "=x"])
def test_a_line_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    (fault,) = read(tmp_path, "\n" + text).faults
    assert fault.told() == ".env:2: is not a NAME=value line"


def test_yaml_may_refer_to_a_file_of_variables(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("node_id: ${SITE}-7\n")
    (tmp_path / ".env").write_text("SITE=north\n")
    resolved = resolve(Sources(config=tmp_path / "c.yaml", env_file=tmp_path / ".env"))
    assert resolved.values["node_id"] == "north-7"


def test_a_file_of_variables_that_is_not_there_is_named(tmp_path: Path) -> None:
    (fault,) = resolve(Sources(env_file=tmp_path / "no.env")).faults
    assert fault.told() == f"--env-file: no file {tmp_path}/no.env"
