"""A Delta table as somebody else reads it: the log by its published protocol, the files by DuckDB."""

import json
from pathlib import Path
from typing import Any

import duckdb


def versions(table: Path) -> list[Path]:
    """Return the table's log entries in order."""
    return sorted((table / "_delta_log").glob("*.json")) if table.exists() else []


def files(table: Path) -> list[Path]:
    """Return the files of the newest version: what was added and not removed."""
    live: dict[str, None] = {}
    for entry in versions(table):
        for line in entry.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                live[action["add"]["path"]] = None
            if "remove" in action:
                live.pop(action["remove"]["path"], None)
    return [table / name for name in live]


def rows(table: Path, columns: str = "*", order: str = "1") -> list[tuple[Any, ...]]:
    """Return the table's rows."""
    found = [str(f) for f in files(table)]
    if not found:
        return []
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        return connection.execute(f"SELECT {columns} FROM read_parquet(?) ORDER BY {order}", [found]).fetchall()
