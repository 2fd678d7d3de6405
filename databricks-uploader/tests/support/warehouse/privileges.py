"""Who may do what: grants on catalogs, schemas, tables and volumes, inherited downwards, kept in `grants.json`.

https://docs.databricks.com/data-governance/unity-catalog/manage-privileges/privileges and …/privileges-reference
"""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.support.warehouse import errors
from tests.support.warehouse.naming import Name

ADMIN = "admin"
ALL_PRIVILEGES = "ALL PRIVILEGES"
_READING = {"USE CATALOG", "USE SCHEMA", "SELECT", "READ VOLUME"}
PRIVILEGES = _READING | {
    "MODIFY",
    "CREATE SCHEMA",
    "CREATE TABLE",
    "CREATE VOLUME",
    "WRITE VOLUME",
    ALL_PRIVILEGES,
}
_KINDS = {1: "Catalog", 2: "Schema"}


@dataclass(frozen=True)
class Securable:
    """Something that rights are given on: `kind` as the error texts say it, `path` of one to three names."""

    kind: str
    path: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name as the error texts say it."""
        return ".".join(self.path)


def catalog(name: str) -> Securable:
    """Name a catalog."""
    return Securable("Catalog", (name,))


def schema(catalog_name: str, name: str) -> Securable:
    """Name a schema."""
    return Securable("Schema", (catalog_name, name))


def table(name: Name) -> Securable:
    """Name a table."""
    return Securable("Table", tuple(name))


def volume(name: Name) -> Securable:
    """Name a volume."""
    return Securable("Volume", tuple(name))


@dataclass(frozen=True)
class Grant:
    """One privilege of one principal on one securable. An owner holds ALL PRIVILEGES on what it made."""

    principal: str
    privilege: str
    on: Securable


class Privileges:
    """The grants of one warehouse. `admin` holds everything."""

    def __init__(self, root: Path) -> None:
        self._file = root / "grants.json"
        self._grants: set[Grant] = set()
        if self._file.exists():
            for principal, privilege, kind, path in json.loads(self._file.read_text()):
                self._grants.add(Grant(principal, privilege, Securable(kind, tuple(path))))

    def grant(self, principal: str, privilege: str, on: Securable) -> None:
        """Give a privilege, known by its name in `PRIVILEGES`. Raises WarehouseError for an unknown one."""
        if privilege not in PRIVILEGES:
            raise errors.UNSUPPORTED.error(what=f"the privilege {privilege}")
        self._grants.add(Grant(principal, privilege, on))
        self._keep()

    def revoke(self, principal: str, privilege: str, on: Securable) -> None:
        """Take a privilege back; what was not given needs no taking."""
        self._grants.discard(Grant(principal, privilege, on))
        self._keep()

    def forget(self, on: Securable) -> None:
        """Drop what was granted on something that was dropped."""
        self._grants = {grant for grant in self._grants if grant.on != on}
        self._keep()

    def of(self, on: Securable) -> list[Grant]:
        """Return what was granted on exactly this, by principal and privilege."""
        return sorted((grant for grant in self._grants if grant.on == on), key=lambda g: (g.principal, g.privilege))

    def lacking(self, principal: str, privilege: str, on: Securable) -> tuple[str, Securable] | None:
        """Return the first right that is lacking, or None: USE CATALOG, then USE SCHEMA, then `privilege` itself."""
        needed = [("USE CATALOG", Securable("Catalog", on.path[:1]))]
        if len(on.path) > 1:
            needed.append(("USE SCHEMA", Securable("Schema", on.path[:2])))
        needed.append((privilege, on))
        return next((right for right in needed if not self._holds(principal, *right)), None)

    def require(self, principal: str, privilege: str, on: Securable) -> None:
        """Raise WarehouseError unless `principal` holds `privilege` and what it takes to get there."""
        lacking = self.lacking(principal, privilege, on)
        if lacking:
            wanted, where = lacking
            refused = errors.MAY_NOT_READ if wanted in _READING else errors.MAY_NOT_WRITE
            raise refused.error(privilege=wanted, kind=where.kind, name=where.name)

    def _holds(self, principal: str, privilege: str, on: Securable) -> bool:
        if principal == ADMIN:
            return True
        above = [Securable(_KINDS[depth], on.path[:depth]) for depth in range(1, len(on.path))]
        return any(
            Grant(principal, held, where) in self._grants
            for where in [*above, on]
            for held in (privilege, ALL_PRIVILEGES)
        )

    def _keep(self) -> None:
        written = sorted([g.principal, g.privilege, g.on.kind, list(g.on.path)] for g in self._grants)
        self._file.write_text(json.dumps(written, indent=1))
