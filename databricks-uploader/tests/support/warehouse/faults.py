"""What goes wrong, as values: where it strikes, and what it does there.

    warehouse.faults.script(Fault(at(statement="^INSERT"), Drop(after=True)))
    warehouse.faults.at_random(seed=7, chance=0.1)

Each stands for something that networks, gateways and workspaces do; `README.md` lists them with their sources.
"""

import random
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.support.warehouse.errors import Condition


@dataclass(frozen=True)
class Place:
    """Which requests: all of those that fit every pattern given. Patterns are searched for, without regard to case."""

    rpc: str = ""
    statement: str = ""
    method: str = ""
    path: str = ""

    def fits(self, *, rpc: str, statement: str, method: str, path: str) -> bool:
        """Tell whether a request is meant. A pattern for `rpc` or `method` is the whole of it."""
        whole = ((self.rpc, rpc), (self.method, method))
        within = ((self.statement, statement), (self.path, path))
        return all(not wanted or wanted.upper() == given.upper() for wanted, given in whole) and all(
            not wanted or re.search(wanted, given, re.IGNORECASE | re.DOTALL) for wanted, given in within
        )


def at(*, rpc: str = "", statement: str = "", method: str = "", path: str = "") -> Place:
    """Name requests: by Thrift method, by SQL, by HTTP method, by path. With `statement` alone: its execution."""
    if statement and not rpc:
        rpc = "ExecuteStatement"
    return Place(rpc, statement, method, path)


@dataclass(frozen=True)
class Drop:
    """The connection is cut: before anything is executed, or after everything was."""

    after: bool = False


@dataclass(frozen=True)
class Delay:
    """Everything takes longer: before executing or after it, before the answer."""

    seconds: float
    after: bool = False


@dataclass(frozen=True)
class Truncate:
    """It is executed; the answer promises its whole length and ends after `keep` bytes of its body."""

    keep: int


@dataclass(frozen=True)
class Answer:
    """Another answer: instead of executing, or after it (a gateway that gave up on what was done behind it)."""

    status: int
    retry_after: int | None = None
    reason: str = ""
    after: bool = False


@dataclass(frozen=True)
class ExpireToken:
    """The token of the request has expired: it and every later request with it is refused."""


@dataclass(frozen=True)
class ForgetSession:
    """The warehouse no longer knows the session: as Thrift says it, or as the gateway says it (HTTP 400)."""

    by_gateway: bool = False


@dataclass(frozen=True)
class Fail:
    """The statement fails with this condition instead of being executed."""

    condition: Condition
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Twice:
    """It is executed twice, one after the other; the second answer is given."""


@dataclass(frozen=True)
class Hold:
    """The statement runs until `warehouse.faults.release()`, and only then does what it says."""


@dataclass(frozen=True)
class GoOn:
    """The connection is cut at once, while the statement goes on, as under Hold."""


Effect = Drop | Delay | Truncate | Answer | ExpireToken | ForgetSession | Fail | Twice | Hold | GoOn
_OF_STATEMENTS = (ForgetSession, Fail, Hold, GoOn)


@dataclass(frozen=True)
class Fault:
    """An effect at a place: after `skip` requests there have passed unharmed, `times` in a row."""

    where: Place
    effect: Effect
    skip: int = 0
    times: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.effect, _OF_STATEMENTS) and self.where.rpc.upper() != "EXECUTESTATEMENT":
            raise ValueError(f"{self.effect} strikes statements only: say which with at(statement=…)")


# What a random fault may be: everything that a client can meet without its session or token being at an end.
COMMON: tuple[Effect, ...] = (
    Drop(),
    Drop(after=True),
    Truncate(keep=10),
    Answer(503, retry_after=1),
    Answer(429),
    Answer(503, after=True),
    Answer(502),
    Twice(),
)


class Faults:
    """The faults still to come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._script: list[Fault] = []
        self._held: list[threading.Event] = []
        self._random: random.Random | None = None
        self._chance = 0.0
        self._possible: tuple[Fault, ...] = ()

    def script(self, *faults: Fault) -> None:
        """Add faults; where several fit a request, the first added strikes."""
        with self._lock:
            self._script += faults

    def at_random(
        self, seed: int, chance: float, effects: Sequence[Effect] = COMMON, where: Place | None = None
    ) -> None:
        """Let `chance` of the requests at `where` (all) meet one of `effects`, as `seed` and their order say."""
        possible = tuple(Fault(where or Place(), effect) for effect in effects)
        with self._lock:
            self._random = random.Random(seed)  # noqa: S311 - chosen by a seed, not secret
            self._chance, self._possible = chance, possible

    def clear(self) -> None:
        """Let nothing go wrong any more. What is held stays held."""
        with self._lock:
            self._script, self._random = [], None

    @property
    def left(self) -> tuple[Fault, ...]:
        """The scripted faults that have not struck as often as they should."""
        with self._lock:
            return tuple(self._script)

    def strike(self, *, rpc: str, statement: str, method: str, path: str) -> Fault | None:
        """Return what goes wrong with this request, if anything, and take it off the script."""
        request = {"rpc": rpc, "statement": statement, "method": method, "path": path}
        with self._lock:
            for number, fault in enumerate(self._script):
                if not fault.where.fits(**request):
                    continue
                if fault.skip:
                    self._script[number] = replace(fault, skip=fault.skip - 1)
                    continue
                self._script[number : number + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return replace(fault, times=1)
            possible = [fault for fault in self._possible if fault.where.fits(**request)]
            if self._random and possible and self._random.random() < self._chance:
                return self._random.choice(possible)
        return None

    def hold(self) -> threading.Event:
        """Return what a statement that goes on without its client waits for."""
        held = threading.Event()
        with self._lock:
            self._held.append(held)
        return held

    @property
    def holds(self) -> bool:
        """Whether a statement is held."""
        with self._lock:
            return bool(self._held)

    def release(self) -> None:
        """Let every statement that is held be executed."""
        with self._lock:
            held, self._held = self._held, []
        for event in held:
            event.set()
