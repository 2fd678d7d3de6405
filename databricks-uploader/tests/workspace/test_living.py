"""A writer and an uploader that are killed over and over, on a bad network: equal at the end."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support import databases, program
from tests.support.warehouse import Warehouse
from tests.support.workspace import Edge

_RUN = int(os.environ.get("PYTEST_XDIST_TESTRUNUID", "0"), 16) or random.SystemRandom().randrange(1_000_000)
SEED = int(os.environ.get("UPLOADER_TEST_SEED") or _RUN % 1_000_000)
"""Another one in every run; it is in the test's name, and the variable repeats it."""
WRITER = [sys.executable, "-m", "tests.support.databases", "write"]


class Killed:
    """A process that is begun again whenever it was killed."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._command, self._environment = command, environment
        self._process: subprocess.Popen[bytes] | None = None
        self.begun = 0

    def begin_again(self) -> None:
        self.kill()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )
        self.begun += 1

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [SEED], ids="seed {}".format)
@pytest.mark.parametrize(("volume", "lasting_s"), [(True, 120), (False, 60)], ids=["volume", "MERGE"])
def test_minutes_of_faults_and_kills_lose_and_double_nothing(
    tmp_path: Path, warehouse: Warehouse, seed: int, lasting_s: float, *, volume: bool
) -> None:
    edge = Edge(warehouse)
    edge.create_table(lineage=True)
    database = tmp_path / "sensor.db"
    databases.add_readings(database, 100)
    arguments = (
        "--sqlite", str(database), "--state-dir", str(tmp_path / "state"), "--node-id", "node", "--interval", "1",
        *edge.flags(volume=volume),
    )  # fmt: skip
    environment = {**program.plain_environment(), **edge.variables()}
    uploader = Killed([str(program.PROGRAM), *arguments], environment)
    writer = Killed([*WRITER, str(database), "[]"], dict(os.environ))
    chance, pause = random.Random(seed), threading.Event()  # noqa: S311  (chosen by a seed, not secret)
    before = len(warehouse.requests)
    warehouse.faults.at_random(seed=seed, chance=0.2)
    with ExitStack() as ends:
        ends.callback(writer.kill)
        ends.callback(uploader.kill)
        writer.begin_again()
        until = time.monotonic() + lasting_s
        while time.monotonic() < until:
            uploader.begin_again()
            pause.wait(chance.uniform(2, 12))
            if chance.random() < 0.3:
                writer.begin_again()
    warehouse.faults.clear()
    done = program.run(*arguments, "--once", environment=edge.variables())
    assert done.exit_code == 0, done.errors
    written = [row[0] for row in databases.query(database, "SELECT id FROM readings ORDER BY id")]
    assert sorted(edge.table().column("id").to_pylist()) == written
    struck = [request for request in warehouse.requests[before:] if request.fault is not None]
    print(f"{uploader.begun} uploaders, {writer.begun} writers, {len(struck)} faults, {len(written)} rows")  # noqa: T201
    assert struck
