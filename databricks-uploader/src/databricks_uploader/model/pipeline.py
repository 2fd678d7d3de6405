"""A pipeline: one way from one source table to one target table."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from databricks_uploader.model.aggregation import AggregateStep
from databricks_uploader.model.claim import Identity
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.step_fingerprint import fingerprint
from databricks_uploader.model.steps import Step, is_secure


@dataclass(frozen=True)
class Limits:
    """How much one claim may hold, and all that wait to be loaded. A span ends with the page that reaches one."""

    span_rows: int = 250_000
    span_bytes: int = 64 << 20
    """Of Arrow columns in memory; the Parquet file is smaller."""
    spool_bytes: int = 256 << 20
    claims_per_load: int = 1_000
    quarantine_rows: int = 10_000
    min_rows: int | None = None
    """Load when so many rows wait, or one has waited for `max_delay`; None: there is only that delay."""
    max_delay: timedelta = timedelta(0)

    def due(self, rows: int, waiting: timedelta) -> bool:
        """Tell whether so many rows, the oldest of them claimed so long ago, are to be loaded.

        A time before now is that of a clock that was set back.
        """
        waits = timedelta(0) <= waiting < self.max_delay
        return not waits or (self.min_rows is not None and rows >= self.min_rows)


@dataclass(frozen=True)
class Pipeline:
    """What to move where."""

    identity: Identity
    limits: Limits = Limits()
    order: Literal["auto", "rowid", "time"] = "auto"
    """What the cursor is of."""
    late_arrival: timedelta = timedelta(minutes=10)
    """Where the cursor is a time: how far behind the newest row a new one may be."""
    start: datetime | Literal["beginning", "now"] = "beginning"
    """Which rows a source that was never read begins with: all, those after now, or from the first of that time on."""
    on_new_column: Literal["add", "withhold", "stop"] = "add"
    """What becomes of a source column that the target table has none for."""

    steps: tuple[Step, ...] = ()
    """What is done to rows on the way, in this order."""
    aggregate: AggregateStep | None = None
    """What becomes of rows after them."""
    key: Secret | None = None
    """The key of `hash`."""
    keeps_values: bool = True
    """Whether rows in quarantine are kept with their values."""

    @property
    def secure(self) -> bool:
        """Whether it is a secure pipeline."""
        return is_secure(self.steps)

    @property
    def rules(self) -> str | None:
        """What tells its steps from others; None where it is not secure."""
        return fingerprint(self.steps, key=self.key, aggregate=self.aggregate) if self.secure else None
