"""`preview`: what each pipeline would do, drawn for a person or as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from databricks_uploader.errors import UploaderError
from databricks_uploader.model.counted import counted
from databricks_uploader.model.preview import Cell, Preview, PreviewedRow, PreviewedWindows, WindowIs

Outcome = Preview | tuple[str, UploaderError]
"""What a pipeline would do, or its name and what stops it."""
_WIDEST = 24
_CHANGED = "\x1b[33m{}\x1b[0m"


def drawn(outcomes: Sequence[Outcome], *, coloured: bool, width: int | None = None) -> str:
    """Return what the pipelines would do, aligned; changed cells have a colour, or else an asterisk.

    Tables wider than `width` are drawn in several, some columns each.
    """
    return "\n\n".join("\n".join(_told(outcome, coloured=coloured, width=width)) for outcome in outcomes)


def as_json(outcomes: Sequence[Outcome]) -> list[Mapping[str, Any]]:
    """Return the same as values for JSON."""
    return [_plain(outcome) for outcome in outcomes]


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 0, or the largest exit code of what stops a pipeline."""
    return max((o[1].exit_code for o in outcomes if isinstance(o, tuple)), default=0)


def _told(outcome: Outcome, *, coloured: bool, width: int | None) -> list[str]:
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
        lines += ["", f"  the first of the newest {counted(outcome.looked_at, 'row')}, before and after{mark}"]
        lines += _drawn(_before_and_after(outcome.rows, coloured=coloured), coloured=coloured, width=width)
    if outcome.aggregated is not None:
        lines += ["", *_windows(outcome.aggregated, outcome.looked_at, width)]
    lines += ["", *_counts(outcome)]
    return lines


def _named(preview: Preview) -> str:
    return f"{preview.name}: " if preview.name else ""


_Line = list[tuple[str, bool]]
"""Cells, the first of them the line's name, and whether each has another value."""


def _before_and_after(rows: Sequence[PreviewedRow], *, coloured: bool) -> list[_Line]:
    names = list(rows[0].before)
    lines = [_plainly("", names)]
    for number, row in enumerate(rows, start=1):
        lines.append(_plainly(f"{number} before", [_text(row.before[name]) for name in names]))
        after = [("excluded", False), *[("", False)] * (len(names) - 1)]
        if row.after is not None:
            after = [_after(row, name, coloured=coloured) for name in names]
        lines.append([(f"{number} after", False), *after])
    return lines


def _plainly(name: str, cells: Sequence[str]) -> _Line:
    return [(text, False) for text in (name, *cells)]


def _windows(found: PreviewedWindows, looked_at: int, width: int | None) -> list[str]:
    of = f"  the newest {counted(looked_at, 'row becomes', 'rows become')}"
    if not found.first:
        return [f"{of} no row: there is none in a window"]
    counts = {what: found.windows[what] for what in WindowIs if found.windows.get(what)}
    longest = max(len(f"{number:,}") for number in counts.values())
    names = list(found.first[0][1])
    lines = [_plainly("", names)]
    for number, (what, row) in enumerate(found.first, start=1):
        lines.append(_plainly(f"{number} {what}", [_text(row[name]) for name in names]))
    return [
        f"{of} {counted(found.rows, 'row')} of {counted(sum(counts.values()), 'window')}",
        *(f"    {f'{number:,}'.rjust(longest)}  {_TOLD[what]}" for what, number in counts.items()),
        "",
        "  the first of them, closed and newest windows first; _row counts source rows",
        *_drawn(lines, coloured=False, width=width),
    ]


_TOLD = {
    WindowIs.CLOSED: "closed: loaded as here",
    WindowIs.OPEN: "open: more rows are waited for",
    WindowIs.IN_PART: "in part: there may be older rows than these",
}


def _drawn(lines: Sequence[_Line], *, coloured: bool, width: int | None) -> list[str]:
    """Return lines aligned, as several tables where one would be too wide."""
    widths = [max(len(text) for text, _ in cells) for cells in zip(*lines, strict=True)]
    drawn: list[str] = []
    for columns in _abreast(widths, width):
        drawn += [""] if drawn else []
        for line in lines:
            cells = ((*line[at], widths[at]) for at in columns)
            painted = (_painted(text.ljust(wide), paint=changed and coloured) for text, changed, wide in cells)
            drawn.append(f"    {'  '.join(painted)}".rstrip())
    return drawn


def _abreast(widths: Sequence[int], width: int | None) -> list[list[int]]:
    """Return which columns stand side by side in each table, the first of all in every one."""
    tables: list[list[int]] = [[0]]
    for at in range(1, len(widths)):
        used = 4 + widths[0] + sum(2 + widths[one] for one in tables[-1][1:])
        if width is not None and len(tables[-1]) > 1 and used + 2 + widths[at] > width:
            tables.append([0])
        tables[-1].append(at)
    return tables


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
    untimed = 0 if preview.aggregated is None else preview.aggregated.untimed
    counts = [
        *((rows, f"excluded by {label}") for label, rows in preview.by_rule.excluded),
        *((rows, f"altered by {label}") for label, rows in preview.by_rule.altered),
        *([(preview.quarantined, "can't be loaded as they are")] if preview.quarantined else []),
        *([(untimed, "without a time, and so in no window")] if untimed else []),
    ]
    if not counts:
        return [f"  of the newest {counted(preview.looked_at, 'row')}, no rule excludes or alters any"]
    width = max(len(f"{rows:,}") for rows, _ in counts)
    return [
        f"  of the newest {counted(preview.looked_at, 'row')}",
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
        "aggregated": None if outcome.aggregated is None else _plain_windows(outcome.aggregated),
    }


def _plain_windows(found: PreviewedWindows) -> Mapping[str, Any]:
    return {
        "windows": {what.value: found.windows.get(what, 0) for what in WindowIs},
        "rows": found.rows,
        "without_time": found.untimed,
        "first": [{"window": what.value, "row": dict(row)} for what, row in found.first],
    }
