"""Values that nobody means: quotes that were not taken off, and what an example has for a reader to replace."""

import re

_QUOTED = re.compile(r"""(?P<quote>['"]).*(?P=quote)""", re.DOTALL)
_PLACEHOLDERS = re.compile(
    r"""dapi[.x*…]*              # the beginning of a token
      | (^|.*[/.@`])your[-_].*   # your_database, your-workspace.cloud.databricks.com, …/your_warehouse_id
      | /path/to/.*
      | .*x{8}.*                 # adb-xxxxxxxxxxxxxxxx.x.azuredatabricks.net
      | <.*>""",
    re.VERBOSE | re.IGNORECASE,
)


def suspicion(text: str) -> str | None:
    """Return what is suspicious about a value, going on from the setting's name; None where nothing is."""
    if _QUOTED.match(text):
        return "still carries its quotes: write the value without them"
    if _PLACEHOLDERS.fullmatch(text.strip()):
        return "still has the placeholder of an example: replace it"
    return None
