"""Names in a Databricks workspace, as values: where it is, what computes, and which schema holds the tables."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Host:
    """A workspace's host name, and its port where that is not 443."""

    name: str
    port: int | None = None

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"


class Compute(StrEnum):
    """What an HTTP path leads to."""

    WAREHOUSE = "SQL warehouse"
    CLUSTER = "all-purpose cluster"


@dataclass(frozen=True)
class HttpPath:
    """The way to a SQL warehouse or an all-purpose cluster."""

    path: str
    compute: Compute

    def __str__(self) -> str:
        return f"{self.path} ({self.compute})"


@dataclass(frozen=True)
class Schema:
    """A schema, in a catalog where one is named; else in the compute's default catalog."""

    catalog: str | None
    name: str

    def __str__(self) -> str:
        return quoted(self.name) if self.catalog is None else quoted(self.catalog, self.name)


@dataclass(frozen=True)
class Workspace:
    """Where a workspace is, what computes there, and the schema of the tables."""

    host: Host
    http_path: HttpPath
    schema: Schema


@dataclass(frozen=True)
class Volume:
    """A volume of Unity Catalog, and the folder in it that files are put into."""

    catalog: str
    schema: str
    name: str
    folder: str = ""

    def __str__(self) -> str:
        return "/".join(("/Volumes", self.catalog, self.schema, self.name, *self.folder.split("/"))).rstrip("/")


def quoted(*parts: str) -> str:
    """Return a name for SQL: its parts back-quoted, so that hyphens, dots and reserved words do no harm."""
    return ".".join(f"`{part.replace('`', '``')}`" for part in parts)
