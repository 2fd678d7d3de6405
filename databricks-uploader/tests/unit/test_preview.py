"""What is told of windows, and how wide it is drawn."""

import pytest

from databricks_uploader.commands.preview import drawn
from databricks_uploader.model.preview import Preview, PreviewedRow, PreviewedWindows, WindowIs, windows_are
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.touched import Seen

HOURS = [Seen(hour, 1, 10 * hour, 10 * hour, hour) for hour in (3, 1, 2, 4)]


def test_windows_are_closed_by_their_end_and_whole_where_all_rows_were_read() -> None:
    assert windows_are(HOURS, {1, 2, 3}, all_read=True) == {1: "closed", 2: "closed", 3: "closed", 4: "open"}


def test_the_window_of_the_oldest_row_read_and_those_before_it_may_have_older_rows() -> None:
    late = Seen(0, 1, 25, 25, 0)
    assert windows_are([*HOURS, late], {0, 1, 2, 3}, all_read=False) == {
        0: "in part", 1: "in part", 2: "closed", 3: "closed", 4: "open",
    }  # fmt: skip
    assert windows_are([], (), all_read=False) == {}


NAMES = [f"column_{number}" for number in range(12)]
WIDE = Preview(
    "", "t", "t", "here", there=False, columns=TableSchema(()), looked_at=1,
    rows=(PreviewedRow(dict.fromkeys(NAMES, "x" * 99), {**dict.fromkeys(NAMES, 1), "column_11": None}),),
    aggregated=PreviewedWindows({WindowIs.CLOSED: 1}, 1, 0, ((WindowIs.CLOSED, dict.fromkeys(NAMES, 1.5)),)),
)  # fmt: skip


@pytest.mark.parametrize("width", [20, 80, 120])
def test_a_table_that_is_wider_than_the_terminal_is_drawn_as_several(width: int) -> None:
    lines = drawn([WIDE], coloured=False, width=width).splitlines()
    of_tables = [line for line in lines if line.startswith(("    1 ", "     ")) and "closed:" not in line]
    assert max(map(len, of_tables)) <= max(width, 4 + 8 + 2 + 24)
    assert [name for line in of_tables for name in line.split() if name.startswith("column")] == NAMES * 2
    assert sum("1 before" in line for line in of_tables) == sum("1 after" in line for line in of_tables) > 1


def test_a_table_that_goes_into_a_file_is_drawn_as_one() -> None:
    lines = drawn([WIDE], coloured=False).splitlines()
    assert [sum(word in line for line in lines) for word in ("1 before", "1 closed")] == [1, 1]
