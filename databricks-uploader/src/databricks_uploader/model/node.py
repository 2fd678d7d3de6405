"""Which node this is, and whether state was made on it."""

from dataclasses import dataclass

from databricks_uploader.errors import ConfigError, StateError


@dataclass(frozen=True)
class Machine:
    """What tells one machine from another; None where it can't be read."""

    serial: str | None
    machine_id: str | None

    def differs(self, other: "Machine") -> bool:
        """Tell whether these are surely two machines: by the hardware's serial, else by the system's id.

        A copied disk has the same id on other hardware; the serial may be readable for root alone.
        """
        if self.serial and other.serial:
            return self.serial != other.serial
        return bool(self.machine_id and other.machine_id) and self.machine_id != other.machine_id


@dataclass(frozen=True)
class Node:
    """What state remembers of where it was made."""

    node_id: str
    machine: Machine
    source: str
    """The database file, an absolute path."""


def first_node(configured: str | None, host_name: str, machine: Machine, source: str) -> Node:
    """Return the node of a state directory that has none yet."""
    if configured is None and machine.machine_id is None:
        raise ConfigError(
            "this machine has no id that would last",
            hint="give the node a name of its own: --node-id (node_id in YAML)",
        )
    return Node(configured or f"{host_name}-{(machine.machine_id or '')[:8]}", machine, source)


def check_node(remembered: Node, configured: str | None, machine: Machine, source: str) -> None:
    """Raise StateError where state belongs to another node, machine or database file than this start does."""
    if configured is not None and configured != remembered.node_id:
        raise StateError(
            f"the state directory belongs to node {remembered.node_id!r}, and node id {configured!r} is configured",
            hint=f"configure {remembered.node_id!r}; or, to load every row again as rows of {configured!r}, run "
            "`databricks-uploader state reset`",
        )
    if machine.differs(remembered.machine):
        raise StateError(
            f"the state directory of node {remembered.node_id!r} was made on another machine",
            hint="if that machine is gone and this one takes its place, run `databricks-uploader state adopt`; if this "
            "is a copy of it, run `databricks-uploader state reset` to start as a node of its own",
        )
    if source != remembered.source:
        raise StateError(
            f"the state directory belongs to the database {remembered.source}, and {source} is configured",
            hint="if the same database was moved, run `databricks-uploader state adopt`; another database needs a "
            "state directory of its own (--state-dir)",
        )
