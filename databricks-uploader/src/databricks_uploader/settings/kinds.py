"""The kinds of values that settings have: what a person may write, and what it becomes."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from databricks_uploader.model.secret import Secret, masked

Tree = str | int | float | bool | None | Sequence["Tree"] | Mapping[str, "Tree"]
"""A value as YAML and JSON have it: a scalar setting is a text, rules are mappings and lists."""


class MisfitError(ValueError):
    """A value that a setting can't have; the text goes on from the setting's name: 'takes …', 'is …'.

    `inside` leads to the part of a mapping or list that is wrong.
    """

    def __init__(self, text: str, inside: tuple[str | int, ...] = ()) -> None:
        super().__init__(text)
        self.inside = inside


class MisfitsError(ValueError):
    """Several things that are wrong with the parts of one mapping or list."""

    def __init__(self, found: Sequence[MisfitError]) -> None:
        super().__init__("; ".join(map(str, found)))
        self.found = tuple(found)


@dataclass(frozen=True)
class Kind:
    """What a person may write for a setting.

    `parse` takes a scalar's text, or for `structured` kinds a tree. It raises MisfitError, or a plain ValueError or
    KeyError where saying what is `expected` is enough. `schema` says the same in JSON Schema.
    """

    metavar: str
    expected: str
    parse: Callable[[Any], Any]
    schema: Mapping[str, Any]
    structured: bool = False
    secret: bool = False
    shown: Callable[[Any], str] = str


def choice(metavar: str, *values: str) -> Kind:
    """Return the kind of a setting that takes one of a few words."""

    def parse(text: str) -> str:
        return {value: value for value in values}[text.lower()]

    return Kind(metavar, f"one of {', '.join(values)}", parse, {"enum": list(values)})


_BOOLEANS = {
    "true": True, "1": True, "yes": True, "on": True,
    "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip


def _boolean(text: str) -> bool:
    return _BOOLEANS[text.lower()]


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?(?:ms|s|min|m|h|d)\s*)+")
_PART = re.compile(r"([\d.]+)([a-z]+)")


def _duration(text: str) -> float:
    """Return seconds: of a bare number, or of numbers with units, as in 1h30m."""
    text = text.strip().lower()
    if _DURATION.fullmatch(text):
        value = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    else:
        value = float(text)
    if not 0 <= value < 10**9:
        raise ValueError
    return value


def _positive_duration(text: str) -> float:
    value = _duration(text)
    if value == 0:
        raise ValueError
    return value


def shown_duration(seconds: float) -> str:
    """Write seconds as a person does: 5m, 1h30m, 0.5s."""
    if seconds % 1 or not seconds:
        return f"{seconds:g}s"
    shown, rest = "", int(seconds)
    for unit in ("d", "h", "m", "s"):
        number, rest = divmod(rest, int(_SECONDS[unit]))
        shown += f"{number}{unit}" if number else ""
    return shown


_BYTES = {
    f"{prefix}{unit}": base**power
    for power, prefix in enumerate(("", "k", "m", "g", "t"))
    for unit, base in (("b", 1000), ("ib", 1024), ("i", 1024))
} | {"": 1}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


def _size(text: str) -> int:
    """Return bytes: of a bare number, or of a number with a unit, as in 64MiB."""
    found = _SIZE.fullmatch(text.strip().lower())
    if not found:
        raise ValueError
    value = int(float(found[1]) * _BYTES[found[2]])
    if value < 1:
        raise ValueError
    return value


def shown_size(value: int) -> str:
    """Write bytes as a person does: in the greatest binary unit that leaves a whole number."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if value % (1 << power) == 0:
            return f"{value >> power}{unit}"
    return f"{value}B"


def _count(text: str) -> int:
    """Return a number of things: 10000, 10_000 or 10,000."""
    value = int(text.strip().replace(",", ""))
    if value < 1:
        raise ValueError
    return value


def _start(text: str) -> datetime | str:
    """Return beginning, now, or a time, which is in UTC where it has no zone."""
    text = text.strip()
    if text.lower() in {"beginning", "now"}:
        return text.lower()
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def shown_start(start: datetime | str) -> str:
    """Write a start as it can be given."""
    return start if isinstance(start, str) else start.isoformat()


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError
    if masked(text) != text:
        raise MisfitError("looks like a token, and would be shown")
    return text


def _zone(text: str) -> str:
    if text not in available_timezones():
        close = get_close_matches(text, available_timezones(), n=1, cutoff=0.6)
        nearest = f"; did you mean {close[0]!r}?" if close else ""
        raise MisfitError(f"takes the name of a time zone, not {text!r}{nearest}")
    return text


def _path(text: str) -> Path:
    if re.match(r"[A-Za-z]:\\", text):
        raise MisfitError(f"is a Windows path: {text}; here paths look like /data/sensor.db")
    if "\0" in text:
        raise ValueError
    path = Path(_name(text))
    try:
        return path.expanduser()
    except RuntimeError:  # nobody of that name, or a user without a home: as a shell does
        return path


def _secret(text: str) -> Secret:
    if not text or not text.isprintable() or any(letter.isspace() for letter in text):
        raise ValueError
    return Secret(text)


TEXT: Mapping[str, Any] = {"type": ["string", "number", "boolean"], "minLength": 1}
"""What YAML takes for a number is a name as well."""
_SAID_BOOLEANS = {"enum": [True, False, "yes", "no", "on", "off", 1, 0]}
_AS_DURATION = {"type": ["number", "string"], "minimum": 0, "pattern": r"^\s*[0-9.]+\s*(ms|s|min|m|h|d|[0-9. ])*$"}

NAME = Kind("NAME", "a name", _name, TEXT)
ZONE = Kind("ZONE", "the name of a time zone such as Europe/Oslo", _zone, TEXT)
PATH = Kind("PATH", "a path", _path, TEXT)
BOOLEAN = Kind("BOOL", "true or false", _boolean, _SAID_BOOLEANS, shown=lambda value: str(value).lower())
DURATION = Kind("TIME", "a time such as 30, 30s or 5m", _duration, _AS_DURATION, shown=shown_duration)
POSITIVE_DURATION = Kind(
    "TIME", "a time above 0 such as 300, 30s or 5m", _positive_duration, _AS_DURATION, shown=shown_duration
)
SIZE = Kind(
    "SIZE",
    "a size above 0 such as 67108864 or 64MiB",
    _size,
    {"type": ["integer", "string"], "minimum": 1, "pattern": r"^[0-9.]+\s*([KMGTkmgt]?(i?[Bb]|i))?$"},
    shown=shown_size,
)
COUNT = Kind("NUMBER", "a number above 0", _count, {"type": ["integer", "string"], "minimum": 1}, shown="{:,}".format)
START = Kind(
    "START", "beginning, now, or a time such as 2026-01-31T08:00:00Z", _start, {"type": "string"}, shown=shown_start
)
SECRET = Kind("SECRET", "one word without spaces", _secret, TEXT, secret=True)
SHORTEST_KEY = 16


def _hash_key(text: str) -> Secret:
    if len(text) < SHORTEST_KEY:
        raise ValueError
    return _secret(text)


HASH_KEY = Kind("SECRET", f"at least {SHORTEST_KEY} letters and digits, no spaces", _hash_key, TEXT, secret=True)
