"""Events as log lines, on standard error."""

import logging
import time

from databricks_uploader import events
from databricks_uploader.errors import EXIT_BUG

LEVELS = ("debug", "info", "warning", "error")
_LOG = logging.getLogger("databricks_uploader")


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
    _LOG.log(level, line)
    if isinstance(event, events.Bug):
        _LOG.debug("the traceback", exc_info=event.error)


def drawn(event: events.Event) -> tuple[int, str]:
    """Return the level and text of an event's line."""
    match event:
        case events.Started(source, identity, target, state):
            return logging.INFO, f"node {identity.node_id}: {source} → {target}, state in {state}"
        case events.TableCreated(identity):
            return logging.INFO, f"created the table {identity.target_table}"
        case events.Began(identity, position, rebuilt):
            if not rebuilt:
                return logging.INFO, f"{identity.source_table} is read from its beginning"
            return logging.WARNING, (
                f"state was lost, and is taken from the table {identity.target_table}: going on after row "
                f"{position.cursor}. Rows that were inserted below it since then are not seen."
            )
        case events.Claimed(claim):
            return logging.INFO, f"claimed {claim.counts.read:,} rows, up to row {claim.span.up_to}"
        case events.Loaded(identity):
            return logging.INFO, f"loaded {event.rows:,} rows into {identity.target_table}"
        case events.Notice(text):
            return logging.INFO, text
        case events.Failed(error, again_s):
            return logging.WARNING if again_s is not None else logging.ERROR, f"{error} — {error.hint}{_again(again_s)}"
        case events.Bug(error, again_s):
            name = type(error).__name__
            return logging.ERROR, (
                f"this is a bug of the uploader (exit code {EXIT_BUG}): {name}: {error}; --log-level debug shows where"
                f"{_again(again_s)}"
            )


def _again(seconds: float | None) -> str:
    return "" if seconds is None else f" (again in {seconds:.0f} s)"
