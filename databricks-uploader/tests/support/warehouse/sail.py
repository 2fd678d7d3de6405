"""The SQL engine: one Sail process and one session in it.

Sail's catalog lives in memory and belongs to a session, so all of a warehouse's sessions share one, under a lock, and
what is on disk is registered anew at every start (`catalog.py`).
"""

import atexit
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession
from tests.support.warehouse import errors, sqltext

_UNREADABLE = "Exception deserializing response!"
"""Says the engine's client of an answer once in a great many runs. What a statement did stands; its result is asked for
again."""
_PROGRAM = Path(__file__).with_name("sail_process.py")


class Sail:
    """A running engine; `close` ends it. What it writes to standard error goes to `log`."""

    def __init__(self, catalogs: Iterable[str], default: str, log: Path) -> None:
        listed = ",".join(f'{{name="{name}",type="memory",initial_database=["default"]}}' for name in catalogs)
        environment = os.environ | {
            "RUST_LOG": "error",
            "SAIL_CATALOG__LIST": f"[{listed}]",
            "SAIL_CATALOG__DEFAULT_CATALOG": default,
            # By default a session ends after 15 idle minutes, and the catalog with it.
            "SAIL_SPARK__SESSION_TIMEOUT_SECS": "86400",
        }
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                env=environment,
                text=True,
                start_new_session=True,  # Ctrl-C in a terminal is for us; we end it
            )
        self._lock = threading.RLock()
        self._place = (default, "default")
        self._spark: SparkSession | None = None
        try:
            self._spark = _session(self._port(log))
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The engine's process, for those who ask whether it is gone."""
        return self._process.pid

    def sql(self, text: str, place: tuple[str, str] | None = None) -> pa.Table:
        """Run one statement with `place` (catalog, schema) as the current one; return its result.

        Raises WarehouseError in Databricks' words.
        """
        with self._lock:
            if place is not None and place != self._place:
                self._run(f"USE CATALOG {sqltext.quoted(place[:1])}")
                self._run(f"USE SCHEMA {sqltext.quoted(place[1:])}")
                self._place = place
            return self._run(text)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Let no other statement run while the block does."""
        with self._lock:
            yield

    def close(self) -> None:
        """End the session and the process."""
        with self._lock:
            if self._spark:
                self._spark.stop()
                # Else each engine that ever ran would be asked once more when the process ends.
                atexit.unregister(self._spark.client._cleanup_ml_cache)
                self._spark = None
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:  # it doesn't answer, so it doesn't see the end of its input either
                self._process.kill()
                self._process.wait()

    def _run(self, text: str) -> pa.Table:
        if self._spark is None:
            raise RuntimeError("the engine is not started")
        try:
            done = self._spark.sql(text)
            try:
                return done.toArrow()
            except PySparkException as error:
                if _UNREADABLE not in str(error):
                    raise
                return done.toArrow()
        except PySparkException as error:
            raise errors.from_engine(str(error)) from error

    def _port(self, log: Path) -> int:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line.strip().isdigit():
            raise RuntimeError(f"Sail did not start: {log.read_text()[-500:]}")
        return int(line)


def _session(port: int) -> SparkSession:
    session = SparkSession(f"sc://127.0.0.1:{port}/;session_id={uuid.uuid4()}")
    # The default is minutes of silence when the engine has died.
    session.client.set_retry_policies([DefaultPolicy(max_retries=2, max_backoff=500)])
    # Reattaching takes a thread pool that all clients of a process share; the end of one would wait for the others'.
    session.client.disable_reattachable_execute()
    return session
