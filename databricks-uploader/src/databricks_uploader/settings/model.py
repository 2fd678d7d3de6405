"""The settings, each with its name, its meaning and its default."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Settings:
    """Everything that a person set, checked as far as that can be done without touching anything."""

    sqlite: Path
    delta_path: Path
    sqlite_table_name: str | None
    timestamp_col: str | None
    databricks_table: str | None
    state_dir: Path | None
    node_id: str | None
    interval: float
    once: bool
    retry_for: float
    spool_max_bytes: int
    log_level: str


@dataclass(frozen=True)
class Key:
    """One setting: its YAML name, its flag, and how a person's text becomes its value."""

    name: str
    flag: str
    parse: Callable[[str], Any]
    help: str
    default: Any = None
    aliases: tuple[str, ...] = ()
    metavar: str = "TEXT"


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 10**9:
        raise ValueError
    return value


def _positive_seconds(text: str) -> float:
    value = _seconds(text)
    if value == 0:
        raise ValueError
    return value


def _bytes(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _boolean(text: str) -> bool:
    return {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }[text.lower()]


def _level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise ValueError
    return text.lower()


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text


KEYS = (
    Key("sqlite", "--sqlite", Path, "SQLite database to read.", aliases=("sqlite_path",), metavar="FILE"),
    Key("sqlite_table_name", "--sqlite-table", _name, "Table to read; by default the only one.", metavar="NAME"),
    Key("timestamp_col", "--timestamp-col", _name, "Column with the rows' time; by default found.", metavar="COL"),
    Key("delta_path", "--delta-path", Path, "Folder of local Delta tables to load into.", metavar="DIR"),
    Key("databricks_table", "--table", _name, "Target table raw_NAME; by default the source table's.", metavar="NAME"),
    Key("state_dir", "--state-dir", Path, "Folder of our own state; /state, else ./state.", metavar="DIR"),
    Key("node_id", "--node-id", _name, "Name of this node; by default made of host name and machine id.", metavar="ID"),
    Key("interval", "--interval", _positive_seconds, "Seconds between two cycles.", 300.0, ("upload_interval",), "S"),
    Key("once", "--once", _boolean, "Upload what there is, then exit.", default=False),
    Key("retry_for", "--retry-for", _seconds, "With --once: seconds to keep trying.", 60.0, metavar="S"),
    Key("spool_max_bytes", "--spool-max-bytes", _bytes, "Limit of files waiting to be loaded.", 256 << 20, metavar="N"),
    Key("log_level", "--log-level", _level, f"One of {', '.join(LOG_LEVELS)}.", "info", metavar="L"),
)  # fmt: skip

EXPECTED: dict[Callable[[str], Any], str] = {
    _seconds: "a number of seconds",
    _positive_seconds: "a number of seconds above 0",
    _bytes: "a number of bytes above 0",
    _boolean: "true or false",
    _level: f"one of {', '.join(LOG_LEVELS)}",
    _name: "a name",
}
"""What a parser takes, in a person's words."""

NOT_YET = (
    "databricks_host", "databricks_http_path", "databricks_token", "databricks_database",
    "enable_sanitize", "enable_filter", "enable_aggregate", "sanitize_config", "filter_config", "aggregate_config",
    "pipelines",
)  # fmt: skip
"""Settings that the product knows and this version can't carry out: a fault, never ignored."""
