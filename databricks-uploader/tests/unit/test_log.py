"""Events as lines for a person."""

from datetime import UTC, datetime

import pytest

from databricks_uploader import events
from databricks_uploader.model.claim import Claim, Counts, Identity, LateSpan, Settled, Span
from databricks_uploader.model.quarantine import QuarantinedRow
from databricks_uploader.model.table import Column, TableSchema
from databricks_uploader.observability.log import drawn

IDENTITY = Identity("node", "t", "raw_t")
TIME = datetime(2026, 1, 31, 8, tzinfo=UTC)


def claim(read: int, waiting: int = 0, *, windows: bool = False) -> Claim:
    span = LateSpan(()) if windows else Span(None, 9)
    counts = Counts(0, 0) if windows else Counts(read, read - waiting, waiting)
    settled = Settled(read if windows else 0)
    return Claim(IDENTITY, 1, 1, 1, span, counts, None, TableSchema(()), {}, None, TIME, settled=settled)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (events.Loaded(IDENTITY, (claim(1),)), "loaded 1 row into raw_t"),
        (events.Loaded(IDENTITY, (claim(2_000),)), "loaded 2,000 rows into raw_t"),
        (events.Loaded(IDENTITY, (claim(1, 1),)), "loaded 0 of 1 row into raw_t: 1 waits for its window"),
        (events.Loaded(IDENTITY, (claim(3, 2),)), "loaded 1 of 3 rows into raw_t: 2 wait for their windows"),
        (events.Claimed(claim(1), more=True), "claimed 1 row"),
        (events.Claimed(claim(2), more=True), "claimed 2 rows"),
        (events.Claimed(claim(1, windows=True), more=True), "claimed windows with 1 row that waited"),
        (events.CaughtUp(1), "all is uploaded: 1 row in this run"),
        (events.CaughtUp(2), "all is uploaded: 2 rows in this run"),
        (events.Changed("t", 1), "1 loaded row of t was changed since: updates are not loaded"),
        (events.Changed("t", 2), "2 loaded rows of t were changed since: updates are not loaded"),
        (events.Missed(1), "at most 1 row was deleted before it was read, or never committed"),
        (events.Missed(2), "at most 2 rows were deleted before they were read, or never committed"),
        (events.TakenBack(IDENTITY, 1), "the rules of raw_t were changed: 1 row that waited is read again"),
        (events.TakenBack(IDENTITY, 2), "the rules of raw_t were changed: 2 rows that waited are read again"),
        (events.StayApart(IDENTITY, 1, "it is gone"), "1 row for raw_t stays in quarantine: it is gone"),
        (events.StayApart(IDENTITY, 2, "it is gone"), "2 rows for raw_t stay in quarantine: it is gone"),
        (events.WindowsOpen(IDENTITY, 1, 1, TIME),
         "1 row for raw_t waits in 1 window that is open: the next one closes at 2026-01-31T08:00:00Z"),
        (events.WindowsOpen(IDENTITY, 2, 3, TIME),
         "3 rows for raw_t wait in 2 windows that are open: the next one closes at 2026-01-31T08:00:00Z"),
        (events.WindowsLack(IDENTITY, 1, 1, 0),
         "1 window of raw_t can't be computed: the source lacks some of the rows by now. Of those that waited, 1 is in "
         "quarantine, and 0 are gone"),
        (events.WindowsLack(IDENTITY, 2, 2, 1),
         "2 windows of raw_t can't be computed: the source lacks some of the rows by now. Of those that waited, 2 are "
         "in quarantine, and 1 is gone"),
    ],
)  # fmt: skip
def test_one_is_told_as_one(event: events.Event, line: str) -> None:
    assert drawn(event)[1] == line


@pytest.mark.parametrize(("rows", "words"), [(1, "1 row for raw_t"), (2, "2 rows for raw_t")])
def test_rows_in_quarantine_and_altered_values_are_too(rows: int, words: str) -> None:
    example = QuarantinedRow(7, {"v": "TEXT that is no number"}, {})
    assert drawn(events.Quarantined(IDENTITY, rows, example))[1].startswith(words)
    told = drawn(events.Altered(IDENTITY, Column("v", "float"), rows))[1]
    assert ("1 value was" if rows == 1 else "2 values were") in told
