"""Witnesses: which rows are remembered, what a table that answers otherwise is, and what VACUUM did to rowids."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from databricks_uploader.errors import StateError
from databricks_uploader.model.gaps import LOWEST, Gaps
from databricks_uploader.model.position import Position
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.witness import (
    MOST_DENSE,
    MOST_TRAIL,
    Ids,
    Recreated,
    RolledBack,
    Same,
    Values,
    Verdict,
    Witness,
    Witnesses,
    fingerprint,
    renumbered,
    same_database,
)


def rows(*keys: int) -> tuple[Witness, ...]:
    """Return witnesses whose fingerprints are told by their rowids."""
    return tuple(Witness(key, 1_000_000 + key) for key in keys)


def all_of(*keys: int) -> Witnesses:
    """Return the witnesses of a table that was claimed with these rowids, and no others."""
    return Witnesses().grown(rows(*keys))


def found(equal: Sequence[int] = (), differ: Sequence[int] = ()) -> Mapping[int, int]:
    return {w.key: w.fingerprint for w in rows(*equal)} | dict.fromkeys(differ, -1)


def ids(
    cursor: int = 5, *, oldest: int | None = 1, counter: int | None = None, counter_before: int | None = None
) -> Ids:
    return Ids(cursor, oldest, counter, counter_before)


# which rows are remembered


def test_of_a_small_table_every_row_is_a_witness() -> None:
    known = all_of(*range(1, 100)).grown(rows(*range(100, 150)))
    assert known == Witnesses(rows(*range(1, 150)), LOWEST)


def test_a_late_row_takes_its_place_among_the_witnesses() -> None:
    assert all_of(1, 5).grown(rows(3)).rows == rows(1, 3, 5)


def test_the_newest_rows_are_dense_and_of_older_ones_a_trail_is_kept() -> None:
    known = all_of(*range(MOST_DENSE + 10))
    assert known.dense_from == 10
    assert len(known.rows) == MOST_DENSE + 10
    assert len(known.grown(rows(*range(10**6, 10**6 + 5_000))).rows) <= MOST_DENSE + MOST_TRAIL


def test_a_trail_that_gets_long_is_thinned_and_begins_with_the_oldest_row() -> None:
    known = Witnesses()
    for start in range(0, 40_000, 500):
        known = known.grown(rows(*range(start, start + 500)))
        trail = [w for w in known.rows if w.key < known.dense_from]
        assert len(trail) <= MOST_TRAIL
        assert known.rows[0].key == 0
    assert known.dense_from == 40_000 - MOST_DENSE


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_claimed_row_from_where_witnesses_are_dense_is_one(data: st.DataObject) -> None:
    known, claimed, free = Witnesses(), set[int](), list[int]()
    top = 0
    for _ in range(data.draw(st.integers(1, 12))):
        kind = data.draw(st.sampled_from(["whole", "tail", "late", "back"]))
        if kind == "late" and free:
            keys = free[:: data.draw(st.integers(1, 3))][:5_000]
            tail = keys[-data.draw(st.sampled_from([10, MOST_DENSE])) :]
            told = [k for k in tail if k >= known.dense_from]
            known = known.grown(rows(*told), None if len(tail) == len(keys) else tail[0])
            free = sorted({*free} - {*keys})
        elif kind == "back" and claimed:
            fork = data.draw(st.sampled_from(sorted(claimed)))
            known, top = known.up_to(fork), fork
            claimed, free = {k for k in claimed if k <= fork}, [k for k in free if k <= fork]
            keys = []
        else:
            step = data.draw(st.integers(1, 3))
            keys = list(range(top + 1, top + 1 + step * data.draw(st.integers(1, 6_000)), step))
            free += sorted({*range(top + 1, keys[-1])} - {*keys})
            complete = keys if kind == "whole" else keys[-data.draw(st.integers(1, MOST_DENSE)) :]
            known = known.grown(rows(keys[0], *complete), None if complete == keys else complete[0])
            top = keys[-1]
        claimed |= {*keys}
        witnessed = {w.key for w in known.rows}
        assert witnessed <= claimed
        assert {k for k in claimed if k >= known.dense_from} <= witnessed
        assert list(known.rows) == sorted(known.rows)
        assert len(witnessed) <= MOST_DENSE + MOST_TRAIL


def test_late_rows_never_make_a_thinned_trail_dense() -> None:
    """Of many late rows only the last are told; that says nothing of the older ones before the dense ones."""
    known = Witnesses(rows(1, 100, 9_000, 10_000, 10_001), 10_000)
    assert known.grown([], dense_from=905).dense_from == 10_000


@given(st.lists(st.integers(0, 50), unique=True, min_size=1).map(sorted), st.integers(-5, 55), st.integers(0, 50))
def test_witnesses_up_to_a_rowid_are_dense_from_where_they_were(keys: list[int], fork: int, dense_from: int) -> None:
    cut = Witnesses(rows(*keys), dense_from).up_to(fork)
    assert cut.rows == rows(*(k for k in keys if k <= fork))
    assert cut.dense_from == min(dense_from, fork + 1)


@pytest.mark.parametrize(
    ("keys", "count_up"),
    [((), False), ((7,), False), ((7, 8), True), ((1, 3), False), (tuple(range(9, 99)), True), ((1, 2, 3, 7, 8), True),
     ((1, 2, 4, 6, 7), False), (tuple(range(0, 99, 10)), False), ((*range(9), 20, 30, 40, 50, 60), False)],
)  # fmt: skip
def test_rowids_count_up_where_most_of_the_newest_ones_follow_each_other(
    keys: Sequence[int], *, count_up: bool
) -> None:
    assert all_of(*keys).count_up == count_up


# fingerprints


@given(
    st.lists(st.none() | st.integers() | st.floats(allow_nan=False) | st.binary(), max_size=4),
    st.lists(st.none() | st.integers() | st.floats(allow_nan=False) | st.binary(), max_size=4),
)
def test_rows_have_one_fingerprint_where_their_values_and_classes_are_one(
    one: list[bytes | int | float | None], other: list[bytes | int | float | None]
) -> None:
    def told(values: list[bytes | int | float | None]) -> list[tuple[str, str]]:
        return [(type(v).__name__, repr(v)) for v in values]

    a, b = fingerprint(b"key", tuple(one)), fingerprint(b"key", tuple(other))
    assert 0 <= a < 2**63
    assert (a == b) == (told(one) == told(other))


@pytest.mark.parametrize(
    ("one", "other"), [((b"12",), (12,)), ((1,), (1.0,)), ((b"",), (None,)), ((b"a", b"bc"), (b"ab", b"c"))]
)
def test_a_fingerprint_tells_classes_and_columns_apart(one: Values, other: Values) -> None:
    assert fingerprint(b"key", one) != fingerprint(b"key", other)


def test_a_fingerprint_is_keyed() -> None:
    assert fingerprint(b"one key", (b"2026-01-01",)) != fingerprint(b"another", (b"2026-01-01",))


# is it the same database?

FIVE = all_of(1, 2, 3, 4, 5)
VERDICTS: Mapping[str, tuple[Mapping[int, int], Ids, Verdict]] = {
    "all equal": (found([1, 2, 3, 4, 5]), ids(), Same(0)),
    "all different": (found(differ=[1, 2, 3, 4, 5]), ids(), Recreated()),
    "all different, with AUTOINCREMENT": (
        found(differ=[1, 2, 3, 4, 5]), ids(counter=9, counter_before=5), Recreated()),
    "some different, the others missing": (found(differ=[1, 2]), ids(), Recreated()),
    "all missing, and rows before the cursor": (found(), ids(), Recreated()),
    "all missing, and the counter restarted": (found(), ids(counter=2, counter_before=5), Recreated()),
    "all missing, and the counter gone": (found(), ids(counter_before=5), Recreated()),
    "all missing, and the counter as it was": (found(), ids(oldest=6, counter=9, counter_before=5), Same(0)),
    "all missing, and no row before the cursor": (found(), ids(oldest=6), Same(0)),
    "all missing, and the oldest row at the cursor": (found(), ids(oldest=5), Recreated()),
    "table empty": (found(), ids(oldest=None), Recreated()),
    "table empty, with AUTOINCREMENT": (found(), ids(oldest=None, counter=5, counter_before=5), Same(0)),
    "table empty, and the counter restarted": (found(), ids(oldest=None, counter_before=5), Recreated()),
    "equal up to a point, different after it": (found([1, 2, 3], [4, 5]), ids(), RolledBack(3)),
    "equal up to a point, different and missing after it": (found([1, 2], [3]), ids(), RolledBack(2)),
    "the same with AUTOINCREMENT, grown again": (
        found([1, 2, 3], [4, 5]), ids(counter=8, counter_before=5), RolledBack(3)),
    "newest missing": (found([1, 2, 3]), ids(), RolledBack(3)),
    "newest missing, with AUTOINCREMENT": (found([1, 2, 3]), ids(counter=5, counter_before=5), Same(0)),
    "newest missing, with AUTOINCREMENT since": (found([1, 2, 3]), ids(counter=5), Same(0)),
    "newest missing, and the counter went back": (found([1, 2, 3]), ids(counter=3, counter_before=5), RolledBack(3)),
    "old ones missing": (found([4, 5]), ids(oldest=4), Same(0)),
    "middle ones missing": (found([1, 5]), ids(), Same(0)),
    "updated in the middle": (found([1, 2, 4, 5], [3]), ids(), Same(1)),
    "updated and deleted in the middle": (found([1, 5], [2, 4]), ids(), Same(2)),
    "updated in the middle, newest deleted": (found([1, 3], [2]), ids(), RolledBack(3)),
    "updated in the middle, newest deleted, with AUTOINCREMENT": (
        found([1, 3], [2]), ids(counter=5, counter_before=5), Same(1)),
    "the newest one has another time": (found([1, 2, 3, 4], [5]), ids(), RolledBack(4)),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "told", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_a_table_is_known_by_its_witnesses(answer: Mapping[int, int], told: Ids, verdict: Verdict) -> None:
    assert same_database(FIVE, answer, told, timed=True) == verdict


def test_without_a_witness_it_is_the_same_table() -> None:
    assert same_database(Witnesses(), {}, ids(), timed=True) == Same(0)


UNTIMED: Mapping[str, tuple[Mapping[int, int], Ids, Verdict | None]] = {
    "all equal": (found([1, 2, 3, 4, 5]), ids(), Same(0)),
    "updated in the middle": (found([1, 2, 4, 5], [3]), ids(), Same(1)),
    "newest missing": (found([1, 2, 3]), ids(), RolledBack(3)),
    "all missing": (found(), ids(), Recreated()),
    "the counter restarted": (found(differ=[1, 2]), ids(counter=2, counter_before=5), Recreated()),
    "equal up to a point, and the counter restarted": (
        found([1, 2], [3]), ids(counter=3, counter_before=5), RolledBack(2)),
    "the newest one has other values": (found([1, 2, 3, 4], [5]), ids(), None),
    "the newest one has other values, with AUTOINCREMENT": (
        found([1, 2, 3, 4], [5]), ids(counter=5, counter_before=5), None),
    "all have other values": (found(differ=[1, 2, 3, 4, 5]), ids(), None),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "told", "verdict"), UNTIMED.values(), ids=UNTIMED)
def test_without_times_an_update_of_the_newest_row_can_not_be_told_from_another_database(
    answer: Mapping[int, int], told: Ids, verdict: Verdict | None
) -> None:
    if verdict is not None:
        assert same_database(FIVE, answer, told, timed=False) == verdict
        return
    with pytest.raises(StateError, match="row 5, which was loaded, has other values now") as raised:
        same_database(FIVE, answer, told, timed=False)
    assert "state adopt" in raised.value.hint


THINNED = Witnesses(rows(1, 40, 80, 90, 91, 92), 90)
"""Row 1 is the first that was claimed; of those from 2 to 89 not all are remembered."""


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (found([1, 40, 80]), ids(92)),
        (found([1, 40], [80, 90]), ids(92)),
        (found([1], [40]), ids(92)),
    ],
    ids=["newest missing", "different after it", "only the first one equal"],
)
def test_a_table_that_went_back_further_than_all_is_remembered_is_not_guessed_at(
    answer: Mapping[int, int], told: Ids
) -> None:
    with pytest.raises(StateError, match="the database went back") as raised:
        same_database(THINNED, answer, told, timed=True)
    assert "--after ROWID" in raised.value.hint


@pytest.mark.parametrize("counter", [None, 20])
def test_rows_of_which_nothing_is_remembered_are_neither_loaded_again_nor_passed_over(counter: int | None) -> None:
    """Rows 10 to 20 are there, none a witness: from a backup they are loaded, in a table made anew they are not."""
    with pytest.raises(StateError, match="none of the rows that are remembered"):
        same_database(THINNED, {}, ids(92, oldest=10, counter=counter, counter_before=counter and 92), timed=True)


@pytest.mark.parametrize(
    ("answer", "told", "verdict"),
    [
        (found(differ=[1]), ids(92), Recreated()),
        (found(differ=[1, 40, 90]), ids(92), Recreated()),
        (found(), ids(92, oldest=None), Recreated()),
        (found([90]), ids(92, oldest=90), RolledBack(90)),
        (found([92]), ids(92, oldest=92), Same(0)),
        (found(), ids(92, oldest=93), Same(0)),
    ],
    ids=["made anew, few rows", "made anew", "empty", "newest deleted", "retention", "retention of all"],
)
def test_a_table_whose_old_rows_are_not_all_remembered_is_known_by_its_first_row(
    answer: Mapping[int, int], told: Ids, verdict: Verdict
) -> None:
    assert same_database(THINNED, answer, told, timed=True) == verdict


@given(
    many=st.integers(1, 12),
    changed=st.dictionaries(st.integers(1, 12), st.sampled_from(["missing", "differs"])),
    counter=st.none() | st.integers(1, 12),
)
def test_a_row_that_is_as_it_was_loaded_is_never_loaded_again(
    many: int, changed: Mapping[int, str], counter: int | None
) -> None:
    known = all_of(*range(1, many + 1))
    equal = [k for k in range(1, many + 1) if k not in changed]
    answer = found(equal, [k for k in range(1, many + 1) if changed.get(k) == "differs"])
    told = ids(many, oldest=min(answer, default=None), counter=counter, counter_before=counter and many)
    verdict = same_database(known, answer, told, timed=True)
    if isinstance(verdict, RolledBack):
        assert max(equal) <= verdict.after
    assert not (isinstance(verdict, Recreated) and equal)


# what VACUUM did


def seen(*fingerprints: int, first: int = 1) -> list[Witness]:
    """Return rows with consecutive rowids and these fingerprints, the newest first."""
    return [Witness(first + i, f) for i, f in enumerate(fingerprints)][::-1]


def known_of(*fingerprints: int, dense_from: int = LOWEST, step: int = 10) -> Witnesses:
    return Witnesses(tuple(Witness(step * (i + 1), f) for i, f in enumerate(fingerprints)), dense_from)


@pytest.mark.parametrize(
    ("before", "now", "cursor"),
    [
        ((1, 2, 3), (1, 2, 3), 3),
        ((1, 2, 3), (1, 2, 3, 4, 5), 3),
        ((1, 2, 3, 4), (1, 3, 4, 5), 3),
        ((1, 2, 3, 4), (3, 4), 2),
        ((1, 2, 3, 4), (1, 2, 5), 2),
        ((1, 2, 3, 4), (1, 2), 2),
        ((1, 7, 7, 7), (1, 7, 7, 7, 8), 4),
        ((1, 7, 7), (1, 7, 7, 7), 3),
        ((1, 2), (1, 2, 1), 2),
        ((7, 7), (7, 7, 7), 2),
        ((1,), (1,), 1),
        ((1,), (1, 2), 1),
    ],
    ids=[
        "nothing else", "new rows", "deleted in the middle", "retention", "newest deleted, a new one", "newest deleted",
        "of one time", "a new row of the newest one's time", "a new row of an old time",
        "all of one time, and a new one", "one row", "one row and a new one",
    ],
)  # fmt: skip
def test_rows_are_told_by_their_order_when_vacuum_gave_them_other_rowids(
    before: Sequence[int], now: Sequence[int], cursor: int
) -> None:
    moved = renumbered(known_of(*before), seen(*now))
    assert moved is not None
    assert moved.rows[-1].key == cursor


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((1, 2, 3), (4, 5, 6)),
        ((1, 2, 3), ()),
        ((1, 2, 3), (1, 9, 2, 3)),
        ((1, 2, 3), (9, 1, 2, 3)),
        ((1, 2, 3), (3, 2, 1, 9)),
        ((1, 7, 7, 7), (1, 7, 7)),
        ((1, 2, 3), (1, 9, 3)),
    ],
    ids=[
        "none is there", "no row is there", "a stranger in the middle", "a stranger before all", "strangers in between",
        "fewer of the newest time",
        "updated in the middle",
    ],
)  # fmt: skip
def test_rows_that_can_not_be_told_after_vacuum_are_not_guessed(before: Sequence[int], now: Sequence[int]) -> None:
    assert renumbered(known_of(*before), seen(*now)) is None


def test_after_vacuum_of_a_table_that_is_all_remembered_all_of_it_still_is() -> None:
    moved = renumbered(known_of(1, 2, 3, 4), seen(2, 3, 4))
    assert moved == Witnesses((Witness(1, 2), Witness(2, 3), Witness(3, 4)), LOWEST)


def test_after_vacuum_the_trail_is_given_up_and_the_first_row_of_the_table_kept() -> None:
    known = Witnesses((Witness(5, 99), Witness(10, 1), Witness(20, 2), Witness(30, 3)), 10)
    moved = renumbered(known, seen(97, 98, 1, 2, 3, 4))
    assert moved == Witnesses((Witness(1, 97), Witness(3, 1), Witness(4, 2), Witness(5, 3)), 3)


@settings(max_examples=200)
@given(
    times=st.lists(st.integers(0, 30), unique=True, min_size=2, max_size=12),
    new=st.integers(0, 4),
    data=st.data(),
)
def test_vacuum_never_moves_the_cursor_beyond_or_before_the_newest_claimed_row(
    times: list[int], new: int, data: st.DataObject
) -> None:
    """Where each row has its own time, deleted ones or not."""
    left = [t for t in times if not data.draw(st.booleans())]
    moved = renumbered(known_of(*times), seen(*left, *range(100, 100 + new)))
    if left:
        assert moved is not None
        assert moved.rows[-1].key == len(left)
    else:
        assert moved is None


# where to go on


def standing_at(cursor: int, gaps: Gaps) -> Position:
    return Position(
        1, 7, cursor, 3, None, "table", TableSchema(()), "ts", ("ts",), timed=True, secret=b"key", gaps=gaps, counter=9
    )


def test_a_new_life_after_a_fork_has_the_gaps_below_it_only() -> None:
    """What is above the fork comes in order again: a gap there would look for rows that are claimed anyway."""
    position = standing_at(90, Gaps(((LOWEST, 0), (10, 19), (45, 55), (80, 81)), 4))
    begun = position.restarted(Witnesses(rows(1, 20, 50, 60, 90)), RolledBack(50), 8)
    assert begun.position.gaps == Gaps(((LOWEST, 0), (10, 19), (45, 50)), 4)
    assert (begun.position.cursor, begun.position.incarnation, begun.position.counter) == (50, 8, None)
    assert begun.witnesses.rows == rows(1, 20, 50)
    assert begun.position.sequence == position.sequence


def test_a_table_that_was_made_anew_is_read_from_its_first_row() -> None:
    begun = standing_at(90, Gaps(((LOWEST, 0),), 4)).restarted(Witnesses(rows(1, 90), 50), Recreated(), 8)
    assert (begun.position.cursor, begun.position.gaps, begun.position.counter) == (None, Gaps(), None)
    assert begun.witnesses == Witnesses()


def test_gaps_and_new_rows_of_a_life_never_overlap() -> None:
    begun = standing_at(90, Gaps(((40, 70),))).restarted(Witnesses(rows(1, 50)), RolledBack(50), 8)
    assert begun.position.cursor == 50
    assert all(low <= high <= 50 for low, high in begun.position.gaps.ranges)
    assert all(a[1] < b[0] for a, b in pairwise(begun.position.gaps.grown([(51, 60)]).ranges))


def test_after_adopting_a_database_an_older_copy_of_it_is_asked_about() -> None:
    """Of the rows up to 10, which were loaded, nothing is remembered."""
    known = Witnesses(dense_from=11).grown([Witness(key, key) for key in range(11, 16)])
    with pytest.raises(StateError, match="rows that may have been loaded"):
        same_database(known, {}, Ids(cursor=15, oldest=1, counter=None, counter_before=None), timed=True)
