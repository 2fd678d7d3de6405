"""Is this the database that rows were claimed from? What was remembered of them, against what is found."""

from collections import Counter
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

Witnessed = bytes | int | float | None
Values = tuple[Witnessed, ...]
"""A row's values in the columns that tell it, as the source holds them; of text the first characters in UTF-8."""


def fingerprint(secret: bytes, values: Values) -> int:
    """Return 63 bits that tell a row's values without showing them: BLAKE2b with a key that never leaves state."""
    digest = blake2b(key=secret, digest_size=8)
    for value in values:
        written = value if isinstance(value, bytes) else str(value).encode()
        digest.update(f"{type(value).__name__} {len(written)} ".encode() + written)
    return int.from_bytes(digest.digest(), "big") >> 1


@dataclass(frozen=True, order=True)
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
        """Whether most of the newest rowids follow each other by one, as those do that SQLite gives."""
        steps = [b.key - a.key for a, b in pairwise(self.rows[-10:])]
        return 2 * steps.count(1) > len(steps)

    def grown(self, rows: Sequence[Witness], dense_from: int | None = None) -> "Witnesses":
        """Return the witnesses with those of newer rows, which from `dense_from` on (None: at all) are complete."""
        # Of many late rows those not told may be below the dense ones: they never make a thinned trail complete.
        start = self.dense_from if dense_from is None else max(self.dense_from, dense_from)
        joined = sorted({*self.rows, *rows}, key=_KEY)
        dense = [w for w in joined if w.key >= start][-MOST_DENSE:]
        if len(dense) == MOST_DENSE:
            start = dense[0].key
        trail = joined[: len(joined) - len(dense)]
        while len(trail) > MOST_TRAIL:
            trail = trail[::2]  # the first row that was claimed stays
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
        if ids.oldest is not None and not _all_new(witnesses, differ):
            raise StateError(
                "none of the rows that are remembered is there, and rows that may have been loaded are: a backup was "
                "restored, or the database was made anew",
                hint="if it was made anew, run `databricks-uploader state adopt --after beginning`; if a backup was "
                "restored, run `databricks-uploader state adopt --after ROWID` with the newest row that it held",
            )
        return Recreated()
    if newest_equal < witnesses.dense_from:
        raise StateError(
            f"the database went back: row {newest_equal} is the one that was loaded, newer ones are not, and of the "
            "rows between too little is remembered",
            hint="was a backup restored? Find the newest row that it held, and run `databricks-uploader state adopt "
            "--after ROWID` to load the rows after that one",
        )
    return RolledBack(newest_equal)


def _all_new(witnesses: Witnesses, differ: Sequence[int]) -> bool:
    """Tell whether no row can be a claimed one where no witness is equal: all of them are known, or the first is other.

    The first row that was claimed is always a witness: in an older copy of the table it is equal, or gone.
    """
    return witnesses.dense_from == LOWEST or witnesses.rows[0].key in differ


def renumbered(witnesses: Witnesses, newest_first: Sequence[Witness]) -> Witnesses | None:
    """Return the complete witnesses with the rowids that VACUUM gave them; None where they can't be told.

    VACUUM keeps the order of rows. Rows not claimed yet come first; from the newest claimed row on each row must
    be the next witness, or one after it where some were deleted. Where some were, nothing may be above that row that
    is like a witness, and as many rows as were claimed must be of its time: else it may itself be a new one.
    """
    complete = witnesses.dense_from == LOWEST
    known = [w for w in reversed(witnesses.rows) if w.key >= witnesses.dense_from]
    counts = Counter(w.fingerprint for w in known)
    for i, row in enumerate(newest_first):
        found = _run(known, newest_first[i:], to_the_last=complete) if row.fingerprint in counts else ()
        if not found:
            continue
        alike = sum(w.fingerprint == row.fingerprint for w in found) < counts[row.fingerprint]
        if len(found) < len(known) and (alike or any(w.fingerprint in counts for w in newest_first[:i])):
            return None
        if complete:
            return Witnesses(tuple(sorted(found)), LOWEST)
        return Witnesses(tuple(sorted({*found, newest_first[-1]})), found[-1].key)
    return None


def _run(known: Sequence[Witness], table: Sequence[Witness], *, to_the_last: bool) -> Sequence[Witness]:
    """Return the rows of `table` that are the `known` ones, in their order; none where a stranger is among them.

    `to_the_last`: older rows than the `known` ones are strangers too.
    """
    rest, matched, found = iter(known), None, []
    for row in table:
        if matched == known[-1] and not to_the_last:
            break
        matched = next((w for w in rest if w.fingerprint == row.fingerprint), None)
        if matched is None:
            return ()
        found.append(row)
    return found
