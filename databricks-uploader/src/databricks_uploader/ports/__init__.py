"""The few small protocols between the program's protocol and the world."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from databricks_uploader.ports.destination import Destination, LastRow, WindowsDestination
from databricks_uploader.ports.pages import Altered, ArrowColumns, Look, Page, Picked, Reading, Tail, TimedPage, Units
from databricks_uploader.ports.source import Source
from databricks_uploader.ports.spool import RowsAtHand, Spool, Spooled
from databricks_uploader.ports.state import State
from databricks_uploader.ports.steps import Lineage, Steps

__all__ = [
    "Altered",
    "ArrowColumns",
    "Clock",
    "Destination",
    "LastRow",
    "Lineage",
    "Look",
    "Page",
    "Picked",
    "Ports",
    "Reading",
    "RowsAtHand",
    "Source",
    "Spool",
    "Spooled",
    "State",
    "Steps",
    "Tail",
    "TimedPage",
    "Units",
    "WindowsDestination",
]


class Clock(Protocol):
    """Time, and the wish to stop."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        ...

    def wait(self, seconds: float | None) -> bool:
        """Wait (None: for ever), and tell whether it is time to stop, which ends the wait at once."""
        ...


@dataclass(frozen=True)
class Ports:
    """The world as one pipeline sees it."""

    source: Source
    destination: Destination
    spool: Spool
    state: State
    clock: Clock
    steps: Steps | None = None
    """None where the pipeline has none."""
