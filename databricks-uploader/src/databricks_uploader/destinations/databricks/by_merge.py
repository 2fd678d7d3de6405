"""Loading by MERGE, with nothing but the table itself: rows that it has are passed over, none is ever changed.

With lineage columns a row is told by claim and `_row`. Without, by all its values, which needs the source's key among
them: two rows with a key differ in it. A statement that is sent again does nothing twice.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from databricks_uploader.destinations.databricks import statements
from databricks_uploader.destinations.databricks.rows import Rows, pieces
from databricks_uploader.destinations.databricks.target import EPOCH, Statements, WorkspaceTable
from databricks_uploader.errors import PermanentError, StateError, TransientError
from databricks_uploader.model.claim import SEQUENCE_BITS, Claim, Head, Identity
from databricks_uploader.model.counted import counted
from databricks_uploader.model.table import LINEAGE, Column
from databricks_uploader.model.workspace import Workspace, quoted

_UNKNOWN_DIGEST = 0
_EXACT = {"long", "integer", "short", "byte", "string", "binary", "date"}
"""Types that hold a key as it is: no two keys become one by rounding."""


class ByMerge(WorkspaceTable):
    """The table of `identity`. `key`: the source's key columns where they are loaded as they are, else none."""

    def __init__(
        self,
        connect: Callable[[], Statements],
        workspace: Workspace,
        identity: Identity,
        *,
        key: Sequence[str],
        create_tables: bool,
    ) -> None:
        super().__init__(connect, workspace, identity, create_tables=create_tables)
        self._key = key
        self._files: dict[int, Path] = {}
        self._looked = False

    def not_loaded(self, known: Head | None, claims: Sequence[Claim]) -> list[Claim]:
        """Return all claims, as MERGE passes over what is loaded; the first time, see that no newer copy was here.

        Every load of this process would be known by its own proof.
        """
        del known
        if not self._looked and self._has_lineage():
            owner, newest = claims[-1].owner, claims[-1].sequence
            batch = self._one(statements.newest_of_owner(self._name, owner))["batch"]
            if batch is not None and _head(batch).sequence > newest:
                raise StateError(
                    f"the table is ahead of our state: it holds claim {_head(batch).sequence}, we only made claims up "
                    f"to {newest}",
                    hint="this state directory is an old copy: run `databricks-uploader state rebuild` to take the "
                    "position from the table",
                )
        self._looked = True
        return list(claims)

    def head(self) -> Head | None:
        """Return the claim of this node that was made last; None without lineage columns: all is read again then."""
        if not self._has_lineage():
            return None
        batch = self._one(statements.newest_of_node(self._name, self._identity.node_id))["batch"]
        return None if batch is None else _head(batch)

    def stage(self, claim: Claim, file: str) -> None:
        """Keep in mind where the claim's file lies: nothing goes anywhere but into the table."""
        self._files[claim.sequence] = Path(file)

    def load(self, claims: Sequence[Claim]) -> None:
        """Insert the rows that the table has not, statement by statement."""
        for claim in claims:
            columns = self._columns_of(claim)
            for rows in self._pieces(claim, columns):
                condition = self._condition(claim, columns, rows)
                self._statements().execute(statements.merge(self._name, rows.query, condition, columns))

    def prove(self, claims: Sequence[Claim]) -> None:
        """Count the rows of the claims in the table. Raises StateError where some are not those that we claimed."""
        if self._has_lineage():
            self._prove_counted(claims)
        else:
            for claim in claims:
                self._prove_equal(claim)
        self._files.clear()

    def _prove_counted(self, claims: Sequence[Claim]) -> None:
        asked = statements.counted_claims(self._name, [claim.batch_id for claim in claims])
        found = {row["batch"]: row for row in self._statements().query(asked)}
        for claim in claims:
            row = found.get(claim.batch_id)
            there = row["n"] if row else 0
            claimed_at = (claim.claimed_at - EPOCH) // timedelta(microseconds=1)
            if row and (there > claim.counts.loaded or {row["first"], row["last"]} != {claimed_at}):
                raise StateError(
                    f"the table holds other rows of claim {claim.sequence} than those that were claimed here: another "
                    "uploader runs with a copy of this state",
                    hint="stop it; then run `databricks-uploader state rebuild` here, or `state reset` and give this "
                    "node another --node-id",
                )
            if there < claim.counts.loaded:
                raise _not_there(claim, there)

    def _prove_equal(self, claim: Claim) -> None:
        if claim.sequence not in self._files:
            raise _not_there(claim, 0)
        columns = self._columns_of(claim)
        there = 0
        for rows in self._pieces(claim, columns):
            condition = self._condition(claim, columns, rows)
            there += self._one(statements.count_equal(self._name, rows.query, condition))["n"]
        if there < claim.counts.loaded:
            raise _not_there(claim, there)

    def _columns_of(self, claim: Claim) -> list[Column]:
        """Return the columns to load, in the table's order. Raises PermanentError where rows could not be told."""
        seen = self._seen or self.table()
        if seen is None:
            raise TransientError(f"the table {self._name} has just gone", hint="it is looked at again")
        if self._has_lineage():
            names = {c.name.casefold() for c in (*claim.columns.columns, *LINEAGE.columns)}
            return [c for c in seen.schema.columns if c.name.casefold() in names]
        keys = [claim.columns.get(name) for name in self._key]
        if not keys or any(key is None or key.type not in _EXACT for key in keys):
            raise PermanentError(
                f"{self._name} has no lineage columns, and the rows no key that is loaded as it is: a row that is sent "
                "twice could not be told from two",
                hint=f"run {statements.add_lineage(self._name)}; or set databricks_volume",
            )
        return list(claim.columns.columns)

    def _pieces(self, claim: Claim, columns: Sequence[Column]) -> Iterator[Rows]:
        key = None if self._has_lineage() else claim.columns.get(self._key[0])
        return pieces(self._files[claim.sequence], columns, key)

    def _condition(self, claim: Claim, columns: Sequence[Column], rows: Rows) -> str:
        if self._has_lineage():
            return statements.same_row(claim.batch_id)
        within = f"t.{quoted(self._key[0])} BETWEEN {rows.lowest} AND {rows.highest}"
        return statements.equal_row(columns, within)


def _head(batch: int) -> Head:
    return Head(batch >> SEQUENCE_BITS, batch & ((1 << SEQUENCE_BITS) - 1), _UNKNOWN_DIGEST)


def _not_there(claim: Claim, there: int) -> TransientError:
    return TransientError(
        f"claim {claim.sequence} can't be seen in the table yet: {there:,} of {counted(claim.counts.loaded, 'row')}",
        hint="it is loaded again",
    )
