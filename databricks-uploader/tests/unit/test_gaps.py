"""Gaps: rowids that no row had when they were passed are known, come off when a row comes, and are bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_uploader.model.gaps import HIGHEST, LOWEST, MOST_GAPS, Gaps, Range, absent

KEYS = st.lists(st.integers(-20, 60), unique=True, min_size=1).map(sorted)
EDGES = st.sampled_from([LOWEST, LOWEST + 1, -1, 0, 1, HIGHEST - 1, HIGHEST])


def members(ranges: tuple[Range, ...]) -> set[int]:
    return {key for low, high in ranges for key in range(low, high + 1)}


@pytest.mark.parametrize(
    ("after", "keys", "ranges"),
    [
        (None, [1], ((LOWEST, 0),)),
        (None, [LOWEST], ()),
        (None, [LOWEST, HIGHEST], ((LOWEST + 1, HIGHEST - 1),)),
        (None, [LOWEST + 1], ((LOWEST, LOWEST),)),
        (0, [1, 2, 3], ()),
        (0, [2], ((1, 1),)),
        (-5, [-4, 0, 2], ((-3, -1), (1, 1))),
        (HIGHEST - 1, [HIGHEST], ()),
        (7, [9, 10, 20], ((8, 8), (11, 19))),
    ],
)
def test_rowids_that_a_span_skips_are_its_gaps(after: int | None, keys: list[int], ranges: tuple[Range, ...]) -> None:
    assert absent(after, keys) == (ranges, 0)


@given(keys=KEYS, before=st.integers(1, 30))
def test_gaps_and_rows_are_all_rowids_of_a_span(keys: list[int], before: int) -> None:
    after = keys[0] - before
    ranges, more = absent(after, keys)
    assert more == 0
    assert members(ranges) == set(range(after + 1, keys[-1] + 1)) - set(keys)
    assert list(ranges) == sorted(ranges)


@given(st.sets(st.integers() | EDGES, min_size=1).map(lambda keys: sorted(k for k in keys if LOWEST <= k <= HIGHEST)))
def test_no_gap_holds_a_row_or_a_rowid_that_sqlite_can_not_give(keys: list[int]) -> None:
    if not keys:
        return
    ranges, _ = absent(None, keys)
    assert all(LOWEST <= low <= high <= keys[-1] for low, high in ranges)
    assert not any(low <= key <= high for low, high in ranges for key in keys)


@pytest.mark.parametrize("many", [MOST_GAPS, MOST_GAPS + 1, 3 * MOST_GAPS])
def test_of_very_many_gaps_the_newest_are_kept_and_the_others_counted(many: int) -> None:
    ranges, more = absent(0, range(2, 2 * many + 1, 2))
    assert len(ranges) == MOST_GAPS
    assert ranges[-1] == (2 * many - 1, 2 * many - 1)
    assert more == many - MOST_GAPS


def test_gaps_beyond_the_most_are_given_up_from_the_oldest_on_and_stay_so() -> None:
    gaps = Gaps().grown([(2 * i, 2 * i) for i in range(MOST_GAPS)])
    assert gaps.given_up == 0
    grown = gaps.grown([(5_000, 5_000), (5_002, 5_002)], given_up=3)
    assert grown == Gaps((*gaps.ranges[2:], (5_000, 5_000), (5_002, 5_002)), 5)
    assert grown.grown([]) == grown
    assert grown.up_to(10).given_up == 5


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ([1], ((2, 9), (20, 20))),
        ([9], ((1, 8), (20, 20))),
        ([5], ((1, 4), (6, 9), (20, 20))),
        ([20], ((1, 9),)),
        ([1, 2, 9, 20], ((3, 8),)),
        ([], ((1, 9), (20, 20))),
    ],
)
def test_a_row_that_comes_into_a_gap_leaves_what_is_beside_it(keys: list[int], left: tuple[Range, ...]) -> None:
    assert Gaps(((1, 9), (20, 20)), 7).without(keys) == Gaps(left, 7)


@given(keys=KEYS, data=st.data())
def test_rows_that_come_into_gaps_are_all_that_goes_from_them(keys: list[int], data: st.DataObject) -> None:
    ranges, _ = absent(-25, keys)
    missing = sorted(members(ranges))
    come = data.draw(st.lists(st.sampled_from(missing), unique=True) if missing else st.just([]))
    assert members(Gaps(ranges).without(sorted(come)).ranges) == set(missing) - set(come)


def test_gaps_that_are_split_beyond_the_most_are_given_up_too() -> None:
    full = Gaps(tuple((10 * i, 10 * i + 8) for i in range(MOST_GAPS)))
    split = full.without([10 * MOST_GAPS - 6])
    assert len(split.ranges) == MOST_GAPS
    assert split.given_up == 1
    assert split.ranges[0] == (10, 18)


def test_a_row_in_no_gap_can_not_have_come_late() -> None:
    with pytest.raises(StopIteration):
        Gaps(((1, 9),)).without([10])


@given(keys=KEYS, fork=st.integers(-30, 70))
def test_gaps_end_where_a_database_went_back_to(keys: list[int], fork: int) -> None:
    ranges, _ = absent(-25, keys)
    assert members(Gaps(ranges).up_to(fork).ranges) == {key for key in members(ranges) if key <= fork}


def test_the_lowest_and_the_highest_rowid_can_be_gaps() -> None:
    gaps = Gaps(((LOWEST, -1), (1, HIGHEST)))
    assert gaps.without([LOWEST, HIGHEST]).ranges == ((LOWEST + 1, -1), (1, HIGHEST - 1))
    assert gaps.up_to(LOWEST).ranges == ((LOWEST, LOWEST),)
