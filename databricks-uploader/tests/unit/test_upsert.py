"""Which rows of an aggregated table a load looks at."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from databricks_uploader.model.upsert import spans


@given(st.sets(st.integers(-100, 100), min_size=1), st.integers(1, 9))
def test_few_spans_hold_all_times_and_leave_out_the_longest_gaps(times: set[int], most: int) -> None:
    found = spans(times, most)
    assert len(found) == min(most, len(times))
    assert all(any(low <= time <= high for low, high in found) for time in times)
    assert {end for span in found for end in span} <= times
    left_out = [after - before for (_, before), (after, _) in pairwise(found)]
    within = [b - a for a, b in pairwise(sorted(times)) if any(low <= a and b <= high for low, high in found)]
    assert min(left_out, default=0) >= max(within, default=0) or not left_out
