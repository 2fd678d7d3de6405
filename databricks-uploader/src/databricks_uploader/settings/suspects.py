"""Values that nobody means: quotes that were not taken off, and what an example has for a reader to replace."""

import re

from databricks_uploader.settings.kinds import MisfitError

_QUOTED = re.compile(r"""(?P<quote>['"]).*(?P=quote)""", re.DOTALL)
_PLACEHOLDERS = re.compile(
    r"""dapi[.x*…]*              # the beginning of a token
      | (^|.*[/.@`])your[-_].*   # your_database, your-workspace.cloud.databricks.com, …/your_warehouse_id
      | /path/to/.*
      | .*x{8}.*                 # adb-xxxxxxxxxxxxxxxx.x.azuredatabricks.net
      | <.*>""",
    re.VERBOSE | re.IGNORECASE,
)


def unquoted(text: str) -> str:
    """Return `text`. Raises MisfitError where it still carries quotes."""
    if _QUOTED.match(text):
        raise MisfitError("still carries its quotes: write the value without them")
    return text


def filled_in(text: str) -> str:
    """Return `text`. Raises MisfitError where it is what an example has for its reader to replace."""
    if _PLACEHOLDERS.fullmatch(text.strip()):
        raise MisfitError("still has the placeholder of an example: replace it")
    return text
