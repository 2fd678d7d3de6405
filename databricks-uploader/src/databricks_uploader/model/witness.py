"""Is this the database that rows were claimed from? What was remembered of them, against what is found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from operator import attrgetter

from databricks_uploader.errors import StateError
from databricks_uploader.model.gaps import LOWEST

MOST_DENSE = 2_048
MOST_TRAIL = 1_024
WITNESSED_TEXT = 256
"""Characters of a text that a fingerprint is made of."""

Values = tuple[bytes | int | float | None, ...]
"""A row's values in the columns that tell it, as the source holds them; of text the first characters in UTF-8."""


def fingerprint(secret: bytes, values: Values) -> int:
    """Return 63 bits that tell a row's values without showing them: BLAKE2b with a key that never leaves state."""
    digest = blake2b(key=secret, digest_size=8)
    for value in values:
        written = value if isinstance(value, bytes) else str(value).encode()
        digest.update(f"{type(value).__name__} {len(written)} ".encode() + written)
    return int.from_bytes(digest.digest(), "big") >> 1


@dataclass(frozen=True)
class Witness:
    """A claimed row: its rowid and the fingerprint of its values."""

    key: int
    fingerprint: int


_KEY = attrgetter("key")


@dataclass(frozen=True)
class Witnesses:
    """Claimed rows in order of their rowids: all of them from `dense_from` on, ever fewer of the older ones."""

    rows: tuple[Witness, ...] = ()
    dense_from: int = LOWEST

    @property
    def count_up(self) -> bool:
        """Whether the newest rowids follow each other by one, as those do that SQLite gives."""
        return all(b.key == a.key + 1 for a, b in pairwise(self.rows[-10:]))

    def grown(self, rows: Sequence[Witness], dense_from: int | None = None) -> "Witnesses":
        """Return the witnesses with those of newer rows, which from `dense_from` on (None: at all) are complete."""
        start = self.dense_from if dense_from is None else dense_from
        joined = sorted({*self.rows, *rows}, key=_KEY)
        dense = [w for w in joined if w.key >= start][-MOST_DENSE:]
        if len(dense) == MOST_DENSE:
            start = dense[0].key
        trail = joined[: len(joined) - len(dense)]
        if len(trail) > MOST_TRAIL:
            trail = trail[::2]
        return Witnesses((*trail, *dense), start)

    def up_to(self, key: int) -> "Witnesses":
        """Return the witnesses below and at `key`."""
        return Witnesses(tuple(w for w in self.rows if w.key <= key), min(self.dense_from, key + 1))


@dataclass(frozen=True)
class Ids:
    """What a table tells of its rowids, and what it told when the last claim was made."""

    cursor: int
    oldest: int | None
    counter: int | None
    """The largest rowid ever given, as AUTOINCREMENT keeps it; None without."""
    counter_before: int | None

    @property
    def restarted(self) -> bool:
        """Whether the counter is lower than it was."""
        return self.counter_before is not None and (self.counter is None or self.counter < self.counter_before)

    @property
    def reusable(self) -> bool:
        """Whether rowids of deleted rows can be given again."""
        return self.counter is None or self.restarted


@dataclass(frozen=True)
class Same:
    """It is the same database; `changed` witnesses have other values now, which are not loaded again."""

    changed: int


@dataclass(frozen=True)
class Recreated:
    """All its rows are new."""


@dataclass(frozen=True)
class RolledBack:
    """Its rows after the rowid `after` are new."""

    after: int


Verdict = Same | Recreated | RolledBack


def same_database(witnesses: Witnesses, found: Mapping[int, int], ids: Ids, *, timed: bool) -> Verdict:
    """Tell whether the table that answered `found` (rowid → fingerprint) is the one of `witnesses`.

    `timed`: fingerprints are of the rows' times, which an UPDATE leaves alone; else of all their values.
    Raises StateError where going on could lose or double rows.
    """
    equal = [w.key for w in witnesses.rows if found.get(w.key) == w.fingerprint]
    differ = [w.key for w in witnesses.rows if w.key in found and found[w.key] != w.fingerprint]
    newest_equal = equal[-1] if equal else None
    if not witnesses.rows or newest_equal == witnesses.rows[-1].key:
        return Same(len(differ))
    replaced = bool(differ) and (newest_equal is None or differ[-1] > newest_equal)
    if not replaced and not ids.reusable:
        return Same(len(differ))  # deleted, and their rowids are not given again
    if not replaced and newest_equal is None and ids.oldest is not None and ids.oldest > ids.cursor:
        return Same(0)  # whatever there is now is after the cursor
    if replaced and not timed and not ids.restarted:
        raise StateError(
            f"row {differ[-1]}, which was loaded, has other values now, and no column tells the rows' time: it was "
            "updated, or this is another database",
            hint="if rows were updated, which is not loaded, run `databricks-uploader state adopt --after last`; if "
            "the database was made anew, run `databricks-uploader state adopt --after beginning`",
        )
    if newest_equal is None:
        return Recreated()
    if newest_equal < witnesses.dense_from:
        raise StateError(
            f"the database went back: row {newest_equal} is the one that was loaded, newer ones are not, and of the "
            "rows between too little is remembered",
            hint="was a backup restored? Find the newest row that it held, and run `databricks-uploader state adopt "
            "--after ROWID` to load the rows after that one",
        )
    return RolledBack(newest_equal)


def renumbered(witnesses: Witnesses, newest_first: Sequence[Witness]) -> Witnesses | None:
    """Return the complete witnesses with the rowids that VACUUM gave them; None where they can't be told.

    VACUUM keeps the order of rows. Rows not claimed yet come first; from the newest claimed row on each row must
    be the next witness, or one after it where some were deleted. Rows of one time are told by the row before them.
    """
    known = [w for w in reversed(witnesses.rows) if w.key >= witnesses.dense_from]
    fingerprints = {w.fingerprint for w in known}
    for i, row in enumerate(newest_first):
        found = _run(known, newest_first[i:]) if row.fingerprint in fingerprints else ()
        if found:
            told = {w.fingerprint for w in found}
            alike = any(w.fingerprint in told for w in newest_first[:i])
            return Witnesses(tuple(reversed(found)), found[-1].key) if len(told) > 1 or not alike else None
    return None


def _run(known: Sequence[Witness], table: Sequence[Witness]) -> Sequence[Witness]:
    """Return the rows of `table` that are the `known` ones, in their order; none where a stranger is among them."""
    rest, matched, found = iter(known), None, []
    for row in table:
        if matched == known[-1]:
            break
        matched = next((w for w in rest if w.fingerprint == row.fingerprint), None)
        if matched is None:
            return ()
        found.append(row)
    return found
