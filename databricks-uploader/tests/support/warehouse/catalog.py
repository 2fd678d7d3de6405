"""What exists, as folders: they are the catalog, so a restart finds all of it.

tables/<catalog>/<schema>/<table>/     Delta tables, and in each `_unity.json`: what Unity Catalog knows beside Delta
volumes/<catalog>/<schema>/<volume>/   files of volumes
work/                                  uploads that are under way, links that a statement reads
"""

import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from deltalake import DeltaTable
from tests.support.warehouse import errors, sqltext
from tests.support.warehouse.naming import HIVE, Name
from tests.support.warehouse.sail import Sail

_VOLUME_PATH = re.compile(r"(?:dbfs:)?/Volumes/([^/]+)/([^/]+)/([^/]+)(/.*)?", re.DOTALL)


@dataclass(frozen=True)
class Extras:
    """What a table has that its Delta log doesn't say here: informational, never enforced.

    https://docs.databricks.com/tables/constraints, …/delta/clustering
    """

    cluster_by: tuple[str, ...] = ()
    primary_key: tuple[str, ...] = ()


@dataclass(frozen=True)
class VolumeFile:
    """A path in a volume: which volume and where that lies here, and where the path's file lies."""

    volume: Name
    base: Path
    written: str
    here: Path

    def shown(self, file: Path) -> str:
        """Return the path of another file of the same volume as Databricks writes it."""
        return f"dbfs:/Volumes/{'/'.join(self.volume)}/{file.relative_to(self.base).as_posix()}"


class Catalog:
    """The folders below `root`, and their registration in the engine."""

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys([*names, HIVE]))
        self._tables, self._volumes, self.work = root / "tables", root / "volumes", root / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        for name in self.names:
            (self._tables / name / "default").mkdir(parents=True, exist_ok=True)

    def register_all(self, sail: Sail) -> None:
        """Tell a new engine of everything that is on disk."""
        for name in self.names:
            for schema in self.schemas(name):
                sail.sql(f"CREATE SCHEMA IF NOT EXISTS {sqltext.quoted((name, schema))}")
                for table in self.tables(name, schema):
                    self.register(sail, table)

    def register(self, sail: Sail, name: Name) -> None:
        """Make the engine see a table as its Delta log has it now: it keeps the schema it was registered with."""
        sail.sql(f"DROP TABLE IF EXISTS {name.quoted}")
        sail.sql(f"CREATE TABLE {name.quoted} USING DELTA LOCATION {sqltext.as_literal(str(self.folder(name)))}")

    # ------------------------------------------------------------------ schemas and tables

    def schemas(self, catalog: str) -> list[str]:
        """Return the schemas of a catalog, by name. Raises WarehouseError if there is no such catalog."""
        if catalog not in self.names:
            raise errors.CATALOG_NOT_FOUND.error(name=catalog)
        return sorted(folder.name for folder in (self._tables / catalog).iterdir())

    def has_schema(self, catalog: str, schema: str) -> bool:
        """Tell whether a schema exists; `catalog` must."""
        return schema in self.schemas(catalog)

    def require_schema(self, catalog: str, schema: str) -> None:
        """Raise WarehouseError unless the schema exists."""
        if not self.has_schema(catalog, schema):
            raise errors.SCHEMA_NOT_FOUND.error(name=sqltext.quoted((catalog, schema)))

    def add_schema(self, catalog: str, schema: str) -> None:
        """Make the folder of a new schema."""
        (self._tables / catalog / schema).mkdir()

    def drop_schema(self, catalog: str, schema: str) -> None:
        """Remove a schema with all that is in it."""
        for kind in (self._tables, self._volumes):
            shutil.rmtree(kind / catalog / schema, ignore_errors=True)

    def tables(self, catalog: str, schema: str) -> list[Name]:
        """Return the tables of a schema, by name."""
        found = (self._tables / catalog / schema).glob("*/_delta_log")
        return sorted(Name(catalog, schema, log.parent.name) for log in found)

    def folder(self, name: Name) -> Path:
        """Return where a table lies or would lie."""
        return self._tables / name.catalog / name.schema / name.object

    def has_table(self, name: Name) -> bool:
        """Tell whether a table exists."""
        return (self.folder(name) / "_delta_log").is_dir()

    def delta(self, name: Name, missing: errors.Condition = errors.TABLE_OR_VIEW_NOT_FOUND) -> DeltaTable:
        """Open a table with delta-rs. Raises WarehouseError `missing` if there is none."""
        if not self.has_table(name):
            raise missing.error(name=name.quoted)
        return DeltaTable(str(self.folder(name)))

    def drop_table(self, name: Name) -> None:
        """Remove a table's files; its COPY INTO ledger goes with them."""
        shutil.rmtree(self.folder(name))

    def extras(self, name: Name) -> Extras:
        """Return what was said of a table beside its columns."""
        file = self.folder(name) / "_unity.json"
        if not file.exists():
            return Extras()
        return Extras(**{key: tuple(value) for key, value in json.loads(file.read_text()).items()})

    def keep_extras(self, name: Name, extras: Extras) -> None:
        """Write down what was said of a table beside its columns."""
        (self.folder(name) / "_unity.json").write_text(json.dumps(asdict(extras)))

    # ------------------------------------------------------------------ volumes

    def volumes(self, catalog: str, schema: str) -> list[Name]:
        """Return the volumes of a schema, by name."""
        return sorted(Name(catalog, schema, folder.name) for folder in (self._volumes / catalog / schema).glob("*"))

    def has_volume(self, name: Name) -> bool:
        """Tell whether a volume exists."""
        return self._volumes.joinpath(*name).is_dir()

    def add_volume(self, name: Name) -> None:
        """Make the folder of a new volume."""
        self._volumes.joinpath(*name).mkdir(parents=True)

    def drop_volume(self, name: Name) -> None:
        """Remove a volume with its files."""
        shutil.rmtree(self._volumes.joinpath(*name))

    def volume_file(self, written: str) -> VolumeFile | None:
        """Return what a path `/Volumes/…` names, whether or not it exists; None if it isn't a path in a volume.

        https://docs.databricks.com/volumes/paths
        """
        found = _VOLUME_PATH.fullmatch(written)
        if found is None:
            return None
        volume = Name(*(part.lower() for part in found.group(1, 2, 3)))
        base = self._volumes.joinpath(*volume)
        here = Path(os.path.normpath(f"{base}{found[4] or ''}"))
        return VolumeFile(volume, base, written, here) if here.is_relative_to(base) else None
