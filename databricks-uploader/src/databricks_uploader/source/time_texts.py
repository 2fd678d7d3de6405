"""Texts of times: how far their order may be from that of the times, and what sorts before a time."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

from databricks_uploader.model.times import EARLIEST, EPOCH, LATEST
from databricks_uploader.source.typed import UTC

_IN_UTC, _ZONED = re.compile(r"(?:Z|UTC|[+-]00:?(?:00)?)\s*$", re.IGNORECASE), re.compile(r"[+-]\d\d:?(?:\d\d)?\s*$")
_ONE_ZONE, _ANY_ZONE, _DATES = timedelta(seconds=2), timedelta(hours=26, seconds=2), timedelta(days=1)
_LOCAL = timedelta(hours=3)
"""More than any clock was set back by since 1970."""
BEFORE_ALL, AFTER_ALL = "/~", ":"
"""Texts that sort around those that begin with a digit."""
_CALENDAR = 2 * 86_400_000_000
"""µs from the ends of the years 1 to 9999 that Python may not hold in some zone."""


def slack(newest: str, zone: str = UTC) -> timedelta:
    """Return how far the order of text and that of times may be apart in a column whose last text is `newest`.

    `zone`: of text without one.
    """
    if len(newest) <= len("2026-01-01"):
        return _DATES
    if _IN_UTC.search(newest[10:]):
        return _ONE_ZONE
    if _ZONED.search(newest[10:]):
        return _ANY_ZONE
    return _ONE_ZONE if zone == UTC else _LOCAL


def text_bound(time: int, like: str, zone: str) -> str:
    """Return a text that sorts before those of all times from `time` on, `like` being one."""
    if not EARLIEST + _CALENDAR < time < LATEST - _CALENDAR:
        return BEFORE_ALL if time < 0 else AFTER_ALL
    moment = EPOCH + timedelta(microseconds=time)
    if not _ZONED.search(like[10:]) and not _IN_UTC.search(like[10:]):
        moment = moment.astimezone(ZoneInfo(zone))
    written = moment.replace(tzinfo=None).isoformat(timespec="seconds")
    return written[:10] if len(like) <= len("2026-01-01") else f"{written[:10]}{like[10]}{written[11:]}"
