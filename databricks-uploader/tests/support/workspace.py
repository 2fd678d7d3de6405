"""Destinations on the local warehouse, as the program makes them, and what is in their tables."""

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from tests.support.fakes import START
from tests.support.real import RealWorkspace
from tests.support.warehouse import Warehouse

from databricks_uploader.clock import SystemClock
from databricks_uploader.destinations.databricks import staging
from databricks_uploader.destinations.databricks.authentication import Credential, GivenToken
from databricks_uploader.destinations.databricks.by_merge import ByMerge
from databricks_uploader.destinations.databricks.by_volume import ByVolume
from databricks_uploader.destinations.databricks.https import Https
from databricks_uploader.destinations.databricks.session import Session
from databricks_uploader.destinations.databricks.volume import Volume as VolumeFolder
from databricks_uploader.errors import UploaderError
from databricks_uploader.events import Event
from databricks_uploader.model.claim import Identity
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.workspace import Compute, Host, HttpPath, Schema, Volume, Workspace
from databricks_uploader.ports import Clock

RETENTION_S = 3_600.0
READINGS = "id BIGINT, timestamp TIMESTAMP, sensor STRING, temperature DOUBLE, status BIGINT"
LINEAGE = "_node_id STRING, _incarnation BIGINT, _batch_id BIGINT, _row BIGINT, _loaded_at TIMESTAMP"
_numbers = itertools.count(1)


def see_idle_cost_nothing(warehouse: Warehouse, upload: Callable[[], object]) -> None:
    """See that an upload that has nothing due asks the workspace nothing, unless it is one that can't be done."""
    try:
        upload()
    except UploaderError:
        return
    before = len(warehouse.requests), warehouse.meter.awake_s
    upload()
    assert (len(warehouse.requests), warehouse.meter.awake_s) == before, "nothing was due, and it cost something"


@dataclass
class Edge:
    """A schema and a volume of one test in a warehouse that tests may share; SSL_CERT_FILE names its authority."""

    warehouse: Warehouse | RealWorkspace
    clock: Clock = field(default_factory=SystemClock)
    token: str = ""
    credential: Credential | None = None
    schema: str = field(default_factory=lambda: f"edge_{os.getpid()}_{next(_numbers)}")
    retention_s: float = RETENTION_S
    told: list[Event] = field(default_factory=list)
    catalog: str = "main"

    def __post_init__(self) -> None:
        self.warehouse.sql(f"CREATE SCHEMA {self.catalog}.{self.schema}")
        self.warehouse.sql(f"CREATE VOLUME {self.catalog}.{self.schema}.files")

    @property
    def host(self) -> Host:
        return Host(self.warehouse.host, self.warehouse.port)

    @property
    def workspace(self) -> Workspace:
        path = HttpPath(self.warehouse.http_path, Compute.WAREHOUSE)
        return Workspace(self.host, path, Schema(self.catalog, self.schema))

    @property
    def volume(self) -> Volume:
        return Volume(self.catalog, self.schema, "files")

    def session(self) -> Session:
        return Session(self.workspace, self.credential_of_admin(), self.clock, self.told.append)

    def folder(self, identity: Identity) -> VolumeFolder:
        return VolumeFolder(Https(self.host), self.credential_of_admin(), staging.folder_of(self.volume, identity))

    def by_volume(self, identity: Identity, *, create_tables: bool = True) -> ByVolume:
        return ByVolume(
            self.session,
            self.workspace,
            identity,
            self.folder(identity),
            retention_s=self.retention_s,
            create_tables=create_tables,
        )

    def by_merge(self, identity: Identity, key: Sequence[str] = (), *, create_tables: bool = True) -> ByMerge:
        return ByMerge(self.session, self.workspace, identity, key=key, create_tables=create_tables)

    def flags(self, *, volume: bool) -> tuple[str, ...]:
        """Return the flags that make the program load here; who we are comes with `variables`."""
        given = {
            "--databricks-host": str(self.host),
            "--databricks-http-path": self.warehouse.http_path,
            "--databricks-database": f"{self.catalog}.{self.schema}",
        }
        if volume:
            given["--databricks-volume"] = f"{self.catalog}.{self.schema}.files"
        return tuple(part for pair in given.items() for part in pair)

    def variables(self) -> dict[str, str]:
        """Return the environment that the program needs to be known and to trust the warehouse."""
        if isinstance(self.warehouse, RealWorkspace):
            return self.warehouse.variables
        known = {"DATABRICKS_TOKEN": self.token or self.warehouse.token}
        return known | {"SSL_CERT_FILE": str(self.warehouse.certificate)}

    def create_table(self, *, lineage: bool, columns: str = READINGS, name: str = "raw_readings") -> None:
        """Create the target table, as its owner does."""
        listed = f"{columns}, {LINEAGE}" if lineage else columns
        self.warehouse.sql(f"CREATE TABLE {self.catalog}.{self.schema}.{name} ({listed})")

    def rights(self, table: str = "raw_readings") -> list[tuple[str, str]]:
        """Return the rights that the uploader needs, each with what it is on: those of docs/databricks.md."""
        place = f"{self.catalog}.{self.schema}"
        return [
            ("USE CATALOG", f"CATALOG {self.catalog}"),
            ("USE SCHEMA", f"SCHEMA {place}"),
            ("SELECT, MODIFY", f"TABLE {place}.{table}"),
            ("READ VOLUME, WRITE VOLUME", f"VOLUME {place}.files"),
        ]

    def drop(self) -> None:
        """Remove the schema with all that is in it."""
        self.warehouse.sql(f"DROP SCHEMA IF EXISTS {self.catalog}.{self.schema} CASCADE")

    def table(self, name: str = "raw_readings") -> pa.Table:
        return self.warehouse.table(f"{self.catalog}.{self.schema}.{name}")

    def rows(self, name: str = "raw_readings") -> list[tuple[Any, ...]]:
        """Return (id, time in s after START, value, _node_id, _batch_id, _row) of all rows, in order of id."""
        found = self.table(name).sort_by("id").to_pylist()
        own = ("id", "time", "value", "_node_id", "_batch_id", "_row")
        return [tuple((row[c] - START).total_seconds() if c == "time" else row.get(c) for c in own) for row in found]

    def credential_of_admin(self) -> Credential:
        return self.credential or GivenToken(lambda: Secret(self.token or self.warehouse.token))
