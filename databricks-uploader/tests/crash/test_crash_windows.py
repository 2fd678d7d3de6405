"""SIGKILL at each point of the protocol, while rows are aggregated."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import databases, tables
from tests.support.dying import POINTS

LONG = pytest.mark.long
RULES = {"group_by": ["sensor", "minute"], "aggregations": {"temperature": ["avg", "max"], "readings": "count"}}
TRUTH = (
    "SELECT sensor, substr(timestamp, 1, 16), round(avg(temperature), 9), max(temperature), count(*) "
    "FROM readings GROUP BY 1, 2 ORDER BY 1, 2"
)
SEEN = (
    "sensor, strftime(minute AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M'), round(avg_temperature, 9), max_temperature, "
    "reading_count"
)
OF_WINDOWS = [*(point for point in POINTS if point != "file written"), "rows at hand"]
BY_TIME = ("--cursor", "timestamp", "--late-arrival", "30d")
DEATHS = [
    *(pytest.param((), point, id=f"by rowid-{point}") for point in OF_WINDOWS),
    *(
        pytest.param(BY_TIME, point, id=f"by time-{point}", marks=LONG)
        for point in ("swept", "read again", *OF_WINDOWS[1:])
    ),
]


@pytest.mark.parametrize("when", [pytest.param("before", marks=LONG), "after"])
@pytest.mark.parametrize(("read", "point"), DEATHS)
def test_windows_are_what_one_query_gives_whenever_we_die(
    tmp_path: Path, point: str, when: str, read: tuple[str, ...]
) -> None:
    database, table = tmp_path / "sensor.db", tmp_path / "lake" / "aggregated_readings"
    arguments = (
        "--sqlite", str(database), "--delta-path", str(tmp_path / "lake"), "--state-dir", str(tmp_path / "state"),
        "--node-id", "node", "--log-level", "warning", "--enable-aggregate", "true",
        "--aggregate-config", json.dumps(RULES), *read,
    )  # fmt: skip

    def upload(point: str = "none", when: str = "") -> int:
        command = [sys.executable, "-m", "tests.support.dying", point, when, "", "--", *arguments]
        return subprocess.run(command, check=False, timeout=60).returncode

    databases.add_readings(database, 1_200)
    assert upload(point, when) == -signal.SIGKILL
    late = (
        "INSERT INTO readings (timestamp, sensor, temperature) SELECT timestamp, sensor, 99 FROM readings WHERE id < 9"
    )
    databases.execute(database, late)
    upload(point, when)
    assert upload() == 0
    seen = tables.rows(table, SEEN, "1, 2")
    assert [list(row) for row in seen] == databases.query(database, TRUTH)
    assert not [*(tmp_path / "state" / "spool").iterdir(), *(tmp_path / "state" / "work").iterdir()]
