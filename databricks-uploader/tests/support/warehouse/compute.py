"""The compute behind the end point: stopped or running, and what its being awake costs.

A warehouse is woken by a statement or a session, stays awake while statements run and `auto_stop_s` longer, and stops;
its sessions end with it (https://docs.databricks.com/compute/sql-warehouse/create, "auto stop"). Uploads by the Files
API need no warehouse and wake none.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class SlowStart:
    """How a stopped warehouse meets the requests that wake it. All three were seen, none is documented.

    held_s: they are held so many seconds (a serverless one). refusals: so many are refused with 503, `retry_after`
    seconds in the header or no header. stillborn: so many sessions are opened and then refuse every statement
    (both: pro and classic ones, lightdash/lightdash pull request 28654).
    """

    held_s: float = 0.0
    refusals: int = 0
    retry_after: int | None = 1
    stillborn: int = 0


class StartingError(Exception):
    """The warehouse is on its way up: come again."""

    def __init__(self, retry_after: int | None) -> None:
        super().__init__(f"starting, Retry-After {retry_after}")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Awake:
    """One time awake: from being woken to being stopped, in seconds of the clock."""

    since: float
    until: float

    @property
    def seconds(self) -> float:
        """How long that was."""
        return self.until - self.since


class Compute:
    """The state of one warehouse, and its meter."""

    def __init__(self, clock: Callable[[], float], auto_stop_s: float, slow_start: SlowStart) -> None:
        self._clock, self._auto_stop_s, self._slow = clock, auto_stop_s, slow_start
        self._condition = threading.Condition()
        self._times: list[Awake] = []
        self._active = 0
        self._refusals = self._stillborn = 0
        self._stopped, self._starting = True, False
        self._on_stop: list[Callable[[], None]] = []

    # ------------------------------------------------------------------ the meter

    @property
    def times_awake(self) -> tuple[Awake, ...]:
        """Every time awake; the last ends when it would if nothing more came."""
        with self._condition:
            return tuple(self._times)

    @property
    def woken(self) -> int:
        """How often the warehouse was started."""
        return len(self.times_awake)

    @property
    def awake_s(self) -> float:
        """How many seconds it was awake, or will have been if nothing more comes: what is paid for."""
        return sum(time.seconds for time in self.times_awake)

    # ------------------------------------------------------------------ its state

    def when_stopped(self, forget: Callable[[], None]) -> None:
        """Call `forget` whenever the warehouse stops."""
        self._on_stop.append(forget)

    def stop(self) -> None:
        """Stop it now, as a person does or as idleness does."""
        with self._condition:
            if not self._stopped and self._times:
                last = self._times[-1]
                self._times[-1] = Awake(last.since, min(last.until, self._clock()))
            self._stopped = True
        for forget in self._on_stop:
            forget()

    def rouse(self, *, opening: bool) -> bool:
        """Wake it if it is stopped. Tell whether a session that is being opened will live.

        Raises StartingError while it refuses to be hurried.
        """
        self._stop_if_idle()
        with self._condition:
            if self._stopped:
                self._start()
            self._condition.wait_for(lambda: not self._starting)
            self._stay()
            if self._refusals:
                self._refusals -= 1
                raise StartingError(self._slow.retry_after)
            if opening and self._stillborn:
                self._stillborn -= 1
                return False
            return True

    def _start(self) -> None:
        self._stopped, self._starting = False, True
        self._refusals, self._stillborn = self._slow.refusals, self._slow.stillborn
        self._times.append(Awake(self._clock(), self._clock()))
        if self._slow.held_s:
            self._condition.wait(self._slow.held_s)
        self._starting = False
        self._condition.notify_all()

    def begin(self) -> None:
        """Note that a statement runs."""
        with self._condition:
            self._active += 1
            self._stay()

    def end(self) -> None:
        """Note that a statement has ended."""
        with self._condition:
            self._active -= 1
            self._stay()

    def _stay(self) -> None:
        if self._stopped:  # a statement that outlived its warehouse
            return
        last = self._times[-1]
        self._times[-1] = Awake(last.since, max(last.until, self._clock() + self._auto_stop_s))

    def _stop_if_idle(self) -> None:
        with self._condition:
            idle = bool(self._times) and not self._active and self._clock() > self._times[-1].until
            overdue = idle and not self._stopped
        if overdue:
            self.stop()
