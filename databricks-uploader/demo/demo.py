"""The main job, shown: a recorder writes this machine's readings, the uploader works beside it, we read back."""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from arro3.core import ChunkedArray
from deltalake import DeltaTable, QueryBuilder

from databricks_uploader.settings.model import VARIABLES

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
UPLOADER = Path(sys.executable).parent / "databricks-uploader"


@contextmanager
def running(*command: str | Path) -> Iterator[None]:
    """Run a process meanwhile, and end it in peace."""
    process = subprocess.Popen([str(part) for part in command])
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


def written(database: Path) -> int:
    """Count the rows that the recorder has written."""
    if not database.exists():
        return 0
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM readings").fetchone()
    return int(rows)


def query(table: DeltaTable, sql: str) -> list[tuple[object, ...]]:
    """Ask the Delta table."""
    found = QueryBuilder().register("t", table).execute(sql).read_all()
    return list(zip(*(pylist(column) for column in found.columns), strict=True))


def pylist(column: ChunkedArray) -> list[object]:
    """Return a column's values."""
    return [value for chunk in column.chunks for value in chunk.to_pylist()]


def here(part: str | Path) -> str:
    """Write a path as it is reached from the working directory."""
    return os.path.relpath(part) if isinstance(part, Path) else part


def bold(text: str) -> str:
    """Make a heading stand out, on a terminal only."""
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


def cell(value: object) -> str:
    """Write a value for people."""
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def shown(rows: list[tuple[object, ...]], *headings: str) -> str:
    """Lay rows out in columns."""
    texts = [headings, *(tuple(cell(value) for value in row) for row in rows)]
    widths = [max(len(row[i]) for row in texts) for i in range(len(headings))]
    return "\n".join("  " + "  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)).rstrip() for row in texts)


def main() -> int:
    """Show the main job; return 0 if every row arrived once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15, help="how long to record")
    parser.add_argument("--folder", type=Path, default=ROOT / "demo-data", help="where everything goes")
    arguments = parser.parse_args()
    for variable in VARIABLES:  # what is set for a workspace is not meant for this demo
        os.environ.pop(variable, None)
    data: Path = arguments.folder
    data.mkdir(parents=True, exist_ok=True)
    database, lake, state = data / "sensor.db", data / "lake", data / "state"
    upload: list[str | Path] = [
        UPLOADER,
        "--sqlite",
        database,
        "--delta-path",
        lake,
        "--state-dir",
        state,
        "--node-id",
        "demo",
    ]
    before = written(database)

    print(bold(f"This machine is the sensor: recording for {arguments.seconds:.0f} seconds, uploading every 3"))
    print("  " + " ".join(["databricks-uploader", *map(here, upload[1:]), "--interval", "3"]), flush=True)
    with running(*upload, "--interval", "3"), running(sys.executable, HERE / "recorder.py", database):
        time.sleep(arguments.seconds)
    print(bold("The recorder has stopped: uploading the rest"), flush=True)
    subprocess.run([*upload, "--once"], check=True)

    table = DeltaTable(lake / "raw_readings")
    rows = written(database)
    ((arrived, distinct),) = query(table, "SELECT count(*), count(DISTINCT id) FROM t")
    print(bold("The table, read back"))
    latest = query(
        table,
        "SELECT sensor, count(*), last_value(value ORDER BY id), unit, max(timestamp) FROM t "
        "GROUP BY sensor, unit ORDER BY sensor",
    )
    shown_times = [(*row[:4], f"{row[4]:%Y-%m-%d %H:%M:%S} UTC") for row in latest]
    print(shown(shown_times, "sensor", "rows", "latest value", "unit", "at"))
    print(bold("Where everything lies"))
    for what, where in (("SQLite database", database), ("Delta table", lake / "raw_readings"), ("state", state)):
        print(f"  {what:<17}{here(where)}")
    equal = rows == arrived == distinct
    print(bold(f"{rows:,} rows written {'=' if equal else '≠'} {arrived:,} rows in the table")
          + f" ({rows - before:,} of them in this run, {table.version()} commits so far)")  # fmt: skip
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
