"""Loading by a volume: files over plain HTTPS, then one COPY INTO, which knows every file that it has loaded.

https://docs.databricks.com/sql/language-manual/delta-copy-into: a file is loaded once into a table, by its path.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from databricks_uploader.destinations.databricks import statements
from databricks_uploader.destinations.databricks.staging import (
    StagedFile,
    check_ours,
    lacking,
    name_of,
    staged,
    to_free,
)
from databricks_uploader.destinations.databricks.target import Statements, WorkspaceTable
from databricks_uploader.destinations.databricks.volume import Volume, other_bytes
from databricks_uploader.errors import StateError, TransientError, UploaderError
from databricks_uploader.model.claim import Claim, Head, Identity
from databricks_uploader.model.table import LINEAGE, TableSchema
from databricks_uploader.model.workspace import Workspace
from databricks_uploader.ports import LastRow

_UNKNOWN_DIGEST = 0
_MOST_FILES = 1_000


class ByVolume(WorkspaceTable):
    """The table of `identity`, loaded from files of `volume` that are freed after `retention_s`."""

    def __init__(
        self,
        connect: Callable[[], Statements],
        workspace: Workspace,
        identity: Identity,
        volume: Volume,
        *,
        retention_s: float,
        create_tables: bool,
    ) -> None:
        super().__init__(connect, workspace, identity, create_tables=create_tables)
        self._volume, self._retention_s = volume, retention_s
        self._known: Head | None = None
        self._staged: set[str] = set()
        self._finished: set[int] = set()

    def create(self, schema: TableSchema, time: str | None = None) -> None:
        """Create the table. Raises StateError where this pipeline has loaded before."""
        if staged(self._volume.names()):
            raise StateError(
                f"the table {self._name} is not there, and claims of this pipeline are in {self._volume.folder}",
                hint="put the table back; or, to load every row of the source again, remove that folder",
            )
        super().create(schema, time)

    def not_loaded(self, known: Head | None, claims: Sequence[Claim]) -> list[Claim]:
        """Return all claims, as COPY INTO tells loaded ones, after a look whether another copy of us was here."""
        self._known = known
        check_ours(staged(self._volume.names()), known, claims)
        return list(claims)

    def head(self) -> Head | None:
        """Return the claim whose file came last; it is loaded, or will be by `last_row`."""
        files = staged(self._volume.names())
        return Head(files[-1].owner, files[-1].sequence, _UNKNOWN_DIGEST) if files else None

    def last_row(self, head: Head, timestamp_column: str | None) -> LastRow | None:
        """Load what the former owner staged and may not have loaded, then return its last row."""
        if not self._has_lineage():
            return None
        names = [f.stored.name for f in staged(self._volume.names()) if f.owner == head.owner]
        for first in range(0, len(names), _MOST_FILES):
            some = names[first : first + _MOST_FILES]
            self._statements().execute(statements.copy_into(self._name, self._volume.folder, some, ()))
        return super().last_row(head, timestamp_column)

    def stage(self, claim: Claim, file: str) -> None:
        """Put a claim's file there under its name; StateError where another copy of us has put other bytes there."""
        name = name_of(claim)
        if name in self._staged:
            return
        if not self._volume.put(name, Path(file)) and not self._volume.same(name, Path(file)):
            raise other_bytes(self._volume.folder, name)
        self._staged.add(name)

    def load(self, claims: Sequence[Claim]) -> None:
        """Load all files in one statement. What was loaded before, by whichever attempt, is passed over."""
        self._see_staged(claims)
        seen = self._seen or self.table()
        if seen is None:
            raise TransientError(f"the table {self._name} has just gone", hint="it is looked at again")
        loaded = {c.name.casefold() for claim in claims for c in (*claim.columns.columns, *LINEAGE.columns)}
        columns = [c for c in seen.schema.columns if c.name.casefold() in loaded]
        names = [name_of(claim) for claim in claims]
        self._statements().execute(statements.copy_into(self._name, self._volume.folder, names, columns))
        self._finished = {claim.batch_id for claim in claims}

    def prove(self, claims: Sequence[Claim]) -> None:
        """See that the load has finished with every file in place, before it and after; then free old files.

        Its counts prove nothing: they are 0 where an answer was lost and the statement sent again.
        """
        missing = next((c for c in claims if c.batch_id not in self._finished), None)
        if missing is not None:
            raise TransientError(f"claim {missing.sequence} is not known to be loaded", hint="it is loaded again")
        files = self._see_staged(claims)
        self._staged.difference_update(name_of(claim) for claim in claims)
        for name in to_free(files, {claim.sequence for claim in claims}, self._retention_s):
            with suppress(UploaderError):  # the next load tries again
                self._volume.remove(name)

    def close(self) -> None:
        """Close all connections; the next call opens them again."""
        super().close()
        self._volume.close()

    def _see_staged(self, claims: Sequence[Claim]) -> list[StagedFile]:
        files = staged(self._volume.names())
        check_ours(files, self._known, claims)
        gone = lacking(files, claims)
        if gone is not None:
            self._staged.clear()
            raise TransientError(
                f"{self._volume.folder}/{name_of(gone)} is gone or has another length", hint="it is put there again"
            )
        return files
