"""The one place that knows every concrete class and wires them from settings."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal

from databricks_uploader import events
from databricks_uploader.clock import stopped_by_signals
from databricks_uploader.errors import StateError, TransientError
from databricks_uploader.flush import flush
from databricks_uploader.model.claim import Identity
from databricks_uploader.model.node import Node, check_node, first_node
from databricks_uploader.model.pipeline import Limits, Pipeline, raw_table
from databricks_uploader.observability import log
from databricks_uploader.ports import Clock, Ports
from databricks_uploader.replay import replay
from databricks_uploader.runner import Pace, run
from databricks_uploader.settings.model import Settings
from databricks_uploader.state import folder as state_folder
from databricks_uploader.state.last_upload import FILE_NAME, left_by_the_original
from databricks_uploader.state.machine import host_name, this_machine
from databricks_uploader.state.store import Store


@contextmanager
def opened(settings: Settings, folder: Path, clock: Clock, tell: events.Tell) -> Iterator[tuple[Pipeline, Ports]]:
    """Hold the state directory's lock and yield the pipeline of the settings with its ports."""
    # Engines are loaded here, so that --help and commands on state do without them.
    from databricks_uploader.destinations.delta import DeltaDestination  # noqa: PLC0415
    from databricks_uploader.source.sqlite import SqliteSource  # noqa: PLC0415
    from databricks_uploader.spool.folder import FolderSpool  # noqa: PLC0415

    with state_folder.locked(folder), Store.open(folder) as store:
        source = SqliteSource(
            settings.sqlite, tell, settings.sqlite_table_name, settings.timestamp_col, settings.source_timezone
        )
        table = source.table()
        node = bind(store, folder, settings)
        target = raw_table(settings.databricks_table or table.name)
        identity = Identity(node.node_id, table.name, target)
        spool = FolderSpool(folder / "spool")
        spool.keep_only(store.spool_files())
        destination = DeltaDestination(settings.delta_path / target, identity)
        limits = Limits(
            span_bytes=min(64 << 20, settings.spool_max_bytes),
            spool_bytes=settings.spool_max_bytes,
            quarantine_rows=settings.quarantine_max_rows,
        )
        tell(
            events.Started(
                f"{table.name} of {settings.sqlite}", identity, str(settings.delta_path / target), str(folder)
            )
        )
        pipeline = Pipeline(
            identity,
            limits,
            order=_ORDERS[settings.cursor],
            late_arrival=timedelta(seconds=settings.late_arrival),
            start=settings.start or "beginning",
            on_new_column=settings.on_new_column,
        )
        yield pipeline, Ports(source, destination, spool, store, clock)


_ORDERS: Mapping[str, Literal["auto", "rowid", "time"]] = {"auto": "auto", "rowid": "rowid", "timestamp": "time"}


def upload(settings: Settings) -> int:
    """Upload as the settings say; return the exit code."""
    log.configure(settings.log_level)
    folder = state_folder.locate(settings.state_dir, log.tell)
    state_folder.make(folder)
    pace = Pace(settings.once, settings.interval, settings.retry_for)
    with stopped_by_signals(TransientError.exit_code if settings.once else 0) as clock:
        return run(lambda: opened(settings, folder, clock, log.tell), clock, log.tell, pace, random.random)


def replay_quarantine(settings: Settings, ids: Sequence[int] | None) -> tuple[int, int]:
    """Load rows in quarantine (None: all) that fit by now; return how many did and did not."""
    log.configure(settings.log_level)
    folder = state_folder.locate(settings.state_dir, log.tell)
    with (
        stopped_by_signals(TransientError.exit_code) as clock,
        opened(settings, folder, clock, log.tell) as (pipeline, ports),
    ):
        counts = replay(pipeline, ports, log.tell, ids)
        while (position := ports.state.position(pipeline.identity)) and flush(pipeline, position, ports):
            pass
        return counts


def bind(store: Store, folder: Path, settings: Settings) -> Node:
    """Return the node of this state directory: the one it remembers if that is still us, or a new one."""
    machine, source = this_machine(), str(settings.sqlite.resolve())
    remembered = store.node()
    if remembered is not None:
        check_node(remembered, settings.node_id, machine, source)
        return remembered
    _check_original(folder, settings)
    node = first_node(settings.node_id, host_name(), machine, source)
    store.remember(node)
    return node


def _check_original(folder: Path, settings: Settings) -> None:
    """Ask where to begin when the program that this one replaces has been at work here."""
    time = left_by_the_original(folder)
    if time is not None and settings.start is None:
        reached = f"up to {time}" if time else "up to a time that can't be read there"
        raise StateError(
            f"{folder / FILE_NAME} is of another program, which uploaded rows {reached}",
            hint=f"to go on there, set start: {time or 'TIME'} (--start); to load every row, set start: beginning",
        )
