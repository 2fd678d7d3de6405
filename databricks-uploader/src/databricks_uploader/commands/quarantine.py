"""`quarantine list | show | replay | discard`: rows that could not be loaded as they are."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from databricks_uploader.model.counted import counted
from databricks_uploader.model.quarantine import Kept, RawValue, Replayed, Undecodable, check_there, storage_class
from databricks_uploader.state.folder import locked
from databricks_uploader.state.store import Store, must_exist

_LONGEST_SHOWN = 200


def listed(folder: Path) -> str:
    """Return the rows as an aligned table: number, pipeline, rowid, time of the claim, reasons."""
    rows = [_line(kept) for kept in _kept(folder, None)]
    if not rows:
        return "nothing is in quarantine"
    header = ("id", "pipeline", "row", "claimed", "reason")
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header) - 1)]
    table = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip()
        for line in (header, *rows)
    ]
    return "\n".join([*table, "", f"{len(rows):,} in quarantine; `quarantine show ID` shows the values of one"])


def listed_json(folder: Path) -> str:
    """Return the rows as a JSON array, without their values."""
    return json.dumps([_entry(kept) for kept in _kept(folder, None)], indent=2, ensure_ascii=False)


def shown(folder: Path, number: int) -> str:
    """Return one row with its values as the source held them."""
    kept = _one(folder, number)
    width = max((len(name) for name in kept.row.values), default=0)
    values = [
        f"  {name.ljust(width)}  {storage_class(value).upper():<7}  {_shortened(value)}{_because(kept, name)}"
        for name, value in kept.row.values.items()
    ]
    if not kept.row.values:
        values = [f"  {name}: {reason}" for name, reason in kept.row.reasons.items()]
        values.append("Its values are in the source only; quarantine_store: full keeps those of rows to come.")
    _, pipeline, row, claimed, _ = _line(kept)
    return "\n".join([f"row {row} of {pipeline}, claimed {claimed}", *(line.rstrip() for line in values)])


def shown_json(folder: Path, number: int) -> str:
    """Return one row with its values as JSON: bytes, and text that is not UTF-8, in hexadecimal digits."""
    kept = _one(folder, number)
    values = [
        {"column": name, "class": storage_class(value), "value": _json(value)}
        for name, value in kept.row.values.items()
    ]
    return json.dumps({**_entry(kept), "values": values}, indent=2, ensure_ascii=False)


def discarded(folder: Path, ids: Sequence[int] | None) -> int:
    """Delete rows (None: all) and return how many."""
    must_exist(folder)
    with locked(folder), Store.open(folder) as store:
        there = [kept.id for kept in store.kept(None, ids)]
        check_there(there, ids)
        store.discard(there)
    return len(there)


def replayed(found: Replayed) -> str:
    """Return what became of rows that were to leave quarantine."""
    waiting = counted(found.waiting, "row waits for its window", "rows wait for their windows")
    told = [
        *(
            [f"{counted(found.loaded, 'row is', 'rows are')} loaded"]
            if found.loaded or not (found.waiting or found.excluded)
            else []
        ),
        *([f"{waiting}, which the next upload computes"] if found.waiting else []),
        *([f"{counted(found.excluded, 'row is', 'rows are')} excluded by the rules"] if found.excluded else []),
        f"{sum(found.left.values()):,} can't be loaded still",
    ]
    return "; ".join(told)


def replayed_json(found: Replayed) -> str:
    """Return the same as JSON."""
    numbers = {"loaded": found.loaded, "waiting": found.waiting, "excluded": found.excluded}
    return json.dumps({**numbers, "left": sum(found.left.values())})


def _kept(folder: Path, ids: Sequence[int] | None) -> list[Kept]:
    must_exist(folder)
    with Store.open(folder) as store:
        return sorted(store.kept(None, ids), key=lambda kept: kept.id)


def _one(folder: Path, number: int) -> Kept:
    found = _kept(folder, [number])
    check_there([kept.id for kept in found], [number])
    return found[0]


def _line(kept: Kept) -> tuple[str, str, str, str, str]:
    key = "" if kept.row.key is None else str(kept.row.key)
    reasons = "; ".join(f"{name}: {reason}" for name, reason in kept.row.reasons.items())
    pipeline = f"{kept.identity.source_table} → {kept.identity.target_table}"
    return str(kept.id), pipeline, key, f"{kept.claimed_at:%Y-%m-%dT%H:%M:%SZ}", reasons


def _entry(kept: Kept) -> Mapping[str, Any]:
    return {
        "id": kept.id,
        "node_id": kept.identity.node_id,
        "source_table": kept.identity.source_table,
        "target_table": kept.identity.target_table,
        "incarnation": kept.incarnation,
        "sequence": kept.sequence,
        "key": kept.row.key,
        "claimed_at": kept.claimed_at.isoformat(),
        "reasons": dict(kept.row.reasons),
    }


def _because(kept: Kept, name: str) -> str:
    return f"  ← {kept.row.reasons[name]}" if name in kept.row.reasons else ""


def _shortened(value: RawValue) -> str:
    written = str(_json(value)) if value is not None else ""
    return written if len(written) <= _LONGEST_SHOWN else f"{written[:_LONGEST_SHOWN]}… ({len(written):,} characters)"


def _json(value: RawValue) -> str | int | float | None:
    if isinstance(value, Undecodable):
        return value.data.hex()
    if isinstance(value, bytes):
        return value.hex()
    return repr(value) if isinstance(value, float) and value in (float("inf"), float("-inf")) else value
