"""Names of source columns as names of target columns: reversible, and unique as Delta compares them.

Delta finds columns without case, beyond ASCII too, and refuses some characters in names of tables without column
mapping (Delta protocol, "Column Mapping"; delta-rs and Spark name the same ones).
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from databricks_uploader.model.table import LINEAGE

_REFUSED = re.compile(r"[ ,;{}()\n\t=]|%(?=[0-9A-Fa-f]{2})")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ANY = re.compile(r".", re.DOTALL)
EMPTY = "%00"


def target_names(names: Iterable[str]) -> Mapping[str, str]:
    """Return the target name of each source name: the same, or with some characters percent-encoded.

    Encoded are: characters that Delta refuses, and `%` where it would be taken for such; the underscore that begins
    the name of a lineage column; and all that is not ASCII in a name that Delta can't tell from one before it, or,
    where there is none (`ss` after `ß`), all of it.
    """
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        written = _REFUSED.sub(_encoded, name) or EMPTY
        if LINEAGE.get(written) is not None:
            written = f"%5F{written[1:]}"
        if written.casefold() in taken:
            written = _NOT_ASCII.sub(_encoded, written)
        if written.casefold() in taken:
            written = _ANY.sub(_encoded, name)
        taken.add(written.casefold())
        chosen[name] = written
    return chosen


def source_name(target_name: str) -> str:
    """Return the source name that a target name stands for."""
    return "" if target_name == EMPTY else unquote(target_name)


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())
