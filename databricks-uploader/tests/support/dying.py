"""Runs the uploader once and dies by SIGKILL at a named point, perhaps with a part of its protection removed.

`upload` does it in a process of its own; so does `python -m tests.support.dying POINT WHEN MUTATIONS -- ARGUMENTS`.
WHEN is before or after, POINT one of `POINTS` or `none`, MUTATIONS a comma-separated list of `look-up` and `name`.
"""

import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from tests.support.fakes import file_of

from databricks_uploader.app import Held, openings
from databricks_uploader.clock import SystemClock
from databricks_uploader.destinations.delta import DeltaDestination
from databricks_uploader.model.claim import Claim, Head
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.observability import log
from databricks_uploader.ports import Page, Ports, Reading
from databricks_uploader.runner import Opening, Pace, run
from databricks_uploader.settings.resolve import Sources, resolve
from databricks_uploader.spool.folder import FolderSpool
from databricks_uploader.state import folder as state_folder

POINTS = {
    "page read": ("source", "reading"),
    "file written": ("spool", "write"),
    "claimed": ("state", "claim"),
    "staged": ("destination", "stage"),
    "loaded": ("destination", "load"),
    "proved": ("destination", "prove"),
    "committed": ("state", "commit"),
    "freed": ("spool", "discard"),
}
OF_WINDOWS = {
    "rows at hand": ("spool", "rows_at_hand"),
    "swept": ("source", "sweep"),
    "read again": ("source", "between"),
}

WITHIN_STEPS = "rows altered"
_SECRETS = ("DATABRICKS_TOKEN", "SANITIZE_HASH_KEY")

# Forked from a process that has imported it all: what is tested is a death, not a start.
_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(
    [__name__, "pytest", "pandas", "databricks.sql", "databricks_uploader.destinations.databricks.assembly"]
)
_AT_MOST_S = 60


class Dying:
    """A port that dies at one of its calls."""

    def __init__(self, port: Any, call: str, when: str) -> None:  # noqa: ANN401  (stands for any port)
        self._port, self._call, self._when = port, call, when

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        found = getattr(self._port, name)
        if name != self._call:
            return found
        return self._reading if name == "reading" else partial(self._die_around, found)

    def _die_around(self, call: Any, *arguments: Any) -> Any:  # noqa: ANN401
        if self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        call(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def _reading(self, *arguments: Any) -> Iterator[Reading]:  # noqa: ANN401
        with self._port.reading(*arguments) as reading:
            yield replace(reading, pages=self._dying(reading.pages))

    def _dying(self, pages: Iterator[Page]) -> Iterator[Page]:
        for number, page in enumerate(pages, start=1):
            if self._when == "before" or number == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield page


class WithoutLookUp(DeltaDestination):
    """Never knows what the table holds when it loads."""

    def head(self) -> Head | None:
        """Return what a table without our claims would."""
        return None

    def prove(self, claims: Sequence[Claim]) -> None:
        """Prove as ever, on a destination of its own."""
        sound = DeltaDestination.__new__(DeltaDestination)
        sound.__dict__.update(self.__dict__)
        sound.prove(claims)


class WithoutName(DeltaDestination):
    """Names a claim's file anew in every process."""

    def _file_name(self, claim: Claim) -> str:
        return f"{os.getpid()}-{file_of(claim).name}"


class WithoutBoth(WithoutName, WithoutLookUp):
    """Has no protection left."""


MUTANTS = {"look-up": WithoutLookUp, "name": WithoutName, "look-up,name": WithoutBoth}


def upload(
    arguments: Sequence[str],
    point: str = "none",
    when: str = "",
    mutations: str = "",
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run in a process of its own; return its exit code, less than 0 where a signal ended it."""
    process = _FORKED.Process(target=_upload, args=(dict(environment or {}), point, when, mutations, arguments))
    process.start()
    process.join(_AT_MOST_S)
    assert process.exitcode is not None, "it neither ended nor died"
    return process.exitcode


def _upload(environment: Mapping[str, str], *given: Any) -> None:  # noqa: ANN401  (what `main` takes)
    os.environ.update(environment)
    sys.exit(main(*given))


def main(point: str, when: str, mutations: str, arguments: Sequence[str]) -> int:
    """Run; the exit code is that of the program, if it survives."""
    environment = {name: text for name, text in os.environ.items() if name in _SECRETS}
    settings = resolve(Sources(dict(zip(arguments[::2], arguments[1::2], strict=True)), environment)).settings()
    log.configure(settings.log_level)
    assert settings.state_dir is not None
    folder = settings.state_dir
    state_folder.make(folder)

    def changed(pipeline: Pipeline, ports: Ports) -> tuple[Pipeline, Ports]:
        other: dict[str, Any] = {}
        if mutations in MUTANTS and settings.delta_path is not None:
            other["destination"] = MUTANTS[mutations](settings.delta_path / "raw_readings", pipeline.identity)
        if point == WITHIN_STEPS:
            assert isinstance(ports.spool, FolderSpool)
            other["spool"] = replace(ports.spool, steps=Dying(ports.steps, "apply", when))
        if point in POINTS | OF_WINDOWS:
            port, call = (POINTS | OF_WINDOWS)[point]
            other[port] = Dying(other.get(port, getattr(ports, port)), call, when)
        return replace(pipeline, limits=Limits(span_rows=500)), replace(ports, **other)

    @contextmanager
    def dying(opening: Opening) -> Iterator[tuple[Pipeline, Ports]]:
        with opening.open() as (pipeline, ports):
            yield changed(pipeline, ports)

    clock = SystemClock()
    with Held(folder) as held:
        found = [replace(each, open=partial(dying, each)) for each in openings(settings, held, clock)]
        return run(found, clock, log.tell, Pace(once=True, interval_s=1, retry_for_s=0), random.random)


if __name__ == "__main__":
    cut = sys.argv.index("--")
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[cut + 1 :]))
