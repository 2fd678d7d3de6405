"""A real workspace, with the few things that tests ask of the local one."""

import os
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from databricks import sql

NEEDED = ("DATABRICKS_HOST", "DATABRICKS_HTTP_PATH", "DATABRICKS_TOKEN")


class NoFaults:
    """Nothing goes wrong on purpose there."""

    def clear(self) -> None:
        pass


class RealWorkspace:
    """The workspace that DATABRICKS_HOST, DATABRICKS_HTTP_PATH and DATABRICKS_TOKEN name."""

    certificate: Path | None = None

    def __init__(self, host: str, http_path: str, token: str) -> None:
        self.host, _, port = host.partition(":")
        self.port = int(port) if port else None
        self.http_path, self.token, self.faults = http_path, token, NoFaults()

    @classmethod
    def from_environment(cls) -> Self:
        return cls(*(os.environ[name] for name in NEEDED))

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Run a statement; its rows."""
        with self._connect() as connection, connection.cursor() as cursor:
            return [row.asDict() for row in cursor.execute(statement).fetchall()]

    def table(self, name: str) -> pa.Table:
        """Read a table."""
        with self._connect() as connection, connection.cursor() as cursor:
            return cursor.execute(f"SELECT * FROM {name}").fetchall_arrow()

    def _connect(self) -> Any:  # noqa: ANN401  (the connector's, as a context)
        more = {} if self.port is None else {"_port": self.port}
        return sql.connect(
            server_hostname=self.host, http_path=self.http_path, access_token=self.token, enable_telemetry=False, **more
        )
