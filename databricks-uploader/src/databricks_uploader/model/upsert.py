"""How rows of an aggregated table replace others: by which columns they are told apart, and which is the newer one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from databricks_uploader.errors import StateError
from databricks_uploader.model.claim import SEQUENCE_BITS, Claim
from databricks_uploader.model.counted import counted
from databricks_uploader.model.table import LINEAGE, Column, TableSchema

NODE, BATCH, ROW = "_node_id", "_batch_id", "_row"


@dataclass(frozen=True)
class Upsert:
    """What a load does to one table: its key columns, all columns that it fills, and whether rows are guarded."""

    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    guarded: bool
    """Whether the table tells which of two rows of a key is newer; else that is the one that is loaded later."""

    @classmethod
    def into(cls, table: TableSchema, keys: Sequence[str], claims: Sequence[Claim]) -> "Upsert":
        """Return it for claims with these keys; rows of nodes are apart where the table tells them."""
        ours = {c.name.casefold() for claim in claims for c in (*claim.columns.columns, *LINEAGE.columns)}
        columns = tuple(column for column in table.columns if column.name.casefold() in ours)
        wanted = {name.casefold() for name in (NODE, *keys)}
        found = tuple(column.name for column in columns if column.name.casefold() in wanted)
        return cls(found, columns, table.get(BATCH) is not None and table.get(ROW) is not None)


def newer(there: str, given: str, quote: str, shift: str) -> str:
    """Return the SQL predicate that a given row replaces the one that is there; both are aliases.

    Of one owner the later claim does; another owner's only with at least as many rows of the source, so that a
    node whose state was lost, and whose source lost rows, takes nothing away. `shift`: a format that takes the owner
    out of a `_batch_id`, of its expression and the number of bits.
    """
    batches = [f"{alias}.{quote}{BATCH}{quote}" for alias in (there, given)]
    rows = [f"{alias}.{quote}{ROW}{quote}" for alias in (there, given)]
    owners = [shift.format(batch, SEQUENCE_BITS) for batch in batches]
    return (
        f"({batches[0]} IS NULL OR ({owners[0]} = {owners[1]} AND {batches[0]} < {batches[1]}) "
        f"OR ({owners[0]} <> {owners[1]} AND coalesce({rows[0]}, 0) <= {rows[1]}))"
    )


def spans(times: Collection[int], most: int) -> list[tuple[int, int]]:
    """Return at most so many spans that hold all times (at least one), in order, with the longest gaps between them."""
    ordered = sorted(times)
    after = sorted(range(1, len(ordered)), key=lambda at: ordered[at - 1] - ordered[at])[: most - 1]
    begins = [0, *sorted(after)]
    return [(ordered[low], ordered[high - 1]) for low, high in zip(begins, [*begins[1:], len(ordered)], strict=True)]


def check_ours(
    table: TableSchema,
    there: Collection[tuple[int, ...]],
    ours: Collection[tuple[int, ...]],
    known: Collection[tuple[int, ...]],
) -> None:
    """Raise StateError where a table that can't tell nodes has a window of another writer.

    `there`: windows in the table; `ours`: those that are to be loaded; `known`: those that state knows to be loaded, or
    that a pending claim that may be out has.
    """
    if table.get(NODE) is not None:
        return
    others = (set(there) & set(ours)) - set(known)
    if others:
        raise StateError(
            f"the table has rows of {counted(len(others), 'window')} that this node never loaded, and no {NODE}: "
            "another writer fills it too",
            hint=f"give the table the column `{NODE}` STRING, with the other writer's node id in its rows; or load "
            "into another table (--table)",
        )
