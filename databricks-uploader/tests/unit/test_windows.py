"""Windows: where they begin and end on the days when clocks change, when they close, and what is kept of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_uploader.model.aggregation import AggregateStep, Aggregation, Function, TimeToken
from databricks_uploader.model.touched import (
    FUTURE,
    MOST_LATE,
    MOST_RANGES,
    Seen,
    Window,
    closes_at,
    covering,
    due,
    forgetting,
    holds,
    latest,
    loaded_of,
    of_forgotten,
    rows_again,
    touched,
)
from databricks_uploader.model.windows import DAY, HOUR, MINUTE, Grid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = [
    "UTC", "Europe/Oslo", "America/New_York", "America/Havana", "America/Sao_Paulo", "Australia/Lord_Howe",
    "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo", "America/St_Johns",
]  # fmt: skip


def at(text: str) -> int:
    """Return µs since 1970 of a time, in UTC where it has no offset."""
    time = datetime.fromisoformat(text)
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)


def shown(grid: Grid, since: str, until: str) -> list[str]:
    """Return the beginnings of the windows in between, as the zone's clocks show them."""
    found, start = [], grid.start(at(since))
    while start < at(until):
        moment = (EPOCH + timedelta(microseconds=start)).astimezone(ZoneInfo(grid.timezone))
        found.append(moment.isoformat(timespec="minutes")[8:])
        start = grid.end(start)
    return found


@pytest.mark.parametrize(
    ("token", "since", "until", "starts"),
    [
        # 2026-03-29: the hour after 02:00 does not exist; 2026-10-25: it comes twice.
        ("hour", "2026-03-29T00:30", "2026-03-29T02:00", ["29T01:00+01:00", "29T03:00+02:00"]),
        ("hour", "2026-10-25T00:30", "2026-10-25T02:00", ["25T02:00+02:00", "25T02:00+01:00"]),
        ("hour_of_day", "2026-10-25T00:30", "2026-10-25T03:00", ["25T02:00+02:00", "25T03:00+01:00"]),
        ("day", "2026-10-24T23:00", "2026-10-26T00:00", ["25T00:00+02:00", "26T00:00+01:00"]),
        ("minute", "2026-10-25T00:59", "2026-10-25T01:01", ["25T02:59+02:00", "25T02:00+01:00"]),
    ],
)
def test_windows_follow_the_zones_clocks(token: str, since: str, until: str, starts: list[str]) -> None:
    assert shown(Grid(TimeToken(token), "Europe/Oslo"), since, until) == starts


@pytest.mark.parametrize(
    ("zone", "token", "since", "until", "starts"),
    [
        # Midnight does not exist: the day begins at one.
        ("America/Sao_Paulo", "day", "2018-11-04T02:00", "2018-11-05T02:00", ["03T00:00-03:00", "04T01:00-02:00"]),
        # Midnight comes twice: date_trunc keeps the offset, so there are two.
        ("America/Havana", "day", "2026-11-01T04:00", "2026-11-02T05:00", ["01T00:00-04:00", "01T00:00-05:00"]),
        # Half an hour comes twice, and has one beginning.
        ("Australia/Lord_Howe", "hour", "2026-04-04T14:00", "2026-04-04T16:00", ["05T01:00+11:00", "05T02:00+10:30"]),
        # A day that was skipped.
        ("Pacific/Apia", "day", "2011-12-30T09:00", "2011-12-31T09:00", ["29T00:00-10:00", "31T00:00+14:00"]),
    ],
)
def test_windows_of_odd_zones_are_those_of_date_trunc(
    zone: str, token: str, since: str, until: str, starts: list[str]
) -> None:
    assert shown(Grid(TimeToken(token), zone), since, until) == starts


@given(
    st.sampled_from(ZONES),
    st.sampled_from(TimeToken),
    st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1)).map(lambda t: at(t.isoformat())),  # noqa: DTZ001
    st.integers(0, DAY),
)
def test_windows_hold_every_time_once_and_in_order(zone: str, token: TimeToken, time: int, more: int) -> None:
    grid = Grid(token, zone)
    start = grid.start(time)
    assert start <= time < grid.end(start)
    assert grid.start(start) == start
    assert grid.start(grid.end(start) - 1) == start
    assert grid.start(grid.end(start)) == grid.end(start)
    assert grid.start(time + more) >= start


@pytest.mark.parametrize("time", [at("0001-01-01T00:30"), at("9999-12-31T23:59:59.999999")])
def test_the_ends_of_the_calendar_have_windows(time: int) -> None:
    grid = Grid(TimeToken.HOUR, "Europe/Oslo")
    assert grid.start(time) <= time < grid.end(grid.start(time))


@pytest.mark.parametrize(
    ("group_by", "finest"),
    [((), "hour"), (("day",), "day"), (("hour_of_day",), "hour_of_day"), (("hour", "hour_of_day"), "hour"),
     (("day", "minute"), "minute")],
)  # fmt: skip
def test_the_shortest_time_of_a_step_decides(group_by: tuple[str, ...], finest: str) -> None:
    step = AggregateStep(group_by, (Aggregation(column="rows", function=Function.COUNT),), timezone="Asia/Tokyo")
    assert Grid.of(step) == Grid(TimeToken(finest), "Asia/Tokyo")


HOURS = Grid(TimeToken.HOUR)
NOW = at("2026-01-31T12:00")


def waiting(hours: Sequence[float], newest: float | None = None) -> list[Window]:
    """Return windows that begin so many hours from now, each with a row in its middle, the last one's as given."""
    found = []
    for hour in hours:
        start = NOW + int(hour * HOUR)
        found.append(Window(start).touched(Seen(start, 1, 1, 1, start + HOUR // 2)))
    if newest is not None:
        found[-1] = Window(found[-1].start, 1, 1, NOW + int(newest * HOUR), ((1, 1),))
    return found


def closed(windows: list[Window], lateness: int = 0, now: int = NOW) -> list[float]:
    found = due(windows, HOURS, lateness, latest(windows, now))
    return [(window.start - NOW) / HOUR for window in found]


def test_a_window_closes_when_its_end_and_the_lateness_are_past() -> None:
    windows = waiting([-3, -2, -1, 0])
    assert closed(windows) == [-3, -2, -1]
    assert closed(windows, lateness=40 * MINUTE) == [-3, -2]
    assert closes_at(windows[-1], HOURS, 30 * MINUTE) == NOW + HOUR + 30 * MINUTE


def test_a_newer_row_closes_windows_too_where_the_clock_is_behind() -> None:
    assert closed(waiting([-1, 0, 1, 2])) == [-1, 0, 1]


def test_an_idle_source_closes_its_last_window_by_the_clock() -> None:
    windows = waiting([0])
    assert closed(windows) == []
    assert closed(windows, now=NOW + HOUR) == [0]


def test_times_far_in_the_future_neither_close_windows_nor_hold_them_open() -> None:
    assert closed(waiting([-2, 0, 24 * 365])) == [-2]
    assert closed(waiting([-2, 0, 24 * 365]), now=NOW + HOUR) == [-2, 0]


def test_a_clock_that_is_years_behind_closes_nothing() -> None:
    assert closed(waiting([-2, -1, 0]), now=at("1970-01-01T00:00")) == []


def test_a_time_is_believed_up_to_a_day_ahead_of_the_clock() -> None:
    assert closed(waiting([0, 1], newest=24)) == [0, 1]
    assert closed(waiting([0, 1], newest=24 + 1e-9 * 1000)) == []
    assert FUTURE == DAY


def test_an_emitted_window_waits_for_nothing_until_a_row_comes_late() -> None:
    (window,) = waiting([-2])
    emitted = window.emitted(7)
    assert closed([emitted]) == []
    (again,) = touched({window.start: emitted}, [Seen(window.start, 2, 90, 91, window.start + 1)]).values()
    assert (again.rows, again.waiting, again.loaded) == (3, 2, 7)
    assert again.newest == window.newest
    assert again.ranges == ((1, 1), (90, 91))
    assert closed([again]) == [-2]


def test_rows_of_emitted_windows_are_loaded_and_others_wait() -> None:
    seen = [Seen(0, 3, 1, 3, 5), Seen(HOUR, 4, 4, 7, HOUR)]
    first, _ = touched({}, seen).values()
    assert loaded_of(seen, [first]) == 3
    assert loaded_of([], [first]) == 0


def test_a_window_whose_rows_are_gone_is_known_by_their_number() -> None:
    window = Window(0).touched(Seen(0, 5, 1, 5, 9))
    assert [window.lacks(found) for found in (4, 5, 6)] == [1, 0, 0]


def test_a_late_row_does_not_make_a_window_as_long_as_the_table() -> None:
    window = Window(0).touched(Seen(0, 100, 1, 100, 9)).touched(Seen(0, 1, 1_000_000, 1_000_000, 9))
    assert rows_again([window]) == ((1, 100), (1_000_000, 1_000_000))
    assert rows_again([window], before=500_000) == ((1, 100),)
    assert rows_again([window, Window(HOUR).touched(Seen(HOUR, 50, 90, 150, HOUR))], before=120) == ((1, 120),)


def test_late_rows_are_known_by_their_keys_where_these_are_no_rowids() -> None:
    first = Window(0).touched(Seen(0, 3, 0, 9, 9, (31, 12, 77)))
    assert first.late == ()
    assert first.waiting_of([77, 12], by_time=True) == [12, 77]
    late = first.emitted(1).touched(Seen(0, 2, 3, 4, 4, (55, 11)))
    assert late.late == (55, 11)
    assert late.waiting_of([77, 55, 31, 12], by_time=True) == [55], "the other one is gone"
    assert late.emitted(2, more=4) == replace(late, rows=9, waiting=0, loaded=2, late=())


def test_where_not_all_late_rows_are_known_others_stand_in_for_them() -> None:
    window = replace(Window(0), rows=5_000, loaded=1).touched(
        Seen(0, MOST_LATE + 1, 0, 9, 9, tuple(range(MOST_LATE + 1)))
    )
    assert len(window.late) == MOST_LATE
    assert window.waiting_of([*range(MOST_LATE), 7_000, 8_000], by_time=True) == [8_000, *range(MOST_LATE)]


def test_rowids_tell_which_rows_came_last() -> None:
    window = Window(0).touched(Seen(0, 3, 4, 6, 9)).emitted(1).touched(Seen(0, 2, 8, 9, 9))
    assert window.waiting_of([9, 4, 8], by_time=False) == [8, 9]


@given(st.lists(st.integers(-50, 50), max_size=8, unique=True).map(sorted), st.integers(-60, 60))
def test_ranges_hold_the_keys_between_their_ends(ends: list[int], key: int) -> None:
    ranges = list(zip(ends[::2], ends[1::2], strict=False))
    assert holds(ranges, key) == any(low <= key <= high for low, high in ranges)


KEYS = st.tuples(st.integers(-50, 50), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(KEYS, min_size=1, max_size=12))
def test_few_ranges_hold_all_keys_however_they_come(given_ranges: list[tuple[int, int]]) -> None:
    ranges: tuple[tuple[int, int], ...] = ()
    for one in given_ranges:
        ranges = covering(ranges, one)
    assert len(ranges) <= MOST_RANGES
    assert all(high + 1 < low for (_, high), (low, _) in pairwise(ranges))
    assert all(any(low <= a and b <= high for low, high in ranges) for a, b in given_ranges)
    assert rows_again([Window(0, ranges=ranges), Window(1, ranges=tuple(sorted(given_ranges)))]) == ranges


def test_the_oldest_idle_windows_are_forgotten_and_rows_that_come_for_them_are_known() -> None:
    windows = [Window(hour * HOUR, 1, int(hour == 0), 0, ((1, 1),)) for hour in range(5)]
    gone = forgetting(windows, HOURS, None, most=3)
    assert gone.starts == (HOUR, 2 * HOUR)
    assert gone.since == 3 * HOUR
    assert forgetting(windows, HOURS, 9 * HOUR, most=5) == type(gone)((), 9 * HOUR)
    known = {window.start: window for window in windows if window.start not in gone.starts}
    seen = [Seen(hour * HOUR, 1, 9, 9, 0) for hour in range(5)]
    assert [one.start for one in of_forgotten(seen, known, gone.since)] == [HOUR, 2 * HOUR]
    assert of_forgotten(seen, known, None) == []
