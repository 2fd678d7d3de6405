"""`--show-config`: every setting, its value and where it came from."""

from databricks_uploader.model.secret import MASK, masked
from databricks_uploader.settings import authentication
from databricks_uploader.settings.model import GROUPS, KEYS, Key
from databricks_uploader.settings.resolve import Resolved

_UNSET = "-"


def drawn(resolved: Resolved) -> str:
    """Return the settings, aligned for reading; of secrets, only that they are there."""
    titles = ("setting", "value", "from")
    groups = {group: [_row(key, resolved) for key in KEYS if key.group == group] for group in GROUPS}
    way = authentication.chosen(resolved.values, resolved.given)
    groups["Databricks workspace"].append(("(authentication)", way or _UNSET, ""))
    rows = [titles, *(row for group in groups.values() for row in group)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]

    def line(row: tuple[str, str, str]) -> str:
        return f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}".rstrip()

    shown = [line(titles)]
    for group, lines in groups.items():
        shown += [group, *map(line, lines)]
    return "\n".join(shown)


def _row(key: Key, resolved: Resolved) -> tuple[str, str, str]:
    given, value = resolved.given.get(key.name), resolved.values[key.name]
    if value is None:
        return key.name, _UNSET, "" if given is None else f"{given.place.label} (see below)"
    shown = MASK if key.kind.secret else masked(key.kind.shown(value))
    return key.name, shown, "default" if given is None else given.place.label
