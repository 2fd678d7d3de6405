"""`state show | adopt | reset | rebuild`: look at what is remembered, and choose when it and the world disagree."""

import secrets
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from databricks_uploader.errors import ConfigError
from databricks_uploader.model.columns import alteration
from databricks_uploader.model.counted import counted
from databricks_uploader.model.node import Machine
from databricks_uploader.model.position import Position
from databricks_uploader.state.folder import locked
from databricks_uploader.state.last_upload import Summary
from databricks_uploader.state.store import FILE_NAME, Store, must_exist

KEPT = f"{FILE_NAME}.before-reset"


def show(folder: Path, machine: Machine) -> str:
    """Return what state remembers, aligned for reading."""
    must_exist(folder)
    with Store.open(folder) as store:
        node, summaries = store.node(), store.summaries()
    lines = [("state", str(folder / FILE_NAME))]
    if node is not None:
        where = " (made on another machine)" if machine.differs(node.machine) else ""
        lines += [("node", node.node_id + where), ("source", node.source)]
    for summary in summaries:
        lines += [("", ""), *_told(summary)]
    return "\n".join(f"{name:<10}{value}".rstrip() for name, value in lines)


def adopt(folder: Path, machine: Machine, source: Path | None, after: str | None) -> str:
    """Make this machine, and the configured database file, the ones that state belongs to.

    `after`: go on after that rowid, after the last one, or from the beginning, whatever rows the database holds.
    """
    must_exist(folder)
    with locked(folder), Store.open(folder) as store:
        node = store.node()
        if node is None:
            raise ConfigError(f"the state in {folder} belongs to no node yet", hint="just start the uploader")
        adopted = replace(node, machine=machine, source=str(source.resolve()) if source else node.source)
        where = [] if after is None else [_adopted(store, summary, after) for summary in store.summaries()]
        store.remember(adopted)
    return "\n".join([f"node {adopted.node_id} goes on here, with the database {adopted.source}", *where])


def _adopted(store: Store, summary: Summary, after: str) -> str:
    position, table = summary.position, summary.identity.source_table
    if position.order == "time":
        raise ConfigError(f"{table!r} is read in the order of times", hint="there is no rowid to go on after")
    if position.group_keys and after not in ("last", "beginning"):
        raise ConfigError(
            f"{summary.identity.target_table} is aggregated, and windows before that row could not be corrected",
            hint="go on after the last row, or from the beginning",
        )
    if after == "last":
        cursor, incarnation = position.cursor, position.incarnation
    else:
        cursor, incarnation = None if after == "beginning" else int(after), secrets.randbits(63)
    standing = position.adopted(cursor, incarnation)
    if position.group_keys and after == "beginning":
        standing = replace(standing, windows={})
    store.stand(summary.identity, standing)
    return f"{table} goes on {'from the beginning' if cursor is None else f'after row {cursor}'}"


def reset(folder: Path) -> str:
    """Forget everything, the node included; what was remembered is kept aside in one file."""
    must_exist(folder)
    with locked(folder):
        (folder / FILE_NAME).replace(folder / KEPT)
        for file in [*(folder / "spool").iterdir(), *(folder / "work").glob("*")]:
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    return f"state is empty; what it was is in {folder / KEPT}. A table with claims of this node is gone on with."


def rebuild(folder: Path) -> str:
    """Forget all positions and claims, so that the next start takes them from the target tables."""
    must_exist(folder)
    with locked(folder), Store.open(folder) as store:
        numbered = [s.identity.target_table for s in store.summaries() if s.position.numbered]
        if numbered:
            raise ConfigError(
                f"a rule touches the source's key: {', '.join(numbered)} can't tell which row was loaded last",
                hint="keep the state; or load into another table (--table, or the pipeline's target)",
            )
        for name in store.forget():
            (folder / "spool" / name).unlink(missing_ok=True)
    return "positions are forgotten; the next start takes each from its target table"


def _where(position: Position) -> str:
    if position.cursor is None:
        return "at the beginning"
    if position.order == "time":
        return f"up to {datetime.fromtimestamp(position.cursor / 1e6, UTC).isoformat()}"
    return f"after row {position.cursor}"


def _altered(position: Position) -> list[str]:
    columns = {column.name: column for column in position.schema.columns}
    return [
        f"{counted(count, 'value')} of {name!r} {alteration(columns[name])}"
        for name, count in position.altered.items()
        if name in columns
    ]


def _told(summary: Summary) -> list[tuple[str, str]]:
    position = summary.position
    lines = [
        ("pipeline", f"{summary.identity.source_table} → {summary.identity.target_table}"),
        (
            "loaded",
            counted(summary.rows_loaded, "row") + (f", newest {summary.newest}" if summary.newest else ""),
        ),
        ("position", _where(position)),
    ]
    lines += [("altered", line) for line in _altered(position)]
    lines += [("excluded", f"{counted(rows, 'row')} by {label}") for label, rows in summary.by_rule.excluded]
    lines += [("sanitized", f"{counted(rows, 'value')} by {label}") for label, rows in summary.by_rule.altered]
    if summary.waiting:
        lines.append(("waiting", f"{counted(summary.waiting, 'row')} of windows that are open, or about to be loaded"))
    if summary.lost:
        lost = counted(summary.lost, "row")
        lines.append(("lost", f"{lost} that the source had no more when windows were computed"))
    if summary.quarantined:
        lines.append(("apart", f"{counted(summary.quarantined, 'row')} in quarantine"))
    if summary.pending:
        rows = sum(c.rows_loaded for c in summary.pending)
        lines.append(("pending", f"{counted(rows, 'row')} in {counted(len(summary.pending), 'claim')}"))
    return lines
