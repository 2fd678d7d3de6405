"""Start a warehouse for a person: `make warehouse`. Prints the settings to use it, and runs until it is interrupted."""

import argparse
import signal
import sys
from pathlib import Path

from tests.support.warehouse import Options, Warehouse

_DEMO = (
    "CREATE SCHEMA IF NOT EXISTS main.sensor_data",
    "CREATE VOLUME IF NOT EXISTS main.sensor_data.uploads",
    "CREATE TABLE IF NOT EXISTS main.sensor_data.raw_sensor_readings (id BIGINT, device_id STRING, timestamp TIMESTAMP,"
    " temperature DOUBLE, humidity DOUBLE, status STRING)",
)


def main() -> None:
    """Serve the folder that is named until SIGINT, SIGTERM or the end of the terminal."""
    parser = argparse.ArgumentParser(prog="warehouse", description="A Databricks that runs here.")
    parser.add_argument("folder", type=Path, help="where it keeps tables, volumes and grants")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (a free one)")
    parser.add_argument("--http", action="store_true", help="serve HTTP, without a certificate")
    asked = parser.parse_args()
    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # before any thread: so that sigwait alone receives them
    with Warehouse(asked.folder.resolve(), Options(tls=not asked.http, port=asked.port)) as warehouse:
        for statement in _DEMO:
            warehouse.sql(statement)
        sys.stdout.write(_settings(warehouse))
        sys.stdout.flush()
        signal.sigwait(stops)


def _settings(warehouse: Warehouse) -> str:
    known = {
        "DATABRICKS_HOST": f"{warehouse.host}:{warehouse.port}",
        "DATABRICKS_HTTP_PATH": warehouse.http_path,
        "DATABRICKS_TOKEN": warehouse.token,
        "DATABRICKS_DATABASE": "main.sensor_data",
        "DATABRICKS_TABLE": "sensor_readings",
    }
    if warehouse.options.tls:
        known["SSL_CERT_FILE"] = str(warehouse.certificate)
    lines = [f"export {name}={value}" for name, value in known.items()]
    return "\n".join([f"# {warehouse.url} is a warehouse until you press Ctrl-C", *lines, ""])


if __name__ == "__main__":
    main()
