"""The loop: fill, flush, wait; and what an error means for the next try."""

from collections.abc import Callable, Generator, Iterable, Sequence
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
from databricks_uploader.events import Bug, CaughtUp, Discreet, Event, Failed, Loaded, Tell
from databricks_uploader.fill import fill
from databricks_uploader.flush import flush
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.ports import Clock, Ports
from databricks_uploader.prepare import prepare
from databricks_uploader.take_back import take_back
from databricks_uploader.windowing import tell_open

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


@dataclass(frozen=True)
class Opening:
    """How a pipeline is begun. `discreet`: whatever is told of it must hold no value of a row."""

    open: Open
    discreet: bool = False


def run(
    openings: Sequence[Opening],
    clock: Clock,
    tell: Tell,
    pace: Pace,
    jitter: Callable[[], float],
    after_each: Callable[[], None] = lambda: None,
) -> int:
    """Upload once, or until it is time to stop; return the exit code of design.md's table of errors.

    The pipelines take turns, a span each; `after_each` round something is done. Each has its own pace: one that fails
    holds back no other, and is in step with them again once it doesn't.
    """
    with ExitStack() as stack:
        runs = [_Run(opening, stack, tell, pace, jitter) for opening in openings]
        while True:
            _in_turns([one.turns() for one in runs if one.again_s == 0], after_each)
            if pace.once and any(one.stopped for one in runs):
                return TransientError.exit_code
            _in_step(runs)
            left = [one.again_s for one in runs if one.again_s is not None]
            if pace.once and not left:
                return _gravest(runs, tell)
            wait_s = min(left, default=None)
            if clock.wait(wait_s):
                return TransientError.exit_code if pace.once else 0
            for one in runs:
                one.again_s = None if one.again_s is None or wait_s is None else one.again_s - wait_s


def _in_turns(turns: Iterable[Generator[None]], after_each: Callable[[], None]) -> None:
    """Take the turns of some pipelines, one of each after the other, until none has another."""
    with ExitStack() as stack:
        left = [stack.enter_context(closing(one)) for one in turns]
        while left:
            left = [one for one in left if next(one, _OVER) is not _OVER]
            after_each()


_OVER = object()


def _in_step(runs: Sequence["_Run"]) -> None:
    """Let all pipelines that go well have their next turns together, so that one read may serve them."""
    well = [one for one in runs if one.goes_well and one.again_s is not None]
    beat = min((one.again_s for one in well if one.again_s is not None), default=None)
    for one in well:
        one.again_s = beat


def _gravest(runs: Sequence["_Run"], tell: Tell) -> int:
    """Return the exit code of a single run; where all went well, tell so."""
    code = min((one.code for one in runs), key=_GRAVITY.index)
    if code == 0:
        tell(CaughtUp(sum(one.rows for one in runs)))
    return code


_GRAVITY = (
    EXIT_BUG,
    StateError.exit_code,
    ConfigError.exit_code,
    PermanentError.exit_code,
    TransientError.exit_code,
    0,
)


@dataclass
class _Run:
    """One pipeline's turns."""

    opening: Opening
    stack: ExitStack
    tell_all: Tell
    pace: Pace
    jitter: Callable[[], float]
    again_s: float | None = 0.0
    """When its next turn is; None: never."""
    code: int = 0
    rows: int = 0
    stopped: bool = False
    """Whether its turns ended since it was time to stop."""
    _failures: int = 0
    _waited_s: float = 0.0
    _opened: tuple[Pipeline, Ports] | None = None

    @property
    def goes_well(self) -> bool:
        """Whether the last turns did not fail."""
        return self._failures == 0

    def turns(self) -> Generator[None]:
        """Upload all there is, a span in each turn."""
        try:
            self._opened = self._opened or self.stack.enter_context(self.opening.open())
            rows = yield from cycle(*self._opened, self._tell)
        except Exception as error:  # noqa: BLE001  (the one place where an error ends its journey)
            self._failed(error)
            return
        self._failures, self._waited_s, self.code = 0, 0.0, 0
        self.stopped = rows is None
        self.rows += rows or 0
        if self.pace.once:
            tell_open(*self._opened, self._tell)
        self.again_s = None if self.pace.once else self.pace.interval_s

    def _failed(self, error: Exception) -> None:
        self.again_s = self.pace.after(error, self._failures, self._waited_s, self.jitter())
        self._tell(Failed(error, self.again_s) if isinstance(error, UploaderError) else Bug(error, self.again_s))
        self.code = error.exit_code if isinstance(error, UploaderError) else EXIT_BUG
        self._failures, self._waited_s = self._failures + 1, self._waited_s + (self.again_s or 0)

    def _tell(self, event: Event) -> None:
        self.tell_all(Discreet(event) if self.opening.discreet else event)


Cycle = Generator[None, None, int | None]


def cycle(pipeline: Pipeline, ports: Ports, tell: Tell) -> Cycle:
    """Upload all there is, a span after the other; return how many rows, None when it was time to stop before.

    Where a source can't be read any further, what was claimed before is loaded all the same.
    """
    take_back(pipeline, ports, tell)
    with closing(ports.destination):  # a connection that stays open would cost while nothing is due
        return (yield from _cycle(pipeline, ports, tell))


def _cycle(pipeline: Pipeline, ports: Ports, tell: Tell) -> Cycle:
    caught_up, continued, rows, fault = False, False, 0, None
    while True:
        if caught_up or not _has_room(pipeline, ports):
            while loaded := _flush(pipeline, ports, at_once=not caught_up):  # there is no room to wait any longer
                tell(loaded)
                rows += loaded.rows
                if ports.clock.wait(0):
                    return None
            if fault is not None:
                raise fault
            if caught_up:
                return rows
            continued = False
        if ports.clock.wait(0):
            return None
        try:
            caught_up = not _fill(pipeline, ports, tell, continued=continued)
        except (ConfigError, PermanentError, TransientError) as error:
            caught_up, fault = True, error
        continued = True
        yield


def _has_room(pipeline: Pipeline, ports: Ports) -> bool:
    used = ports.state.waiting_bytes(pipeline.identity)
    files = 2 if pipeline.steps or pipeline.aggregate else 1  # as read, and as steps leave it
    needed = files * pipeline.limits.span_bytes
    return used == 0 or used + needed <= pipeline.limits.spool_bytes


def _fill(pipeline: Pipeline, ports: Ports, tell: Tell, *, continued: bool) -> bool:
    """Claim a span; tell whether there may be more."""
    position = prepare(pipeline, ports, tell)
    return position is not None and fill(pipeline, position, ports, tell, continued=continued)


def _flush(pipeline: Pipeline, ports: Ports, *, at_once: bool) -> Loaded | None:
    position = ports.state.position(pipeline.identity)
    return None if position is None else flush(pipeline, position, ports, at_once=at_once)
