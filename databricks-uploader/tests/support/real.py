"""A real workspace, with the few things that tests ask of the local one."""

import os
from typing import Any, Self

import pyarrow as pa

from databricks import sql
from databricks_uploader.destinations.databricks.authentication import ClientCredentials, Credential, GivenToken
from databricks_uploader.destinations.databricks.https import Https
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.workspace import Host

PLACE = ("DATABRICKS_HOST", "DATABRICKS_HTTP_PATH")
TOKEN = "DATABRICKS_TOKEN"  # noqa: S105  (a variable's name)
CLIENT = ("DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET")


def lacking() -> list[str]:
    """Return the variables that are still to be set: a token, or an OAuth client in its place."""
    who = CLIENT if os.environ.get(CLIENT[0]) else (TOKEN,)
    return [name for name in (*PLACE, *who) if not os.environ.get(name)]


class NoFaults:
    """Nothing goes wrong on purpose there."""

    def clear(self) -> None:
        pass


class RealWorkspace:
    """The workspace that the environment names, and who we are to it."""

    def __init__(self, host: Host, http_path: str, variables: dict[str, str]) -> None:
        self.host, self.port, self.http_path = host.name, host.port, http_path
        self.variables, self.faults = variables, NoFaults()
        self._credential: Credential = (
            GivenToken(lambda: Secret(variables[TOKEN]))
            if TOKEN in variables
            else ClientCredentials(Https(host), variables[CLIENT[0]], Secret(variables[CLIENT[1]]))
        )

    @classmethod
    def from_environment(cls) -> Self:
        host, http_path = (os.environ[name] for name in PLACE)
        name, _, port = host.removeprefix("https://").rstrip("/").partition(":")
        who = {name: os.environ[name] for name in (TOKEN, *CLIENT) if os.environ.get(name)}
        return cls(Host(name, int(port) if port else None), http_path, who)

    @property
    def token(self) -> str:
        """A token that counts now: the one given, or one that OAuth lends."""
        return self._credential.token().reveal()

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
