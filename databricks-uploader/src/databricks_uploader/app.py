"""The one place that knows every concrete class and wires them from settings."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, Self

from databricks_uploader import events
from databricks_uploader.clock import stopped_by_signals
from databricks_uploader.errors import ConfigError, StateError, TransientError, UploaderError
from databricks_uploader.flush import flush
from databricks_uploader.model.claim import Identity
from databricks_uploader.model.cost import sleepless
from databricks_uploader.model.node import Node, check_node, first_node
from databricks_uploader.model.pipeline import Limits, Pipeline
from databricks_uploader.model.plan import Plan, sharing_targets
from databricks_uploader.model.preview import Preview
from databricks_uploader.model.quarantine import Replayed, check_there
from databricks_uploader.model.source import SourceTable, loaded_key
from databricks_uploader.model.step_columns import touches
from databricks_uploader.model.table import Column, TableSchema
from databricks_uploader.model.workspace import Workspace
from databricks_uploader.observability import log
from databricks_uploader.ports import Clock, Destination, Ports, Steps
from databricks_uploader.replay import replay
from databricks_uploader.runner import Opening, Pace, run
from databricks_uploader.settings.credentials import Client
from databricks_uploader.settings.model import Settings
from databricks_uploader.state import folder as state_folder
from databricks_uploader.state.last_upload import FILE_NAME, left_by_the_original
from databricks_uploader.state.machine import host_name, this_machine
from databricks_uploader.state.store import Store
from databricks_uploader.take_back import take_back

if TYPE_CHECKING:
    from databricks_uploader.source.tape import Tape


class Held:
    """What pipelines share: the state directory, locked and opened when the first of them asks for it, and reads."""

    def __init__(self, folder: Path, tape: "Tape | None" = None) -> None:
        self.folder = folder
        self.tape = tape
        self._stack = ExitStack()
        self._store: Store | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def store(self) -> Store:
        """Return the state. Raises TransientError while another uploader has the directory."""
        if self._store is None:
            with ExitStack() as attempt:
                attempt.enter_context(state_folder.locked(self.folder))
                self._store = attempt.enter_context(Store.open(self.folder))
                self._stack.push(attempt.pop_all())
        return self._store


@contextmanager
def opened(
    settings: Settings, plan: Plan, held: Held, clock: Clock, tell: events.Tell
) -> Iterator[tuple[Pipeline, Ports]]:
    """Yield the pipeline of a plan with its ports."""
    # Engines are loaded here, so that --help and commands on state do without them.
    from databricks_uploader.source.sqlite import SqliteSource  # noqa: PLC0415
    from databricks_uploader.spool.folder import FolderSpool  # noqa: PLC0415

    store = held.store()
    source = SqliteSource(
        settings.sqlite,
        tell,
        settings.sqlite_table_name,
        settings.timestamp_col,
        settings.source_timezone,
        tape=held.tape,
    )
    table = source.table()
    node = bind(store, held.folder, settings)
    identity = Identity(node.node_id, table.name, _target(settings, plan, table, tell))
    steps = _steps(settings, plan)
    spool = FolderSpool(held.folder / "spool", steps, store.digest_key())
    spool.keep_only(store.spool_files())
    destination, where = _destination(settings, identity, table, plan, clock, tell)
    tell(events.Started(f"{table.name} of {settings.sqlite}", identity, where, str(held.folder)))
    advice = sleepless(settings.interval, settings.min_rows, settings.max_delay)
    if settings.destination == "databricks" and not settings.once and advice is not None:
        tell(events.Notice(advice))
    pipeline = Pipeline(
        identity,
        _limits(settings),
        order=_ORDERS[settings.cursor],
        late_arrival=timedelta(seconds=settings.late_arrival),
        start=settings.start or "beginning",
        on_new_column=_on_new_column(settings, plan),
        steps=plan.steps,
        aggregate=plan.aggregate,
        key=settings.hash_key,
        keeps_values=(settings.quarantine_store or ("reasons" if plan.secure else "full")) == "full",
    )
    yield pipeline, Ports(source, destination, spool, store, clock, steps)


def _target(settings: Settings, plan: Plan, table: SourceTable, tell: events.Tell) -> str:
    """Return the plan's target table. Raises ConfigError where another plan has it too."""
    base = settings.databricks_table or table.name
    for one, other in sharing_targets(settings.plans, base):
        if plan in (one, other):
            raise ConfigError(
                f"the pipelines {one.name!r} and {other.name!r} have one target table, {plan.target_table(base)!r}",
                hint="each needs a table of its own: give one of them a target",
            )
    warning = plan.warning(base)
    if warning is not None:
        tell(events.Notice(warning))
    return plan.target_table(base)


def _steps(settings: Settings, plan: Plan) -> Steps | None:
    """Return what carries out the steps of a plan; None where it has none, which needs no engine."""
    if not plan.steps and plan.aggregate is None:
        return None
    if not _installed("duckdb"):
        raise ConfigError(
            "the engine of filter, sanitize and aggregate is not installed",
            hint="pip install 'databricks-uploader[steps]'",
        )
    from databricks_uploader.steps.carried_out import CarriedOut  # noqa: PLC0415

    return CarriedOut(partial(settings.check_rules, plan))


def _loaded_key(table: SourceTable, plan: Plan) -> Sequence[str]:
    """Return the source's key columns where they are loaded as they are."""
    key = loaded_key(table)
    columns = TableSchema.of([Column(column.name, "") for column in table.columns])
    return () if any(touches(plan.steps, columns, name) for name in key) else key


def _on_new_column(settings: Settings, plan: Plan) -> Literal["add", "withhold", "stop"]:
    """Add columns only where we may create tables: in a workspace, that is the owner's to say."""
    chosen = settings.on_new_column or ("withhold" if plan.secure else "add")
    ours = settings.create_tables is not False if settings.destination == "delta" else bool(settings.create_tables)
    return "withhold" if chosen == "add" and not ours else chosen


def _limits(settings: Settings) -> Limits:
    """Return what one pipeline may hold: its share of the spool, so that one that can't load leaves room to others.

    Several have one more share for the rows that are read for all of them.
    """
    plans = len(settings.plans)
    share = settings.spool_max_bytes // (plans if plans == 1 else plans + 1)
    delay_s = settings.max_delay or (3_600.0 if settings.min_rows else 0.0)
    return Limits(
        span_bytes=min(64 << 20, share),
        spool_bytes=share,
        quarantine_rows=settings.quarantine_max_rows,
        min_rows=None if settings.once else settings.min_rows,
        max_delay=timedelta(seconds=0.0 if settings.once else delay_s),
    )


def _destination(
    settings: Settings, identity: Identity, source: SourceTable, plan: Plan, clock: Clock, tell: events.Tell
) -> tuple[Destination, str]:
    """Return the destination, and where and how it loads in words."""
    if settings.destination == "delta":
        from databricks_uploader.destinations.delta import DeltaDestination  # noqa: PLC0415

        folder, create = (settings.delta_path or Path()) / identity.target_table, settings.create_tables is not False
        if plan.aggregate is not None:
            from databricks_uploader.destinations.delta_windows import DeltaWindows  # noqa: PLC0415

            return DeltaWindows(folder, identity, plan.aggregate.keys, create_tables=create), str(folder)
        return DeltaDestination(folder, identity, create_tables=create), str(folder)
    if not _installed("databricks.sql"):
        raise ConfigError(
            "the connector for Databricks is not installed",
            hint="pip install 'databricks-uploader[databricks]'",
        )
    from databricks_uploader.destinations.databricks import assembly  # noqa: PLC0415

    host, path, schema = settings.databricks_host, settings.databricks_http_path, settings.databricks_database
    who = settings.authentication
    if host is None or path is None or schema is None or who is None:
        raise RuntimeError("settings of a workspace were not checked")
    setup = assembly.Setup(
        Workspace(host, path, schema),
        assembly.client(host, who.client_id, who.secret) if isinstance(who, Client) else assembly.given(who.token),
        settings.databricks_volume,
        settings.stage_retention,
        create_tables=bool(settings.create_tables),
    )
    if plan.aggregate is not None:
        return assembly.of_windows(setup, identity, plan.aggregate.keys, clock, tell)
    return assembly.destination(setup, identity, _loaded_key(source, plan), clock, tell)


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


_ORDERS: Mapping[str, Literal["auto", "rowid", "time"]] = {"auto": "auto", "rowid": "rowid", "timestamp": "time"}


def upload(settings: Settings) -> int:
    """Upload as the settings say; return the exit code."""
    from databricks_uploader.source.tape import Tape  # noqa: PLC0415
    from databricks_uploader.spool.folder import WORK  # noqa: PLC0415

    log.configure(settings.log_level)
    folder = state_folder.locate(settings.state_dir, log.tell)
    state_folder.make(folder)
    pace, tape = Pace(settings.once, settings.interval, settings.retry_for), Tape(folder / WORK)
    with (
        stopped_by_signals(TransientError.exit_code if settings.once else 0) as clock,
        Held(folder, tape if len(settings.plans) > 1 else None) as held,
    ):
        return run(openings(settings, held, clock), clock, log.tell, pace, random.random, tape.forget)


def openings(settings: Settings, held: Held, clock: Clock) -> Sequence[Opening]:
    """Return how the pipelines of the settings are begun: secure ones last, as others read all that those do."""
    return [
        Opening(partial(opened, settings, plan, held, clock, log.tell), discreet=plan.secure)
        for plan in sorted(settings.plans, key=lambda plan: plan.secure)
    ]


def preview(settings: Settings) -> Sequence[Preview | tuple[str, UploaderError]]:
    """Return what each pipeline would do, or what stops it; nothing is written but into memory."""
    memory = Path("/dev/shm")  # noqa: S108  (rows as they were are not to lie on a disk)
    found: list[Preview | tuple[str, UploaderError]] = []
    with stopped_by_signals(TransientError.exit_code) as clock:
        for plan in settings.plans:
            with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
                try:
                    found.append(_previewed(settings, plan, Path(folder), clock))
                except UploaderError as error:
                    found.append((plan.name, error))
    return found


def _previewed(settings: Settings, plan: Plan, folder: Path, clock: Clock) -> Preview:
    from databricks_uploader.previewing import previewed  # noqa: PLC0415
    from databricks_uploader.source.sqlite import SqliteSource  # noqa: PLC0415
    from databricks_uploader.spool.folder import FolderSpool  # noqa: PLC0415

    def untold(_event: events.Event) -> None:
        """Tell nothing: what is printed is the preview."""

    source = SqliteSource(
        settings.sqlite, untold, settings.sqlite_table_name, settings.timestamp_col, settings.source_timezone
    )
    table, steps = source.table(), _steps(settings, plan)
    identity = Identity(settings.node_id or "preview", table.name, _target(settings, plan, table, untold))
    destination, where = _destination(settings, identity, table, plan, clock, untold)
    (folder / "spool").mkdir()
    with Store.open(folder) as store, closing(destination):
        ports = Ports(source, destination, FolderSpool(folder / "spool", steps), store, clock, steps)
        pipeline = Pipeline(identity, steps=plan.steps, aggregate=plan.aggregate, key=settings.hash_key)
        return previewed(pipeline, plan.name, where, ports, folder / "spool")


def replay_quarantine(settings: Settings, ids: Sequence[int] | None) -> Replayed:
    """Load rows in quarantine (None: all) that fit by now, or let their windows wait for them; tell of the others."""
    log.configure(settings.log_level)
    folder = state_folder.locate(settings.state_dir, log.tell)
    found = Replayed()
    with stopped_by_signals(TransientError.exit_code) as clock, Held(folder) as held:
        check_there(held.store().kept_ids(), ids)
        for opening in openings(settings, held, clock):
            with opening.open() as (pipeline, ports):
                take_back(pipeline, ports, log.tell)
                found = found.plus(replay(pipeline, ports, log.tell, ids))
                while (position := ports.state.position(pipeline.identity)) and flush(
                    pipeline, position, ports, at_once=True
                ):
                    pass
    return found


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
