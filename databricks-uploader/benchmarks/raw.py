"""Raw rows of the sensor schema into a local Delta table, against a C scan of the same file in the same run.

Each way is a whole process, and they take turns: machines drift. Needs a C compiler and SQLite's header
(Debian: gcc, libsqlite3-dev).
"""

import argparse
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple

HERE = Path(__file__).parent
WORK = HERE.parent / ".bench"
UPLOADER = Path(sys.executable).parent / "databricks-uploader"
TABLE = "sensor_readings"
COLUMNS = {
    "timestamp": "TEXT NOT NULL", "sensor_id": "TEXT NOT NULL", "temperature": "REAL", "humidity": "REAL",
    "pressure": "REAL", "vibration": "REAL", "voltage": "REAL", "status_code": "INTEGER",
    "anomaly_flag": "INTEGER DEFAULT 0", "anomaly_type": "TEXT", "firmware_version": "TEXT", "model": "TEXT",
    "manufacturer": "TEXT", "location": "TEXT", "latitude": "REAL", "longitude": "REAL",
    "original_timezone": "TEXT", "serial_number": "TEXT",
}  # fmt: skip
CITIES = (("Bergen", 60.39, 5.32, "+01:00"), ("Quito", -0.18, -78.47, "-05:00"), ("Busan", 35.18, 129.08, "+09:00"))
MODELS = (("Aero-2", "Windwerk"), ("HydroSense", "Delta Instruments"), ("T1000", "Kelvin & Co"))


class Run(NamedTuple):
    """What one process cost."""

    seconds: float
    peak_mb: float


def readings(rows: int) -> Iterator[tuple[object, ...]]:
    """Yield readings of fifty sensors, the same at every call."""
    chance = random.Random(11)  # noqa: S311  (data of a benchmark)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for i in range(rows):
        sensor = i % 50
        city, latitude, longitude, zone = CITIES[sensor % 3]
        model, maker = MODELS[sensor % 3]
        odd = chance.random() < 0.02  # noqa: PLR2004
        time_ = start + timedelta(milliseconds=137 * i)
        yield (
            time_.isoformat(timespec="milliseconds"), f"{city[:3].upper()}_{100_000 + 37 * sensor}",
            chance.gauss(22, 3), chance.uniform(30, 70), chance.gauss(1013, 6), chance.random(), chance.gauss(12, 0.2),
            int(odd), int(odd), "spike" if odd else None, f"1.{sensor % 4}", model, maker, city,
            latitude, longitude, zone, f"{maker[:2].upper()}-{20_250_000 + sensor}",
        )  # fmt: skip


def make_database(path: Path, rows: int) -> None:
    """Make the source; one that is there already has the same rows."""
    if path.exists():
        return
    declared = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute(f"CREATE TABLE {TABLE} (id INTEGER PRIMARY KEY AUTOINCREMENT, {declared})")
        marks = ", ".join("?" * len(COLUMNS))
        connection.executemany(f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({marks})", readings(rows))
        connection.commit()
    draft.rename(path)


def measured(command: Sequence[str | Path]) -> Run:
    """Run a process to its end."""
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, env=compiled)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return Run(seconds, usage.ru_maxrss / 1024)


def upload(database: Path, *more: str) -> Run:
    """Upload all of the database into a new table; `more`: other settings."""
    for name in ("lake", "state"):
        shutil.rmtree(WORK / name, ignore_errors=True)
    return measured(
        [UPLOADER, "--sqlite", database, "--delta-path", WORK / "lake", "--state-dir", WORK / "state", "--once",
         "--node-id", "bench", "--log-level", "warning", *more]
    )  # fmt: skip


def main() -> None:
    """Print rows per second, the ratio to the C scan, and the peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    scan = WORK / "scan"
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("the C scan needs a compiler (Debian: apt install gcc libsqlite3-dev)")
    subprocess.run([compiler, "-O2", str(HERE / "scan.c"), "-o", str(scan), "-lsqlite3"], check=True)

    sizes = (arguments.rows // 5, arguments.rows)
    databases = {rows: WORK / f"sensors-{rows}.db" for rows in sizes}
    for rows, database in databases.items():
        print(f"making {rows:,} rows", flush=True)
        make_database(database, rows)
    small, large = databases.values()
    measured([scan, large, TABLE])  # warms the cache
    pairs = [(measured([scan, large, TABLE]), upload(large)) for _ in range(arguments.runs)]
    few = upload(small)

    def row(name: str, runs: Sequence[Run], rows: int, ratio: str = "") -> None:
        seconds = median(r.seconds for r in runs)
        print(
            f"{name:<34}{seconds:7.2f} s {rows / seconds:12,.0f} rows/s {max(r.peak_mb for r in runs):7.0f} MB {ratio}"
        )

    ratio = median(scan_run.seconds / upload_run.seconds for scan_run, upload_run in pairs)
    row(f"C scan, {arguments.rows:,} rows", [pair[0] for pair in pairs], arguments.rows)
    row(f"upload, {arguments.rows:,} rows", [pair[1] for pair in pairs], arguments.rows, f"{ratio:.2f} of the C scan")
    row(f"upload, {sizes[0]:,} rows", [few], sizes[0])


if __name__ == "__main__":
    main()
