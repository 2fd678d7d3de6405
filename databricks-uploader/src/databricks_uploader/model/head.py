"""The head check: which claims the destination still lacks, and whether it is the one that we remember."""

from collections.abc import Sequence

from databricks_uploader.errors import StateError
from databricks_uploader.model.claim import Claim, Head

_CHOICES = (
    "if this state directory is an old copy, run `databricks-uploader state rebuild` to take the position from the "
    "table; if another machine runs under the same node id, give this one its own (--node-id) and run "
    "`databricks-uploader state reset`"
)


def not_loaded(head: Head | None, known: Head | None, pending: Sequence[Claim]) -> list[Claim]:
    """Return the claims of `pending` (in order) that are not loaded yet.

    `head` is what the destination holds, `known` what it held when we last committed. Raises StateError when
    the destination is where our claims could not have brought it.
    """
    if head == known:
        return list(pending)
    for position, claim in enumerate(pending, start=1):
        if head == Head.after(claim):
            return list(pending[position:])
    newest = max([known.sequence if known else 0, *(c.sequence for c in pending)])
    if head is None or (known is not None and head.sequence < known.sequence):
        raise StateError(
            f"the table is behind our state: it holds {_told(head)}, we know that it held {_told(known)}",
            hint="if the table was restored from a backup, run `databricks-uploader state rebuild` to load again "
            "what it lost; if it was replaced, see `databricks-uploader state show`",
        )
    if head.sequence > newest:
        raise StateError(
            f"the table is ahead of our state: it holds {_told(head)}, we only made claims up to {newest}",
            hint=_CHOICES,
        )
    raise StateError(
        f"the table and our state disagree on claim {head.sequence}: another uploader made it with other rows",
        hint=_CHOICES,
    )


def table_gone(*, made_anew: bool) -> StateError:
    """Return the error for a target table that is not the one that our claims are for."""
    return StateError(
        "the target table was dropped and made anew" if made_anew else "the target table is gone",
        hint="put the table back; or, to load every row of the source again, run `databricks-uploader state rebuild`",
    )


def _told(head: Head | None) -> str:
    return "no claim of ours" if head is None else f"claim {head.sequence}"
