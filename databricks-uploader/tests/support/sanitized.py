"""A machine whose rows are private, and the program that uploads them by rules."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import databases, program, tables
from tests.support.program import Result

KEY = "0123456789abcdef0123456789abcdef"
PEOPLE = "CREATE TABLE people (id INTEGER PRIMARY KEY, ts TEXT, owner TEXT, status TEXT, temperature REAL)"


@dataclass
class Site:
    """A database, a lake and a state directory in `folder`."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        return self.folder / "source.db"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def table(self, name: str) -> Path:
        return self.folder / "lake" / name

    def execute(self, *statements: str) -> None:
        databases.execute(self.database, *statements)

    def settings(self, rules: str) -> None:
        """Write the settings, `rules` in YAML among them."""
        (self.folder / "config.yaml").write_text(
            f"sqlite: source.db\ndelta_path: lake\nstate_dir: state\nnode_id: node\n{rules}\n"
        )

    def run(self, *arguments: str) -> Result:
        """Run the program with the settings."""
        return program.run("--config", self.folder / "config.yaml", *arguments, environment=self.environment)

    def upload(self, *arguments: str) -> Result:
        return self.run("--once", "--retry-for", "0", *arguments)

    def rows(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        return tables.rows(self.table(table), columns, "_batch_id, _row")

    def columns(self, table: str) -> list[str]:
        """Return the table's own columns."""
        for entry in reversed(tables.versions(self.table(table))):
            for line in entry.read_text().splitlines():
                if "metaData" in (action := json.loads(line)):
                    fields = json.loads(action["metaData"]["schemaString"])["fields"]
                    return [f["name"] for f in fields if not f["name"].startswith("_")]
        raise AssertionError("no schema")
