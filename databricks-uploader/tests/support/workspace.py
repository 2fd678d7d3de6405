"""Destinations on the local warehouse, as the program makes them, and what is in their tables."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from tests.support.fakes import START
from tests.support.warehouse import Warehouse

from databricks_uploader.clock import SystemClock
from databricks_uploader.destinations.databricks import staging
from databricks_uploader.destinations.databricks.authentication import Credential, GivenToken
from databricks_uploader.destinations.databricks.by_merge import ByMerge
from databricks_uploader.destinations.databricks.by_volume import ByVolume
from databricks_uploader.destinations.databricks.https import Https
from databricks_uploader.destinations.databricks.session import Session
from databricks_uploader.destinations.databricks.volume import Volume as VolumeFolder
from databricks_uploader.events import Event
from databricks_uploader.model.claim import Identity
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.workspace import Compute, Host, HttpPath, Schema, Volume, Workspace
from databricks_uploader.ports import Clock

RETENTION_S = 3_600.0
READINGS = "id BIGINT, timestamp TIMESTAMP, sensor STRING, temperature DOUBLE, status BIGINT"
LINEAGE = "_node_id STRING, _incarnation BIGINT, _batch_id BIGINT, _row BIGINT, _loaded_at TIMESTAMP"
_numbers = itertools.count(1)


@dataclass
class Edge:
    """A schema and a volume of one test in a warehouse that tests may share; SSL_CERT_FILE names its authority."""

    warehouse: Warehouse
    clock: Clock = field(default_factory=SystemClock)
    token: str = ""
    credential: Credential | None = None
    schema: str = field(default_factory=lambda: f"edge{next(_numbers)}")
    retention_s: float = RETENTION_S
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.warehouse.sql(f"CREATE SCHEMA main.{self.schema}")
        self.warehouse.sql(f"CREATE VOLUME main.{self.schema}.files")

    @property
    def host(self) -> Host:
        return Host(self.warehouse.host, self.warehouse.port)

    @property
    def workspace(self) -> Workspace:
        path = HttpPath(self.warehouse.http_path, Compute.WAREHOUSE)
        return Workspace(self.host, path, Schema("main", self.schema))

    @property
    def volume(self) -> Volume:
        return Volume("main", self.schema, "files")

    def session(self) -> Session:
        return Session(self.workspace, self._credential(), self.clock, self.told.append)

    def folder(self, identity: Identity) -> VolumeFolder:
        return VolumeFolder(Https(self.host), self._credential(), staging.folder_of(self.volume, identity))

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
            "--databricks-database": f"main.{self.schema}",
        }
        if volume:
            given["--databricks-volume"] = f"main.{self.schema}.files"
        return tuple(part for pair in given.items() for part in pair)

    def variables(self) -> dict[str, str]:
        """Return the environment that the program needs to be known and to trust the warehouse."""
        return {
            "SSL_CERT_FILE": str(self.warehouse.certificate),
            "DATABRICKS_TOKEN": self.token or self.warehouse.token,
        }

    def create_table(self, *, lineage: bool, columns: str = READINGS, name: str = "raw_readings") -> None:
        """Create the target table, as its owner does."""
        listed = f"{columns}, {LINEAGE}" if lineage else columns
        self.warehouse.sql(f"CREATE TABLE main.{self.schema}.{name} ({listed})")

    def table(self, name: str = "raw_readings") -> pa.Table:
        return self.warehouse.table(f"main.{self.schema}.{name}")

    def rows(self, name: str = "raw_readings") -> list[tuple[Any, ...]]:
        """Return (id, time in s after START, value, _node_id, _batch_id, _row) of all rows, in order of id."""
        found = self.table(name).sort_by("id").to_pylist()
        own = ("id", "time", "value", "_node_id", "_batch_id", "_row")
        return [tuple((row[c] - START).total_seconds() if c == "time" else row.get(c) for c in own) for row in found]

    def _credential(self) -> Credential:
        return self.credential or GivenToken(lambda: Secret(self.token or self.warehouse.token))
