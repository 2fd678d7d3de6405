"""`preview`: what each pipeline would do, drawn for a person or as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from databricks_uploader.errors import UploaderError
from databricks_uploader.model.preview import Cell, Preview, PreviewedRow

Outcome = Preview | tuple[str, UploaderError]
"""What a pipeline would do, or its name and what stops it."""
_WIDEST = 24
_CHANGED = "\x1b[33m{}\x1b[0m"


def drawn(outcomes: Sequence[Outcome], *, coloured: bool) -> str:
    """Return what the pipelines would do, aligned; changed cells have a colour, or else an asterisk."""
    return "\n\n".join("\n".join(_told(outcome, coloured=coloured)) for outcome in outcomes)


def as_json(outcomes: Sequence[Outcome]) -> list[Mapping[str, Any]]:
    """Return the same as values for JSON."""
    return [_plain(outcome) for outcome in outcomes]


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 0, or the largest exit code of what stops a pipeline."""
    return max((o[1].exit_code for o in outcomes if isinstance(o, tuple)), default=0)


def _told(outcome: Outcome, *, coloured: bool) -> list[str]:
    if isinstance(outcome, tuple):
        name, error = outcome
        return [f"{name or 'the pipeline'} can't run: {error} — {error.hint}"]
    there = "which is there" if outcome.there else "which is not there yet"
    lines = [
        f"{_named(outcome)}{outcome.source_table} → {outcome.where}, {there}",
        f"  CREATE TABLE {outcome.target} (",
    ]
    lines.append(",\n".join(f"    {column.sql}" for column in outcome.columns.columns))
    lines.append("  )")
    if outcome.withheld:
        lines.append(f"  withheld: {', '.join(outcome.withheld)}")
    if outcome.missing:
        lines.append(f"  withheld as the table lacks them, until you run {outcome.missing}")
    if outcome.rows:
        mark = "" if coloured else "; * another value"
        lines += ["", f"  the first of the newest {outcome.looked_at:,} rows, before and after{mark}"]
        lines += _table(outcome.rows, coloured=coloured)
    lines += ["", *_counts(outcome)]
    return lines


def _named(preview: Preview) -> str:
    return f"{preview.name}: " if preview.name else ""


def _table(rows: Sequence[PreviewedRow], *, coloured: bool) -> list[str]:
    names = list(rows[0].before)
    lines: list[list[tuple[str, bool]]] = [[("", False), *((name, False) for name in names)]]
    for number, row in enumerate(rows, start=1):
        lines.append([(f"{number} before", False), *((_text(row.before[name]), False) for name in names)])
        lines.append([(f"{number} after", False), *(_after(row, name, coloured=coloured) for name in names)])
        if row.after is None:
            lines[-1] = [(f"{number} after", False), ("excluded", False)]
    widths = [max(len(line[at][0]) for line in lines if len(line) > len(names)) for at in range(len(names) + 1)]
    return [
        "    " + "  ".join(_painted(text.ljust(width), paint=changed and coloured) for (text, changed), width in
                           zip(line, widths, strict=False)).rstrip()
        for line in lines
    ]  # fmt: skip


def _after(row: PreviewedRow, name: str, *, coloured: bool) -> tuple[str, bool]:
    if row.after is None or name not in row.after:
        return "(withheld)", False
    changed = name in row.changed
    return _text(row.after[name]) + ("*" if changed and not coloured else ""), changed


def _painted(text: str, *, paint: bool) -> str:
    return _CHANGED.format(text) if paint else text


def _text(value: Cell) -> str:
    text = "NULL" if value is None else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _counts(preview: Preview) -> list[str]:
    counts = [
        *((rows, f"excluded by {label}") for label, rows in preview.by_rule.excluded),
        *((rows, f"altered by {label}") for label, rows in preview.by_rule.altered),
        *([(preview.quarantined, "can't be loaded as they are")] if preview.quarantined else []),
    ]
    if not counts:
        return [f"  of the newest {preview.looked_at:,} rows, no rule excludes or alters any"]
    width = max(len(f"{rows:,}") for rows, _ in counts)
    return [
        f"  of the newest {preview.looked_at:,} rows",
        *(f"    {f'{rows:,}'.rjust(width)}  {what}" for rows, what in counts),
    ]


def _plain(outcome: Outcome) -> Mapping[str, Any]:
    if isinstance(outcome, tuple):
        name, error = outcome
        return {"name": name, "error": str(error), "hint": error.hint, "exit_code": error.exit_code}
    return {
        "name": outcome.name,
        "source_table": outcome.source_table,
        "target_table": outcome.target,
        "target": outcome.where,
        "there": outcome.there,
        "ddl": outcome.ddl,
        "withheld": list(outcome.withheld),
        "missing": outcome.missing,
        "looked_at": outcome.looked_at,
        "quarantined": outcome.quarantined,
        "excluded": dict(outcome.by_rule.excluded),
        "altered": dict(outcome.by_rule.altered),
        "rows": [
            {"before": dict(row.before), "after": row.after and dict(row.after), "changed": sorted(row.changed)}
            for row in outcome.rows
        ],
    }
