"""The loop: fill, flush, wait; and what an error means for the next try."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass

from databricks_uploader.errors import (
    EXIT_BUG,
    ConfigError,
    PermanentError,
    StateError,
    TransientError,
    UploaderError,
)
from databricks_uploader.events import Bug, CaughtUp, Failed, Loaded, Tell
from databricks_uploader.fill import fill
from databricks_uploader.flush import flush
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.ports import Clock, Ports
from databricks_uploader.prepare import prepare
from databricks_uploader.take_back import take_back

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 300.0
PARKED_RETRY_S = 900.0

Open = Callable[[], AbstractContextManager[tuple[Pipeline, Ports]]]


@dataclass(frozen=True)
class Pace:
    """How a loop goes on: once and for all within `retry_for_s`, or for ever, every `interval_s`."""

    once: bool
    interval_s: float
    retry_for_s: float

    def after(self, error: Exception, failures: int, waited_s: float, jitter: float) -> float | None:
        """Return the seconds until the next try after the n-th failure in a row, None: no further try.

        `waited_s` is what the failures before have cost, `jitter` a random number from 0 to 1.
        """
        backoff = min(FIRST_RETRY_S * 2.0**failures, LAST_RETRY_S) * (0.5 + jitter / 2)
        if self.once:
            again = isinstance(error, TransientError) and waited_s + backoff <= self.retry_for_s
            return backoff if again else None
        if isinstance(error, StateError):
            return None
        return PARKED_RETRY_S if isinstance(error, PermanentError) else backoff


def run(open_pipeline: Open, clock: Clock, tell: Tell, pace: Pace, jitter: Callable[[], float]) -> int:
    """Upload once, or until it is time to stop; return the exit code of design.md's table of errors."""
    failures, waited_s = 0, 0.0
    with ExitStack() as stack:
        opened: tuple[Pipeline, Ports] | None = None
        while True:
            try:
                opened = opened or stack.enter_context(open_pipeline())
                rows = cycle(*opened, tell)
            except Exception as error:  # noqa: BLE001  (the one place where an error ends its journey)
                again_s = pace.after(error, failures, waited_s, jitter())
                tell(Failed(error, again_s) if isinstance(error, UploaderError) else Bug(error, again_s))
                if pace.once and again_s is None:
                    return error.exit_code if isinstance(error, UploaderError) else EXIT_BUG
                failures, waited_s = failures + 1, waited_s + (again_s or 0)
            else:
                if pace.once and rows is None:
                    return TransientError.exit_code
                if pace.once and rows is not None:
                    tell(CaughtUp(rows))
                    return 0
                failures, waited_s, again_s = 0, 0.0, pace.interval_s
            if clock.wait(again_s):
                return TransientError.exit_code if pace.once else 0


def cycle(pipeline: Pipeline, ports: Ports, tell: Tell) -> int | None:
    """Upload all there is, and return how many rows; None when it is time to stop before that is done.

    Where a source can't be read any further, what was claimed before is loaded all the same.
    """
    take_back(pipeline, ports, tell)
    with closing(ports.destination):  # a connection that stays open would cost while nothing is due
        return _cycle(pipeline, ports, tell)


def _cycle(pipeline: Pipeline, ports: Ports, tell: Tell) -> int | None:
    caught_up, rows, fault = False, 0, None
    while not caught_up:
        continued = False
        while not caught_up and _has_room(pipeline, ports):
            if ports.clock.wait(0):
                return None
            try:
                caught_up = not _fill(pipeline, ports, tell, continued=continued)
            except (ConfigError, PermanentError, TransientError) as error:
                caught_up, fault = True, error
            continued = True
        while loaded := _flush(pipeline, ports, at_once=not caught_up):  # there is no room to wait any longer
            tell(loaded)
            rows += loaded.rows
            if ports.clock.wait(0):
                return None
    if fault is not None:
        raise fault
    return rows


def _has_room(pipeline: Pipeline, ports: Ports) -> bool:
    used = ports.spool.size()
    needed = pipeline.limits.span_bytes * (2 if pipeline.steps else 1)  # as read, and as steps leave it
    return used == 0 or used + needed <= pipeline.limits.spool_bytes


def _fill(pipeline: Pipeline, ports: Ports, tell: Tell, *, continued: bool) -> bool:
    """Claim a span; tell whether there may be more."""
    position = prepare(pipeline, ports, tell)
    return position is not None and fill(pipeline, position, ports, tell, continued=continued)


def _flush(pipeline: Pipeline, ports: Ports, *, at_once: bool) -> Loaded | None:
    position = ports.state.position(pipeline.identity)
    return None if position is None else flush(pipeline, position, ports, at_once=at_once)
