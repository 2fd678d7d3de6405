"""This machine as a sensor: its readings go into a SQLite database, from two connections, until SIGTERM.

Run as `python recorder.py DATABASE`.
"""

import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import cycle

import psutil

PERIOD_S = 0.1  # of each connection: 20 rows a second from both
DDL = """
CREATE TABLE IF NOT EXISTS readings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp TEXT NOT NULL,
    sensor TEXT NOT NULL,
    value REAL,
    unit TEXT NOT NULL
)"""
Sensors = Mapping[str, tuple[Callable[[], float], str]]


def temperatures() -> Iterator[tuple[str, tuple[Callable[[], float], str]]]:
    """Yield the machine's thermometers; many virtual machines have none."""
    read = getattr(psutil, "sensors_temperatures", dict)
    for chip, found in read().items():
        for i, thermometer in enumerate(found):
            name = f"temperature {thermometer.label or chip} {i}"
            yield name, (partial(_celsius, chip, i), "°C")


def _celsius(chip: str, number: int) -> float:
    return float(psutil.sensors_temperatures()[chip][number].current)


COMPUTE: Sensors = {
    "cpu": (lambda: psutil.cpu_percent(interval=None), "%"),
    "memory": (lambda: float(psutil.virtual_memory().percent), "%"),
    "load": (lambda: psutil.getloadavg()[0], "processes"),
}
SURROUNDINGS: Sensors = {
    "disk free": (lambda: psutil.disk_usage("/").free / 1e9, "GB"),
    "network sent": (lambda: psutil.net_io_counters().bytes_sent / 1e6, "MB"),
    "network received": (lambda: psutil.net_io_counters().bytes_recv / 1e6, "MB"),
    **dict(temperatures()),
}


def record(database: str, sensors: Sensors, stop: threading.Event) -> None:
    """Insert one reading after the other, each its own transaction."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as connection:
        for name, (read, unit) in cycle(sensors.items()):
            row = (datetime.now(UTC).isoformat(timespec="milliseconds"), name, read(), unit)
            connection.execute("INSERT INTO readings (timestamp, sensor, value, unit) VALUES (?, ?, ?, ?)", row)
            if stop.wait(PERIOD_S):
                return


def main(database: str) -> None:
    """Record until SIGTERM."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(DDL)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threads = [threading.Thread(target=record, args=(database, s, stop)) for s in (COMPUTE, SURROUNDINGS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
