"""Windows of time: where they begin and end, in whichever time zone, on the days when its clocks change too.

They are those of one query on Databricks in that session time zone. Spark's `date_trunc` cuts the wall clock and keeps
the offset from UTC where the cut time has it, else takes the one that it has; of a time that was skipped, what it would
have been before the change (java.time.ZonedDateTime.truncatedTo). So an hour that comes twice is two windows, a day has
23 or 25 hours, and `day` with `hour_of_day`, which are both the same for an hour that comes twice, is one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from databricks_uploader.model.aggregation import AggregateStep, TimeToken
from databricks_uploader.model.times import EARLIEST, LATEST

MINUTE, QUARTER, HOUR, DAY = 60_000_000, 900_000_000, 3_600_000_000, 86_400_000_000
"""In µs. Zones have been off UTC by whole quarters of an hour since 1972; before, they are cut there."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Parts:
    """What a quarter of an hour belongs to: the beginnings of its window, hour and day in µs since 1970."""

    window: int
    """Where windows are minutes, that of the quarter's first one."""
    hour: int
    day: int
    hour_of_day: int


@dataclass(frozen=True)
class Grid:
    """The windows of an aggregation; times are in µs since 1970, and each window is known by its beginning."""

    finest: TimeToken
    timezone: str = "UTC"

    @classmethod
    def of(cls, step: AggregateStep) -> "Grid":
        """Return the windows of a step: the shortest time that it groups by decides."""
        finest = next(
            token
            for token in (TimeToken.MINUTE, TimeToken.HOUR, TimeToken.HOUR_OF_DAY, TimeToken.DAY)
            if token in step.tokens
        )
        return cls(finest, step.timezone)

    @property
    def nominal(self) -> int:
        """How long a window is on days when no clock is changed."""
        return {TimeToken.MINUTE: MINUTE, TimeToken.DAY: DAY}.get(self.finest, HOUR)

    def start(self, time: int) -> int:
        """Return the beginning of the window that a time is in."""
        if self.finest is TimeToken.MINUTE:
            return time - time % MINUTE
        return self.parts(time).window

    def end(self, start: int) -> int:
        """Return the beginning of the window after one."""
        at = start + self.nominal
        while self.start(at) <= start:  # a longer one
            at += self.nominal
        return self.start(at)

    def parts(self, time: int) -> Parts:
        """Return what the quarter of an hour that a time is in belongs to."""
        return _parts(time - time % QUARTER, self.finest, self.timezone)


def key_of(step: AggregateStep, start: int) -> tuple[int, ...]:
    """Return what the columns of time of a window's rows hold: µs since 1970, and the hour of `hour_of_day`."""
    parts = Grid.of(step).parts(start)
    values = {
        TimeToken.MINUTE: start,
        TimeToken.HOUR: parts.hour,
        TimeToken.DAY: parts.day,
        TimeToken.HOUR_OF_DAY: parts.hour_of_day,
    }
    return tuple(values[token] for token in step.tokens)


@lru_cache(maxsize=20_000)
def _parts(quarter: int, finest: TimeToken, timezone: str) -> Parts:
    zone = ZoneInfo(timezone)
    hour, day = _cut(quarter, HOUR, zone), _cut(quarter, DAY, zone)
    of_day = _local(quarter, zone).hour if _in_calendar(quarter) else quarter % DAY // HOUR
    match finest:
        case TimeToken.MINUTE:
            window = quarter
        case TimeToken.HOUR:
            window = hour
        case TimeToken.DAY:
            window = day
        case TimeToken.HOUR_OF_DAY:
            before = hour - QUARTER
            again = _in_calendar(before) and (_cut(before, DAY, zone), _local(before, zone).hour) == (day, of_day)
            window = _cut(before, HOUR, zone) if again else hour
    return Parts(window, hour, day, of_day)


def _cut(time: int, unit: int, zone: ZoneInfo) -> int:
    """Return the beginning of an hour or a day of the wall clock."""
    if not _in_calendar(time):
        return time - time % unit
    local = _local(time, zone)
    cut = local.replace(minute=0, second=0, microsecond=0, fold=0)
    if unit == DAY:
        cut = cut.replace(hour=0)
    folds = [_micros(cut.replace(fold=fold)) for fold in (0, 1)]
    for found in folds:
        there = _local(found, zone)
        if there.replace(tzinfo=None) == cut.replace(tzinfo=None) and there.utcoffset() == local.utcoffset():
            return found
    return folds[0]


def _in_calendar(time: int) -> bool:
    """Tell whether a time and those around it are in the years 1 to 9999, which Python can hold."""
    return EARLIEST + 2 * DAY < time < LATEST - 2 * DAY


def _local(time: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=time)).astimezone(zone)


def _micros(time: datetime) -> int:
    return (time.astimezone(UTC) - _EPOCH) // _MICROSECOND
