"""Rows that can't be loaded as they are, and when there are so many that the configuration must be wrong."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from databricks_uploader.errors import ConfigError, PermanentError
from databricks_uploader.model.claim import Identity

RECENT_ROWS = 1_000

StorageClass = Literal["null", "integer", "real", "text", "blob"]


@dataclass(frozen=True)
class Undecodable:
    """A TEXT value whose bytes are not UTF-8."""

    data: bytes


RawValue = int | float | str | bytes | Undecodable | None
"""A value as SQLite holds it; `bytes` are a BLOB."""


@dataclass(frozen=True)
class QuarantinedRow:
    """A row that stays here: its rowid (None where it has none), the reason by column, and all its values."""

    key: int | None
    reasons: Mapping[str, str]
    values: Mapping[str, RawValue]
    fingerprint: int | None = None
    """What tells a row that has no rowid."""
    time: int | None = None
    """Its time then, in µs since 1970, if it has one."""

    @property
    def told_by(self) -> int | None:
        """What tells the row in its source: its rowid, or its fingerprint."""
        return self.fingerprint if self.key is None else self.key

    @property
    def size(self) -> int:
        """Bytes of its values, about."""
        return sum(_size(value) for value in self.values.values())


@dataclass(frozen=True)
class Kept:
    """A row in quarantine: its number there, the claim that it was read for, and when."""

    id: int
    identity: Identity
    sequence: int
    incarnation: int
    claimed_at: datetime
    row: QuarantinedRow


@dataclass(frozen=True)
class Replayed:
    """What became of rows that were to leave quarantine."""

    loaded: int = 0
    waiting: int = 0
    """Rows of windows that are yet to be computed."""
    excluded: int = 0
    """Rows that rules exclude."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Why rows stay, and how many."""

    def plus(self, other: "Replayed") -> "Replayed":
        """Return what became of these and other rows."""
        return Replayed(
            self.loaded + other.loaded,
            self.waiting + other.waiting,
            self.excluded + other.excluded,
            Counter(self.left) + Counter(other.left),
        )


@dataclass(frozen=True)
class Recent:
    """Which of the last rows read were quarantined: a bit for each, the newest lowest."""

    bits: int = 0

    def after(self, rows: int, quarantined: Sequence[int]) -> "Recent":
        """Return what it is after `rows` more, those with these indices quarantined."""
        bits = self.bits << rows if rows < RECENT_ROWS else 0
        for index in quarantined:
            if rows - 1 - index < RECENT_ROWS:
                bits |= 1 << (rows - 1 - index)
        return Recent(bits & ((1 << RECENT_ROWS) - 1))

    @property
    def quarantined(self) -> int:
        """How many of the last thousand rows were."""
        return self.bits.bit_count()


def check_there(there: Iterable[int], asked: Iterable[int] | None) -> None:
    """Raise ConfigError where a row that was asked for is not in quarantine."""
    missing = sorted(set(asked or ()).difference(there))
    if missing:
        raise ConfigError(
            f"no row {', '.join(map(str, missing))} in quarantine",
            hint="`databricks-uploader quarantine list` shows which there are",
        )


def check_bearable(recent: Recent, held: int, at_most: int, example: QuarantinedRow) -> None:
    """Raise PermanentError where so many rows are quarantined that the configuration is wrong rather than they."""
    column, reason = next(iter(example.reasons.items()))
    where = "" if example.key is None else f" of row {example.key}"
    hint = (
        f"look at column {column!r}{where} ({reason}): give the target table a type that takes its values, or load "
        "into another (--table)"
    )
    if recent.quarantined > RECENT_ROWS // 2:
        raise PermanentError(
            f"{recent.quarantined} of the last {RECENT_ROWS:,} rows can't be loaded as they are", hint=hint
        )
    if held > at_most:
        raise PermanentError(
            f"more than {at_most:,} rows can't be loaded as they are (quarantine_max_rows)",
            hint=f"{hint}; then `databricks-uploader quarantine replay --all`",
        )


def storage_class(value: RawValue) -> StorageClass:
    """Return what SQLite's `typeof` says of a value."""
    if value is None:
        return "null"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "real"
    return "blob" if isinstance(value, bytes) else "text"


def _size(value: RawValue) -> int:
    if isinstance(value, Undecodable):
        return len(value.data)
    return len(value) if isinstance(value, str | bytes) else 8
