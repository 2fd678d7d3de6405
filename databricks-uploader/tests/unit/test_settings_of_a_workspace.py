"""Names in a Databricks workspace, and who we are to it."""

import os
from pathlib import Path

import pytest

from databricks_uploader.model.secret import Secret, masked
from databricks_uploader.model.workspace import quoted
from databricks_uploader.settings import authentication
from databricks_uploader.settings.credentials import TokenFile
from databricks_uploader.settings.databricks import parts
from databricks_uploader.settings.resolve import Resolved, Sources, resolve

TOKEN = "dapi0123456789abcdef"  # noqa: S105
AZURE = "adb-1234567890123456.7.azuredatabricks.net"
WORKSPACE = {"DATABRICKS_HOST": AZURE, "DATABRICKS_HTTP_PATH": "/sql/1.0/warehouses/a1", "DATABRICKS_DATABASE": "d"}
CLIENT = {"DATABRICKS_CLIENT_ID": "me", "DATABRICKS_CLIENT_SECRET": "dose0123456789abcdef"}


def told(resolved: Resolved) -> list[str]:
    return [fault.text for fault in resolved.faults if "is not available in this version" not in fault.text]


@pytest.mark.parametrize(
    ("key", "text", "meaning"),
    [
        ("host", AZURE, AZURE),
        ("host", f"https://{AZURE}/", AZURE),
        ("host", f"HTTPS://{AZURE.upper()}:443", AZURE),
        ("host", "localhost:8443/", "localhost:8443"),
        ("http_path", "/sql/1.0/warehouses/abcdef1234567890", "/sql/1.0/warehouses/abcdef1234567890 (SQL warehouse)"),
        ("http_path", "sql/1.0/endpoints/abcdef1234567890/", "/sql/1.0/endpoints/abcdef1234567890 (SQL warehouse)"),
        ("http_path", "sql/protocolv1/o/123/0123-456789-abc", "/sql/protocolv1/o/123/0123-456789-abc "
                                                               "(all-purpose cluster)"),
        ("database", "sensor-data", "`sensor-data`"),
        ("database", "main.`plant.7`", "`main`.`plant.7`"),
        ("database", "`a``b`.c", "`a``b`.`c`"),
        ("database", "`select`", "`select`"),
        ("volume", "main.plant.uploads", "/Volumes/main/plant/uploads"),
        ("volume", "/Volumes/main/plant/uploads/edge/", "/Volumes/main/plant/uploads/edge"),
        ("table", "`my-table`", "my-table"),
        ("table", "`a.b`", "a.b"),
    ],
)  # fmt: skip
def test_a_name_is_what_its_writer_meant(key: str, text: str, meaning: str) -> None:
    resolved = resolve(Sources(environment={f"DATABRICKS_{key.upper()}": text}))
    assert str(resolved.values[f"databricks_{key}"]) == meaning


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("host", "http://" + AZURE), ("host", f"{AZURE}/sql"), ("host", "a b"), ("host", f"https://u:p@{AZURE}"),
        ("http_path", "/sql/1.0/warehouses/"), ("http_path", "/sql/1.0/warehouses/a/b"), ("http_path", "abcdef12"),
        ("database", "a.b.c"), ("database", "a..b"), ("database", ".a"), ("database", "a."), ("database", "`a"),
        ("database", "a b"), ("database", "a/b"), ("database", "``"), ("volume", "uploads"),
        ("volume", "/Volumes/main/plant"), ("volume", "/Volumes/main//x"), ("table", "a.b"), ("table", "../a"),
    ],
)  # fmt: skip
def test_a_name_that_can_be_none_is_a_fault(key: str, text: str) -> None:
    resolved = resolve(Sources(environment={f"DATABRICKS_{key.upper()}": text}))
    assert resolved.values[f"databricks_{key}"] is None
    assert any(text.startswith(f"databricks_{key} ") for text in told(resolved))


@pytest.mark.parametrize("names", [["a"], ["a.b", "c"], ["`", "x`y"], ["-", "é"]])
def test_what_is_quoted_is_read_back(names: list[str]) -> None:
    assert parts(quoted(*names)) == names


WAYS = [
    ({"DATABRICKS_TOKEN": TOKEN}, "pat, by databricks_token (environment DATABRICKS_TOKEN)"),
    (CLIENT, "oauth-m2m, by databricks_client_id (environment DATABRICKS_CLIENT_ID)"),
    ({"DATABRICKS_TOKEN": TOKEN, **CLIENT}, "pat, by databricks_token (environment DATABRICKS_TOKEN)"),
    ({"DATABRICKS_TOKEN": TOKEN, **CLIENT, "DATABRICKS_AUTH_TYPE": "oauth-m2m"},
     "oauth-m2m, by databricks_client_id (environment DATABRICKS_CLIENT_ID)"),
    ({"DATABRICKS_TOKEN_FILE": "{f}/token", **CLIENT},
     "pat, by databricks_token_file (environment DATABRICKS_TOKEN_FILE)"),
    ({"DATABRICKS_TOKEN_FILE": "{f}/token", "DATABRICKS_TOKEN": TOKEN},
     "pat, by databricks_token (environment DATABRICKS_TOKEN)"),
    ({"DATABRICKS_CONFIG_PROFILE": "plant"}, "pat, by databricks_token (.databrickscfg [plant])"),
    ({"DATABRICKS_CONFIG_PROFILE": "robot"}, "oauth-m2m, by databricks_client_id (.databrickscfg [robot])"),
    ({"DATABRICKS_CONFIG_PROFILE": "plant", "DATABRICKS_TOKEN": TOKEN},
     "pat, by databricks_token (environment DATABRICKS_TOKEN)"),
    ({"DATABRICKS_CONFIG_PROFILE": "plant", "DATABRICKS_TOKEN_FILE": "{f}/token"},
     "pat, by databricks_token_file (environment DATABRICKS_TOKEN_FILE)"),
    ({"DATABRICKS_CONFIG_PROFILE": "plant", **CLIENT}, "pat, by databricks_token (.databrickscfg [plant])"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "way"), WAYS)
def test_the_way_to_authenticate_is_chosen_as_databricks_own_tools_do(
    given: dict[str, str], way: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / ".databrickscfg").write_text(
        f"[DEFAULT]\nhost = https://{AZURE}\ntoken = other\n[plant]\nhost = https://{AZURE}\ntoken = {TOKEN}\n"
        f"[robot]\nhost={AZURE}\nclient_id = me\nclient_secret = dose0123456789abcdef\n"
    )
    variables = {name: text.format(f=tmp_path) for name, text in given.items()}
    places = {"DATABRICKS_CONFIG_FILE": str(tmp_path / ".databrickscfg")}
    resolved = resolve(Sources(environment={**WORKSPACE, **places, **variables}))
    assert told(resolved) == []
    assert authentication.chosen(resolved.values, resolved.given) == way


def test_a_profile_gives_the_host_where_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "cfg").write_text(f"[plant]\nhost = https://{AZURE}/\n")
    named = {"DATABRICKS_CONFIG_FILE": str(tmp_path / "cfg"), "DATABRICKS_CONFIG_PROFILE": "plant"}
    resolved = resolve(Sources(environment=named))
    assert str(resolved.values["databricks_host"]) == AZURE
    assert resolved.given["databricks_host"].place.label == "cfg [plant]"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({}, "no way to authenticate: set DATABRICKS_TOKEN, databricks_token_file, DATABRICKS_CLIENT_ID with "
             "DATABRICKS_CLIENT_SECRET, or DATABRICKS_CONFIG_PROFILE"),
        ({**CLIENT, "DATABRICKS_AUTH_TYPE": "pat"}, "no way to authenticate: set DATABRICKS_TOKEN, "
             "databricks_token_file, DATABRICKS_CLIENT_ID with DATABRICKS_CLIENT_SECRET, or DATABRICKS_CONFIG_PROFILE"),
        ({"DATABRICKS_CLIENT_ID": "me"}, "databricks_client_id needs databricks_client_secret"),
        ({"DATABRICKS_CLIENT_SECRET": "x"}, "databricks_client_secret needs databricks_client_id"),
        ({"DATABRICKS_TOKEN_FILE": "{f}/none"}, "databricks_token_file names no file: {f}/none"),
        ({"DATABRICKS_TOKEN_FILE": "{f}/empty"}, "databricks_token_file holds no token of one word: {f}/empty"),
        ({"DATABRICKS_CONFIG_PROFILE": "x", "DATABRICKS_TOKEN": TOKEN},
         "databricks_config_profile: no profile 'x' in {f}/cfg; there are plant"),
        ({"DATABRICKS_CONFIG_PROFILE": "plant", "DATABRICKS_TOKEN": TOKEN},
         "databricks_auth_type takes one of pat, oauth-m2m, not 'databricks-cli'"),
        ({"DATABRICKS_CONFIG_PROFILE": "x", "DATABRICKS_CONFIG_FILE": "{f}/none", "DATABRICKS_TOKEN": TOKEN},
         "databricks_config_profile needs the file {f}/none: No such file or directory"),
        ({"DATABRICKS_CONFIG_PROFILE": "x", "DATABRICKS_CONFIG_FILE": "{f}/broken", "DATABRICKS_TOKEN": TOKEN},
         "databricks_config_profile needs {f}/broken to be a Databricks configuration file"),
    ],
)  # fmt: skip
def test_what_keeps_a_workspace_from_knowing_us(given: dict[str, str], fault: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "cfg").write_text("[plant]\nauth_type = databricks-cli\n")
    (tmp_path / "broken").write_text(f"token = {TOKEN}\n")
    variables = {name: text.format(f=tmp_path) for name, text in given.items()}
    resolved = resolve(Sources(environment={**WORKSPACE, "DATABRICKS_CONFIG_FILE": str(tmp_path / "cfg"), **variables}))
    assert told(resolved) == [fault.format(f=tmp_path)]


def test_a_token_file_gives_what_it_holds_now(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token")
    file.path.write_text("first\n")
    assert file.token().reveal() == "first"
    (tmp_path / "new").write_text("second")
    (tmp_path / "new").replace(file.path)
    assert file.token().reveal() == "second"


def test_a_secret_is_never_part_of_a_text() -> None:
    secret = Secret(TOKEN)
    assert TOKEN not in f"{secret} {secret!r} {[secret]} {vars(secret) and ''}"
    assert secret == Secret(TOKEN)


@pytest.mark.parametrize("text", [f"no file {TOKEN}", f"https://me:{TOKEN}@host", "x dose0123456789abcdef y"])
def test_what_looks_like_a_token_is_masked_wherever_it_was_put(text: str) -> None:
    assert "0123456789" not in masked(text)


def test_secrets_that_others_can_read_are_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"databricks_token: {TOKEN}\n")
    for mode, warnings in ((0o600, 0), (0o640, 1), (0o644, 1)):
        file.chmod(mode)
        assert len(resolve(Sources(config=file)).warnings) == warnings
    assert resolve(Sources(environment={"DATABRICKS_TOKEN": TOKEN})).warnings == ()
    assert resolve(Sources(flags={"--databricks-token": TOKEN})).warnings == (
        "--databricks-token: lists of processes show it to everybody on this machine; set DATABRICKS_TOKEN instead",
    )
    assert os.fspath(file) in resolve(Sources(config=file)).warnings[0]


def where(flags: dict[str, str], variables: dict[str, str]) -> str:
    return resolve(Sources({"--sqlite": "x.db", **flags}, variables)).settings().destination


def test_rows_go_where_the_settings_are_of() -> None:
    workspace = WORKSPACE | {"DATABRICKS_TOKEN": TOKEN}
    assert where({"--delta-path": "lake"}, {}) == "delta"
    assert where({}, workspace) == "databricks"
    assert where({"--delta-path": "lake", "--destination": "databricks"}, workspace) == "databricks"
    assert where({"--delta-path": "lake", "--destination": "delta"}, workspace) == "delta"
    assert where({"--delta-path": "lake"}, {"DATABRICKS_TOKEN": TOKEN}) == "delta"


def test_both_a_folder_and_a_workspace_need_a_word() -> None:
    resolved = resolve(Sources({"--sqlite": "x.db", "--delta-path": "lake"}, WORKSPACE | {"DATABRICKS_TOKEN": TOKEN}))
    assert [fault.text for fault in resolved.faults] == [
        "delta_path is given, and a workspace too: say where rows go (destination: delta or databricks), or take one "
        "of them out"
    ]


def test_a_workspace_that_is_wanted_and_not_there_is_a_fault() -> None:
    resolved = resolve(Sources({"--sqlite": "x.db", "--destination": "databricks"}, {}))
    assert [fault.text.split(" (")[0] for fault in resolved.faults] == [
        "no databricks_host", "no databricks_http_path", "no databricks_database",
        "no way to authenticate: set DATABRICKS_TOKEN, databricks_token_file, DATABRICKS_CLIENT_ID with "
        "DATABRICKS_CLIENT_SECRET, or DATABRICKS_CONFIG_PROFILE",
    ]  # fmt: skip
