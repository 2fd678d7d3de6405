"""Damage that SQLite reads over without an error, seen by the order of rows.

A table is a tree in the order of its rowids. A page of it that was written in another's place, or an inner page with a
wrong number in it, makes SQLite return a row twice or pass one over (https://sqlite.org/howtocorrupt.html). Only
`PRAGMA integrity_check` looks for that, by reading everything.
"""

from collections.abc import Sequence
from typing import Any

from arro3.compute import min as smallest
from arro3.compute import sub
from arro3.core import Array

_WIDEST = 2**63 - 1


def in_order(keys: Array, after: int | None, up_to: int) -> bool:
    """Tell whether each rowid is greater than the one before, the first than `after`, and `up_to` is the last."""
    if not len(keys):
        return False
    first: int = keys[0].as_py()
    last: int = keys[len(keys) - 1].as_py()
    if last != up_to or first > last or (after is not None and first <= after):
        return False
    if last - first > _WIDEST:
        return list(keys.to_pylist()) == sorted(set(keys.to_pylist()))
    steps = sub(keys.slice(1), keys.slice(0, len(keys) - 1))
    return len(keys) == 1 or bool(smallest(steps).as_py() > 0)


def within(times: Sequence[Any], after: Any, up_to: Any) -> bool:  # noqa: ANN401  (texts or numbers)
    """Tell whether all times, in the order of the source, are in the range that was asked for."""
    return bool(times) and (after is None or after < min(times)) and max(times) <= up_to
