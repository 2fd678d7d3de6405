"""A destination in a workspace, put together of its parts."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from databricks_uploader.destinations.databricks import staging
from databricks_uploader.destinations.databricks.authentication import ClientCredentials, Credential, GivenToken
from databricks_uploader.destinations.databricks.by_merge import ByMerge
from databricks_uploader.destinations.databricks.by_volume import ByVolume
from databricks_uploader.destinations.databricks.https import Https
from databricks_uploader.destinations.databricks.target import Statements
from databricks_uploader.destinations.databricks.volume import Volume as VolumeFolder
from databricks_uploader.destinations.databricks.windows import WindowsByMerge, WindowsByVolume
from databricks_uploader.events import Tell
from databricks_uploader.model.claim import Identity
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.workspace import Host, Volume, Workspace, quoted
from databricks_uploader.ports import Clock, Destination


@dataclass(frozen=True)
class Setup:
    """What settings say of a workspace, whichever table it is about."""

    workspace: Workspace
    credential: Credential
    volume: Volume | None
    """Where files are staged; None: rows go by MERGE."""
    retention_s: float
    create_tables: bool


def given(token: Callable[[], Secret]) -> Credential:
    """Return a credential that is read where a person put it."""
    return GivenToken(token)


def client(host: Host, client_id: str, secret: Secret) -> Credential:
    """Return the credential of a service principal."""
    return ClientCredentials(Https(host), client_id, secret)


def destination(
    setup: Setup, identity: Identity, key: Sequence[str], clock: Clock, tell: Tell
) -> tuple[Destination, str]:
    """Return the destination, and where and how it loads in words.

    `key`: the source's key columns where they are loaded as they are.
    """
    workspace, connect, table = setup.workspace, _connecting(setup, clock, tell), _named(setup.workspace, identity)
    if setup.volume is None:
        merge = ByMerge(connect, workspace, identity, key=key, create_tables=setup.create_tables)
        return merge, f"{table} by MERGE, some 10,000 rows/s (with databricks_volume ten times as many)"
    folder = VolumeFolder(Https(workspace.host), setup.credential, staging.folder_of(setup.volume, identity))
    volume = ByVolume(
        connect, workspace, identity, folder, retention_s=setup.retention_s, create_tables=setup.create_tables
    )
    return volume, f"{table} by the volume {setup.volume}, some 100,000 rows/s where the network is as fast"


def of_windows(
    setup: Setup, identity: Identity, keys: Sequence[str], clock: Clock, tell: Tell
) -> tuple[Destination, str]:
    """Return the destination of aggregated rows, which `keys` tell apart."""
    workspace, connect, table = setup.workspace, _connecting(setup, clock, tell), _named(setup.workspace, identity)
    if setup.volume is None:
        return WindowsByMerge(connect, workspace, identity, keys=keys, create_tables=setup.create_tables), table
    folder = VolumeFolder(Https(workspace.host), setup.credential, staging.folder_of(setup.volume, identity))
    volume = WindowsByVolume(
        connect, workspace, identity, folder,
        keys=keys, retention_s=setup.retention_s, create_tables=setup.create_tables,
    )  # fmt: skip
    return volume, f"{table} by the volume {setup.volume}"


def _connecting(setup: Setup, clock: Clock, tell: Tell) -> Callable[[], Statements]:
    """Return what opens a session."""
    _silence("databricks", "urllib3")

    def connect() -> Statements:
        # The connector takes half a second to import; most cycles have nothing to load.
        from databricks_uploader.destinations.databricks.session import Session  # noqa: PLC0415

        return Session(setup.workspace, setup.credential, clock, tell)

    return connect


def _named(workspace: Workspace, identity: Identity) -> str:
    """Return where the target table is, in words."""
    return f"{workspace.schema}.{quoted(identity.target_table)} at {workspace.host} ({workspace.http_path.compute})"


def _silence(*loggers: str) -> None:
    """Keep to themselves what libraries log: of errors ours tell, and nobody asked for the rest on standard error."""
    for name in loggers:
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
