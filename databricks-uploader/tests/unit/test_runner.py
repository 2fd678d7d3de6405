"""How the loop paces itself, and what each error means for it."""

from contextlib import AbstractContextManager

import pytest
from tests.support.fakes import FakeClock

from databricks_uploader.errors import ConfigError, PermanentError, StateError, TransientError, UploaderError
from databricks_uploader.events import Bug, Event, Failed
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.observability import log
from databricks_uploader.ports import Ports
from databricks_uploader.runner import PARKED_RETRY_S, Opening, Pace, run

DAEMON = Pace(once=False, interval_s=300, retry_for_s=60)
ONCE = Pace(once=True, interval_s=300, retry_for_s=60)


def failing(error: Exception, pace: Pace, clock: FakeClock) -> tuple[int, list[Event]]:
    """Run a pipeline that can't be opened."""
    events: list[Event] = []

    def opening() -> AbstractContextManager[tuple[Pipeline, Ports]]:
        raise error

    return run([Opening(opening)], clock, events.append, pace, lambda: 1.0), events


def test_a_daemon_waits_double_until_the_ceiling() -> None:
    clock = FakeClock(stop_after=11)
    assert failing(TransientError("busy", hint=""), DAEMON, clock)[0] == 0
    assert clock.waited_s == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_jitter_takes_up_to_half_of_a_wait() -> None:
    assert DAEMON.after(TransientError("busy", hint=""), 3, 0, jitter=0) == 4
    assert DAEMON.after(TransientError("busy", hint=""), 3, 0, jitter=1) == 8


def test_a_daemon_waits_for_what_is_not_there_yet() -> None:
    clock = FakeClock(stop_after=2)
    assert failing(ConfigError("no file", hint=""), DAEMON, clock)[0] == 0
    assert clock.waited_s == [1, 2]


def test_a_parked_pipeline_is_tried_slowly() -> None:
    clock = FakeClock(stop_after=2)
    failing(PermanentError("no permission", hint=""), DAEMON, clock)
    assert clock.waited_s == [PARKED_RETRY_S, PARKED_RETRY_S]


def test_a_stopped_pipeline_waits_for_a_person() -> None:
    clock = FakeClock(stop_after=1)
    assert failing(StateError("two copies", hint=""), DAEMON, clock)[0] == 0
    assert clock.waited_s == [None]


def test_a_bug_is_told_as_one_and_tried_again() -> None:
    clock = FakeClock(stop_after=2)
    code, events = failing(ZeroDivisionError("oops"), DAEMON, clock)
    assert code == 0
    assert all(isinstance(e, Bug) for e in events)
    assert clock.waited_s == [1, 2]


def test_once_gives_up_when_the_time_for_retries_is_spent() -> None:
    clock = FakeClock()
    assert failing(TransientError("busy", hint=""), ONCE, clock)[0] == 75
    assert clock.waited_s == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("no file", hint=""), 2),
        (PermanentError("no permission", hint=""), 1),
        (StateError("two copies", hint=""), 3),
        (ZeroDivisionError("oops"), 70),
    ],
)
def test_once_ends_with_the_exit_code_of_what_repeating_can_not_mend(error: Exception, code: int) -> None:
    clock = FakeClock()
    found, events = failing(error, ONCE, clock)
    assert found == code
    assert clock.waited_s == []
    (event,) = events
    assert isinstance(event, Failed if isinstance(error, UploaderError) else Bug)
    assert event.again_s is None


def test_once_ends_with_75_when_it_is_told_to_stop() -> None:
    assert failing(TransientError("busy", hint=""), ONCE, FakeClock(stop_after=1))[0] == 75


def test_a_bug_in_a_secure_pipeline_is_told_without_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    def opening() -> AbstractContextManager[tuple[Pipeline, Ports]]:
        raise ValueError("no number: " + "SECRET".lower())

    log.configure("debug")
    assert run([Opening(opening, discreet=True)], FakeClock(), log.tell, ONCE, lambda: 1.0) == 70
    told = capsys.readouterr().err
    assert "this is a bug of the uploader (exit code 70): ValueError; --log-level debug shows where" in told
    assert "in opening" in told
    assert "secret" not in told


def test_one_pipeline_that_fails_does_not_keep_the_others_from_their_pace() -> None:
    turns: list[str] = []

    def failing(name: str, error: Exception) -> Opening:
        def opening() -> AbstractContextManager[tuple[Pipeline, Ports]]:
            turns.append(name)
            raise error

        return Opening(opening)

    openings = [
        failing("stopped", StateError("two copies", hint="")),
        failing("busy", TransientError("busy", hint="")),
        failing("parked", PermanentError("no permission", hint="")),
    ]
    run(openings, FakeClock(stop_after=5), lambda _: None, DAEMON, lambda: 1.0)
    assert turns == ["stopped", "busy", "parked", *["busy"] * 4]
