"""The settings, each with its names, its kind, its meaning and its default: one row of one table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from databricks_uploader.model.plan import Plan
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.step_faults import StepFault
from databricks_uploader.model.workspace import Host, HttpPath, Schema, Volume
from databricks_uploader.settings import aggregation, databricks, pipelines, rules
from databricks_uploader.settings.credentials import Way
from databricks_uploader.settings.kinds import (
    BOOLEAN,
    COUNT,
    DURATION,
    HASH_KEY,
    NAME,
    PATH,
    POSITIVE_DURATION,
    SECRET,
    SIZE,
    START,
    ZONE,
    Kind,
    choice,
)


@dataclass(frozen=True)
class Settings:
    """Everything that a person set, checked as far as that can be done without touching anything."""

    sqlite: Path
    delta_path: Path | None
    sqlite_table_name: str | None
    timestamp_col: str | None
    cursor: str
    start: datetime | Literal["beginning", "now"] | None
    late_arrival: float
    source_timezone: str
    on_new_column: Literal["add", "withhold", "stop"] | None
    quarantine_max_rows: int
    databricks_table: str | None
    state_dir: Path | None
    node_id: str | None
    interval: float
    once: bool
    retry_for: float
    spool_max_bytes: int
    log_level: str
    create_tables: bool | None
    databricks_host: Host | None
    databricks_http_path: HttpPath | None
    databricks_database: Schema | None
    databricks_volume: Volume | None
    stage_retention: float
    min_rows: int | None
    max_delay: float | None
    destination: Literal["delta", "databricks"]
    """The one that is set, or that the other settings are of."""
    authentication: Way | None
    """Who we are to the workspace; None where there is none."""
    quarantine_store: Literal["reasons", "full"] | None
    plans: tuple[Plan, ...]
    hash_key: Secret | None
    check_rules: Callable[[Plan, Iterable[StepFault]], None]
    """Raises ConfigError that lists what is wrong with the rules of a plan, each with its place."""


@dataclass(frozen=True)
class Key:
    """One setting. Every name gives a YAML key, a variable in capitals and a flag with hyphens."""

    group: str
    name: str
    kind: Kind
    help: str
    default_text: str | None = None
    """As a person would write it; None where the setting is unset unless given."""
    aliases: tuple[str, ...] = ()
    short_flags: tuple[str, ...] = ()
    flag_only: bool = False
    """Whether it is said for one run, and has neither YAML key nor variable."""
    in_yaml: bool = True
    """Whether it has a YAML key."""
    available: bool = True
    """Whether this version can carry it out; if not, any value but the default is a fault."""

    @property
    def names(self) -> tuple[str, ...]:
        """The setting's YAML keys."""
        return self._names if self.in_yaml else ()

    @property
    def flags(self) -> tuple[str, ...]:
        """The setting's flags, the one to be shown first."""
        return (*self.short_flags, *(f"--{name.replace('_', '-')}" for name in (self.name, *self.aliases)))

    @property
    def variables(self) -> tuple[str, ...]:
        """The setting's environment variables."""
        return tuple(name.upper() for name in self._names)

    @property
    def _names(self) -> tuple[str, ...]:
        return () if self.flag_only else (self.name, *self.aliases)

    @property
    def default(self) -> Any:  # noqa: ANN401  (each key has its own type)
        """The value where none is given."""
        return None if self.default_text is None else self.kind.parse(self.default_text)


_later = partial(Key, available=False)
_SOURCE, _TARGET, _WORKSPACE, _STEPS, _RUN = "Source", "Target tables", "Databricks workspace", "Steps", "Running"
GROUPS = (_SOURCE, _TARGET, _WORKSPACE, _STEPS, _RUN)

KEYS = (
    Key(_SOURCE, "sqlite", PATH, "SQLite database to read.", aliases=("sqlite_path",)),
    Key(_SOURCE, "sqlite_table_name", NAME, "Table to read; unset: the only one.", short_flags=("--sqlite-table",)),
    Key(_SOURCE, "timestamp_col", NAME, "Column with the rows' time; unset: found by name or type."),
    Key(_SOURCE, "cursor", choice("CURSOR", "auto", "rowid", "timestamp"),
        "What rows are read in the order of; auto: the rowid, wherever there is one.", "auto"),
    Key(_SOURCE, "start", START, "Where the first start begins: beginning (unset), now, or a time."),
    Key(_SOURCE, "late_arrival", DURATION, "With cursor timestamp: how late a row may come.", "10m"),
    Key(_SOURCE, "source_timezone", ZONE, "Time zone of times that name none.", "UTC"),
    Key(_SOURCE, "quarantine_max_rows", COUNT, "Most rows that are set aside because they can't be loaded.", "10000"),
    Key(_SOURCE, "quarantine_store", choice("WHAT", "reasons", "full"),
        "What is kept of them; unset: full, with a sanitize step reasons and rowids only."),
    Key(_TARGET, "destination", choice("KIND", "delta", "databricks"),
        "Where rows go; unset: where the settings are of one of the two only."),
    Key(_TARGET, "delta_path", PATH, "Folder of local Delta tables to load into."),
    Key(_TARGET, "databricks_table", databricks.TABLE,
        "Target table without its prefix; unset: the source table's name.", short_flags=("--table",)),
    Key(_TARGET, "on_new_column", choice("ACTION", "add", "withhold", "stop"),
        "What becomes of a source column that the target table lacks; unset: add, of a sanitize step withhold."),
    Key(_TARGET, "create_tables", BOOLEAN,
        "Create target tables that are not there; unset: true for local Delta tables, false in a workspace."),
    Key(_TARGET, "min_rows", COUNT, "Load when so many rows wait, or one for max_delay; unset: whatever waits."),
    Key(_TARGET, "max_delay", POSITIVE_DURATION,
        "How long a row may wait for others; unset: 1h with min_rows, else not at all."),
    Key(_WORKSPACE, "databricks_host", databricks.HOST, "The workspace's host name."),
    Key(_WORKSPACE, "databricks_http_path", databricks.HTTP_PATH, "HTTP path of a SQL warehouse or a cluster."),
    Key(_WORKSPACE, "databricks_database", databricks.SCHEMA, "Schema of the tables, or catalog.schema."),
    Key(_WORKSPACE, "databricks_volume", databricks.VOLUME, "Volume that files are put into to be loaded."),
    Key(_WORKSPACE, "stage_retention", DURATION, "How long files stay in the volume once they are loaded.", "1d"),
    Key(_WORKSPACE, "databricks_token", SECRET, "Access token; better as a variable or in databricks_token_file."),
    Key(_WORKSPACE, "databricks_token_file", PATH, "File with the access token, read again when it changes."),
    Key(_WORKSPACE, "databricks_client_id", NAME, "Client id of a service principal (OAuth)."),
    Key(_WORKSPACE, "databricks_client_secret", SECRET, "Its secret."),
    Key(_WORKSPACE, "databricks_config_profile", NAME, "Profile of the Databricks configuration file to use."),
    Key(_WORKSPACE, "databricks_config_file", PATH, "That file.", "~/.databrickscfg"),
    Key(_WORKSPACE, "databricks_auth_type", databricks.AUTH_TYPE, "Way to authenticate; unset: the first possible."),
    Key(_STEPS, "enable_sanitize", BOOLEAN, "Sanitize rows; they go into secure_ tables.", "false"),
    Key(_STEPS, "sanitize_config", rules.SANITIZE, "Rules for sanitizing."),
    Key(_STEPS, "sanitize_hash_key", HASH_KEY, "Key of hash, the same on all nodes whose hashes are to be equal.",
        in_yaml=False),
    Key(_STEPS, "sanitize_hash_key_file", PATH, "File with that key, instead."),
    Key(_STEPS, "enable_filter", BOOLEAN, "Filter rows; they go into filtered_ tables.", "false"),
    Key(_STEPS, "filter_config", rules.FILTER, "Rules for filtering."),
    Key(_STEPS, "enable_aggregate", BOOLEAN, "Aggregate rows; they go into aggregated_ tables.", "false"),
    Key(_STEPS, "aggregate_config", aggregation.AGGREGATE, "Rules for aggregating."),
    Key(_STEPS, "pipelines", pipelines.PIPELINES, "Several pipelines, each with its own steps and target table."),
    Key(_RUN, "state_dir", PATH, "Folder of the uploader's own state; unset: /state, or ./state where there is none."),
    Key(_RUN, "node_id", NAME, "Name of this node; unset: made of host name and machine id."),
    Key(_RUN, "interval", POSITIVE_DURATION, "Time between two cycles.", "5m", ("upload_interval",)),
    Key(_RUN, "once", BOOLEAN, "Upload what there is, then exit.", "false"),
    Key(_RUN, "retry_for", DURATION, "With once: how long to keep trying.", "1m"),
    Key(_RUN, "spool_max_bytes", SIZE, "Limit of the files that wait to be loaded.", "256MiB"),
    Key(_RUN, "log_level", choice("LEVEL", "debug", "info", "warning", "error"), "The least that is logged.", "info"),
    _later(_RUN, "run_query", NAME, "Print what a query returns (INFO: what the table is), then exit.", flag_only=True),
)  # fmt: skip

NAMES = {name: key for key in KEYS for name in key.names}
VARIABLES = {variable: key for key in KEYS for variable in key.variables}
FLAGS = {flag: key for key in KEYS for flag in key.flags}
