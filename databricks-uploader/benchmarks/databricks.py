"""One million rows by volume and by MERGE into the local warehouse, and into local Delta: `make bench-databricks`.

Each way is a whole process beside the warehouse, which takes its share of the same machine.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.support.warehouse import Warehouse

UPLOADER = Path(sys.executable).parent / "databricks-uploader"


class Run(NamedTuple):
    """What one process cost."""

    seconds: float
    peak_mb: float


def make_database(path: Path, rows: int) -> None:
    """Make the source: id, time, sensor, value."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE readings (id INTEGER PRIMARY KEY, timestamp TEXT, sensor TEXT, value REAL)")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO readings "
            "SELECT i, strftime('%Y-%m-%dT%H:%M:%SZ', 1767225600 + i, 'unixepoch'), 'sensor ' || i % 50, i * 0.1 "
            "FROM n",
            (rows,),
        )
        connection.commit()


def upload(arguments: Sequence[str | Path], environment: dict[str, str]) -> Run:
    """Upload everything, in a process of its own.

    A process is begun by a small one: Linux counts the memory of who begins it as its own.
    """
    begin = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    start = time.perf_counter()
    command = [str(part) for part in (UPLOADER, "--once", "--node-id", "bench", "--log-level", "warning", *arguments)]
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", begin, *command], env=compiled | environment, check=True, stdout=subprocess.PIPE
    )
    return Run(time.perf_counter() - start, int(done.stdout) / 1024)


def main() -> None:
    """Print rows per second and the peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with TemporaryDirectory() as folder, Warehouse(Path(folder) / "warehouse") as warehouse:
        here = Path(folder)
        make_database(here / "sensor.db", rows)
        warehouse.sql("CREATE SCHEMA main.edge")
        warehouse.sql("CREATE VOLUME main.edge.files")
        source = ("--sqlite", here / "sensor.db")
        workspace = (
            "--databricks-host", f"{warehouse.host}:{warehouse.port}", "--databricks-http-path", warehouse.http_path,
            "--databricks-database", "main.edge", "--create-tables",
        )  # fmt: skip
        known = {"DATABRICKS_TOKEN": warehouse.token, "SSL_CERT_FILE": str(warehouse.certificate)}
        ways: dict[str, tuple[str | Path, ...]] = {
            "local Delta": ("--delta-path", here / "lake"),
            "by volume": (*workspace, "--databricks-table", "volume", "--databricks-volume", "main.edge.files"),
            "by MERGE": (*workspace, "--databricks-table", "merge"),
        }
        for number, (name, arguments) in enumerate(ways.items()):
            run = upload((*source, "--state-dir", here / f"state{number}", *arguments), known)
            speed = rows / run.seconds
            print(f"{name:<12} {run.seconds:7.2f} s {speed:10,.0f} rows/s {run.peak_mb:6.0f} MB", flush=True)
        for table in ("volume", "merge"):
            there = warehouse.table(f"main.edge.raw_{table}").num_rows
            if there != rows:
                raise SystemExit(f"raw_{table} has {there:,} rows, not {rows:,}")


if __name__ == "__main__":
    main()
