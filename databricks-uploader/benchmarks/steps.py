"""Two million rows through a filter and a sanitize step, against raw rows of the same file in the same run.

Then the three pipelines together, whose rows are read once, against the sum of what they take by themselves.

Each way is a whole process, and they take turns: machines drift.
"""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks.raw import WORK, Run, make_database, upload

FILTER = {"temperature": {"between": [10, 40]}, "anomaly_flag": 0}
SANITIZE = {
    "sensor_id": {"hash": True},
    "serial_number": {"mask": {"keep_last": 4}},
    "manufacturer": r"\b[A-Z]\w+",
    "latitude": {"round": 1},
    "longitude": {"round": 1},
    "timestamp": {"truncate_time": "hour"},
}
WAYS: Mapping[str, list[Mapping[str, object]]] = {
    "raw": [],
    "filter": [{"filter": FILTER}],
    "both": [{"filter": FILTER}, {"sanitize": SANITIZE}],
}


def main() -> None:
    """Print rows per second and the peak of memory of each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    os.environ["SANITIZE_HASH_KEY"] = "0123456789abcdef"
    WORK.mkdir(exist_ok=True)
    for rows in (arguments.rows // 4, arguments.rows):
        database = WORK / f"sensors-{rows}.db"
        make_database(database, rows)
        runs: dict[str, list[Run]] = {way: [] for way in WAYS}
        together: list[Run] = []
        for _ in range(arguments.runs):
            for way, steps in WAYS.items():
                runs[way].append(uploaded(database, {way: steps}))
            together.append(uploaded(database, WAYS))
        for way, done in runs.items():
            seconds = median(run.seconds for run in done)
            peak = max(run.peak_mb for run in done)
            shares = (raw.seconds / run.seconds for raw, run in zip(runs["raw"], done, strict=True))
            print(
                f"{way:<8}{rows:>12,} rows {seconds:7.2f} s {rows / seconds:12,.0f} rows/s {peak:7.0f} MB "
                f"{median(shares):6.2f} of raw"
            )
        alone = [sum(run.seconds for run in each) for each in zip(*runs.values(), strict=True)]
        share = median(run.seconds / seconds for run, seconds in zip(together, alone, strict=True))
        seconds, peak = median(run.seconds for run in together), max(run.peak_mb for run in together)
        print(
            f"together{rows:>12,} rows {seconds:7.2f} s {rows / seconds:12,.0f} rows/s {peak:7.0f} MB "
            f"{share:6.2f} of the sum"
        )


def uploaded(database: Path, ways: Mapping[str, list[Mapping[str, object]]]) -> Run:
    """Upload all of the database by these pipelines."""
    pipelines = [{"name": way, "steps": steps, "target": way} for way, steps in ways.items()]
    return upload(database, "--pipelines", json.dumps(pipelines))


if __name__ == "__main__":
    main()
