"""A million rows of fifty sensors into hourly groups of a local Delta table, against the same rows raw; a late row.

Both are whole processes, and they take turns. Of their memory the most is there with a hundred rows: pages of the
engines' libraries. The late row's run is compared with one that finds nothing new: what it costs beside that is its
window's.
"""

import argparse
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from statistics import median

from benchmarks.raw import TABLE, UPLOADER, WORK, Run, make_database, measured, upload

FEW = 100
RULES = {
    "group_by": ["sensor_id", "hour"],
    "aggregations": {"temperature": ["avg", "min", "max"], "humidity": "avg", "readings": "count"},
}


def aggregated(database: Path, *, anew: bool) -> Run:
    """Aggregate all of the database into a new table, or what is new into the one that is there."""
    folder = WORK / "aggregated"
    if anew:
        shutil.rmtree(folder, ignore_errors=True)
    return measured(
        [UPLOADER, "--sqlite", database, "--delta-path", folder / "lake", "--state-dir", folder / "state", "--once",
         "--node-id", "bench", "--log-level", "warning", "--enable-aggregate", "--aggregate-config",
         json.dumps(RULES)]
    )  # fmt: skip


def main() -> None:
    """Print rows per second of both ways, their ratio, and what a late row costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    database, shares = WORK / "aggregates.db", []
    for _ in range(arguments.runs):
        for rows in (FEW, arguments.rows):
            kept = WORK / f"sensors-{rows}.db"
            make_database(kept, rows)
            shutil.copyfile(kept, database)
            raw, hourly = upload(database), aggregated(database, anew=True)
            for name, run in (("raw", raw), ("hourly", hourly)):
                speed = rows / run.seconds
                print(f"{name:<8}{rows:>10,} rows {run.seconds:7.2f} s {speed:12,.0f} rows/s {run.peak_mb:7.0f} MB")
        shares.append(raw.seconds / hourly.seconds)
    print(f"hourly groups at {median(shares):.2f} of raw's speed")
    nothing = aggregated(database, anew=False)
    with closing(sqlite3.connect(database)) as connection, connection:
        row = f"SELECT NULL, timestamp, sensor_id, 99, 99 FROM {TABLE} WHERE id = {arguments.rows // 3}"
        connection.execute(f"INSERT INTO {TABLE} (id, timestamp, sensor_id, temperature, humidity) {row}")
    late = aggregated(database, anew=False)
    print(f"nothing new {nothing.seconds:.2f} s, a late row {late.seconds:.2f} s")


if __name__ == "__main__":
    main()
