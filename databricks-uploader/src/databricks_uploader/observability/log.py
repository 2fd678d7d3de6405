"""Events as log lines, on standard error."""

import logging
import re
import time
import traceback
from datetime import UTC, datetime
from functools import singledispatch

from databricks_uploader import events
from databricks_uploader.errors import EXIT_BUG
from databricks_uploader.model.claim import LateSpan, Span
from databricks_uploader.model.columns import alteration
from databricks_uploader.model.counted import counted
from databricks_uploader.model.gaps import MOST_GAPS
from databricks_uploader.model.position import Position

_LOG = logging.getLogger("databricks_uploader")
_CONTROL = re.compile(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f]|\n(?!  )")
"""What must not reach a terminal or end a line: names of files, tables and columns may hold it. A list is ours."""

_ROWID = re.compile(r"\b(row|rows after|after) -?\d+\b")
"""How lines name rows: a rowid is a value, too."""
_BUG = f"this is a bug of the uploader (exit code {EXIT_BUG})"
_SHOWN = "--log-level debug shows where"


def configure(level: str) -> None:
    """Send log lines of `level` and above to standard error, each with its time in UTC."""
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    _LOG.handlers = [handler]
    _LOG.propagate = False
    _LOG.setLevel(level.upper())


def tell(event: events.Event) -> None:
    """Write the event's line."""
    level, line = drawn(event)
    _LOG.log(level, _CONTROL.sub(lambda found: ascii(found.group())[1:-1], line))
    if isinstance(event, events.Bug):
        _LOG.debug("the traceback", exc_info=event.error)
    if isinstance(event, events.Discreet) and isinstance(event.event, events.Bug):
        _LOG.debug("where\n%s", "".join(traceback.format_tb(event.event.error.__traceback__)))


@singledispatch
def drawn(event: events.Event) -> tuple[int, str]:
    """Return the level and text of an event's line."""
    raise TypeError(event)


@drawn.register
def _(event: events.Discreet) -> tuple[int, str]:
    if isinstance(event.event, events.Bug):
        again = _again(event.event.again_s)
        level, line = logging.ERROR, f"{_BUG}: {type(event.event.error).__name__}; {_SHOWN}{again}"
    elif isinstance(event.event, events.Failed):
        level, line = _failed(event.event, event.event.error.discreet)
    else:
        level, line = drawn(event.event)
    return level, _ROWID.sub(r"\1 …", line)


@drawn.register
def _(event: events.Started) -> tuple[int, str]:
    return logging.INFO, f"node {event.identity.node_id}: {event.source} → {event.target}, state in {event.state}"


@drawn.register
def _(event: events.TableCreated) -> tuple[int, str]:
    return logging.INFO, f"created the table {event.identity.target_table}"


@drawn.register
def _(event: events.Began) -> tuple[int, str]:
    if not event.rebuilt:
        return logging.INFO, f"{event.identity.source_table} is read {_from(event.position)}"
    return logging.WARNING, (
        f"state was lost, and is taken from the table {event.identity.target_table}: going on after row "
        f"{event.position.cursor}. Rows that were inserted below it since then are not seen."
    )


@drawn.register
def _(event: events.Restarted) -> tuple[int, str]:
    if event.after is None:
        return logging.WARNING, f"{event.table} was made anew: all its rows are new, and are read from the beginning"
    return logging.WARNING, f"{event.table} went back to an earlier state: its rows after {event.after} are new"


@drawn.register
def _(event: events.Changed) -> tuple[int, str]:
    changed = counted(event.rows, f"loaded row of {event.table} was", f"loaded rows of {event.table} were")
    return logging.WARNING, f"{changed} changed since: updates are not loaded"


@drawn.register
def _(event: events.Missed) -> tuple[int, str]:
    rows = counted(event.at_most, "row was deleted before it was", "rows were deleted before they were")
    return logging.WARNING, f"at most {rows} read, or never committed"


@drawn.register
def _(event: events.GapsGivenUp) -> tuple[int, str]:
    return logging.WARNING, (
        f"the rowids of {event.identity.source_table} have more than {MOST_GAPS:,} gaps: rows that come late into the "
        "oldest ones are not seen"
    )


@drawn.register
def _(event: events.Claimed) -> tuple[int, str]:
    claim = event.claim
    if isinstance(claim.span, LateSpan) and not claim.span.keys:
        return logging.DEBUG, f"claimed windows with {counted(claim.settled.loaded, 'row')} that waited"
    level = logging.INFO if event.more else logging.DEBUG
    late = "" if isinstance(claim.span, Span) else " that came late"
    newest = "" if claim.newest is None else f", the newest of {claim.newest.isoformat()}"
    apart = f", {claim.counts.quarantined:,} of them into quarantine" if claim.counts.quarantined else ""
    return level, f"claimed {counted(claim.counts.read, 'row')}{late}{apart}{newest}"


@drawn.register
def _(event: events.Altered) -> tuple[int, str]:
    number = counted(event.values, "value was", "values were")
    how = alteration(event.column)
    return logging.WARNING, (
        f"column {event.column.name!r} of {event.identity.target_table}: {number} {how}. This is told once; "
        "`databricks-uploader state show` counts them"
    )


@drawn.register
def _(event: events.Quarantined) -> tuple[int, str]:
    reasons = "; ".join(f"{column!r} holds {reason}" for column, reason in event.example.reasons.items())
    kept = "is" if event.rows == 1 else "are"
    row = "one of them" if event.example.key is None else f"row {event.example.key}"
    rows = f"{counted(event.rows, 'row')} for {event.identity.target_table}"
    return logging.WARNING, (
        f"{rows} can't be loaded and {kept} in quarantine: in {row}, column {reasons}. "
        "See databricks-uploader quarantine list"
    )


@drawn.register
def _(event: events.StayApart) -> tuple[int, str]:
    target = event.identity.target_table
    rows = counted(event.rows, f"row for {target} stays", f"rows for {target} stay")
    return logging.WARNING, f"{rows} in quarantine: {event.reason}"


@drawn.register
def _(event: events.WindowsLack) -> tuple[int, str]:
    return logging.WARNING, (
        f"{counted(event.windows, 'window')} of {event.identity.target_table} can't be computed: the source lacks "
        f"some of the rows by now. Of those that waited, {counted(event.quarantined, 'is', 'are')} in quarantine, and "
        f"{counted(event.lost, 'is', 'are')} gone"
    )


@drawn.register
def _(event: events.WindowsOpen) -> tuple[int, str]:
    target = event.identity.target_table
    waiting = counted(event.rows, f"row for {target} waits", f"rows for {target} wait")
    windows = counted(event.windows, "window that is open", "windows that are open")
    return logging.INFO, f"{waiting} in {windows}: the next one closes at {event.closes:%Y-%m-%dT%H:%M:%SZ}"


@drawn.register
def _(event: events.ColumnsAdded) -> tuple[int, str]:
    return logging.INFO, f"added to {event.identity.target_table}: {', '.join(map(repr, event.columns))}"


@drawn.register
def _(event: events.TakenBack) -> tuple[int, str]:
    rows = counted(event.rows, "row that waited is", "rows that waited are")
    return logging.WARNING, f"the rules of {event.identity.target_table} were changed: {rows} read again"


@drawn.register
def _(event: events.Judged) -> tuple[int, str]:
    withheld = f"; withheld: {', '.join(map(repr, event.withheld))}" if event.withheld else ""
    return logging.INFO, (
        f"columns that go out into {event.identity.target_table}: {', '.join(map(repr, event.columns))}{withheld}. "
        "One that comes later is withheld until the table has it"
    )


@drawn.register
def _(event: events.Loaded) -> tuple[int, str]:
    read = sum(claim.counts.read for claim in event.claims)
    quarantined = sum(claim.counts.quarantined for claim in event.claims)
    told = [f"{rows:,} excluded by {label}" for label, rows in event.by_rule.excluded]
    told += [f"{quarantined:,} in quarantine"] if quarantined else []
    waiting = sum(claim.counts.waiting - claim.settled.rows for claim in event.claims)
    told += [counted(waiting, "waits for its window", "wait for their windows")] if waiting > 0 else []
    told += [f"{rows:,} altered by {label}" for label, rows in event.by_rule.altered]
    rows = f"{event.rows:,} of {counted(read, 'row')}" if read > event.rows else counted(event.rows, "row")
    line = f"loaded {rows} into {event.identity.target_table}"
    level = logging.INFO if event.rows or event.by_rule.excluded else logging.DEBUG
    return level, ": ".join(filter(None, (line, "; ".join(told))))


@drawn.register
def _(event: events.CaughtUp) -> tuple[int, str]:
    return logging.INFO, f"all is uploaded: {counted(event.rows, 'row')} in this run" if event.rows else "nothing new"


@drawn.register
def _(event: events.Busy) -> tuple[int, str]:
    return logging.INFO, f"{event.path} is locked by another program, for {event.waited_s:g} s now: trying again"


@drawn.register
def _(event: events.Waiting) -> tuple[int, str]:
    return logging.INFO, f"{event.compute} is starting or busy: waiting, for {event.waited_s:.0f} s now"


@drawn.register
def _(event: events.Notice) -> tuple[int, str]:
    return logging.INFO, event.text


@drawn.register
def _(event: events.Failed) -> tuple[int, str]:
    return _failed(event, str(event.error))


@drawn.register
def _(event: events.Bug) -> tuple[int, str]:
    return logging.ERROR, f"{_BUG}: {type(event.error).__name__}: {event.error}; {_SHOWN}{_again(event.again_s)}"


def _failed(event: events.Failed, what: str) -> tuple[int, str]:
    level = logging.ERROR if event.again_s is None else logging.WARNING
    return level, f"{what} — {event.error.hint}{_again(event.again_s)}"


def _from(position: Position) -> str:
    if position.floor is not None:
        return f"from {datetime.fromtimestamp(position.floor / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ} on"
    return "from its beginning" if position.cursor is None else f"after row {position.cursor}"


def _again(seconds: float | None) -> str:
    return "" if seconds is None else f" (again in {seconds:.0f} s)"
