"""The folder that spool files lie in."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from databricks_uploader import durable
from databricks_uploader.errors import StateError
from databricks_uploader.model.claim import Claim, SpoolFile, Statistics
from databricks_uploader.model.table import TableSchema
from databricks_uploader.ports import ArrowColumns, Lineage
from databricks_uploader.spool import parquet


@dataclass(frozen=True)
class FolderSpool:
    """Spool files in `folder`, which belongs to this program alone."""

    folder: Path

    def write(
        self, batches: Iterator[ArrowColumns], columns: TableSchema, lineage: Lineage
    ) -> tuple[SpoolFile, Statistics] | None:
        """Write one file, durable before this returns; none where there is no row.

        Its name is made of owner, sequence and digest: the claim's name for ever, here and at the destination.
        """
        stem = f"{lineage.owner:010x}-{lineage.sequence}"
        draft = self.folder / f"{stem}.draft"
        with durable.translated(f"can't write the spool file {draft}"):
            written = parquet.write(draft, batches, columns, lineage)
            if not written.rows:
                draft.unlink()
                return None
            file = SpoolFile(f"{stem}-{written.digest[:16]}.parquet", written.size, written.digest)
            durable.rename(draft, self.folder / file.name)
        return file, written.statistics

    def path(self, claim: Claim) -> str:
        """Return where the claim's file lies; StateError where it is gone or has other bytes."""
        if claim.file is None:
            raise ValueError(f"claim {claim.sequence} has no file")
        path = self.folder / claim.file.name
        with durable.translated(f"can't read the spool file {path}"):
            digest = _digest(path) if path.exists() else None
        if digest != claim.file.digest:
            raise StateError(
                f"the spool file {path} of claim {claim.sequence} is {'gone' if digest is None else 'damaged'}",
                hint="put it back; or run `databricks-uploader state rebuild` to take the position from the table "
                "and read its rows again",
            )
        return str(path)

    def discard(self, names: Collection[str]) -> None:
        """Delete files; one that is gone already is fine."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def keep_only(self, names: Collection[str]) -> None:
        """Delete what no pending claim names: drafts, and files whose claim was never recorded."""
        self.discard({f.name for f in self.folder.iterdir()}.difference(names))

    def size(self) -> int:
        """Return the bytes in use."""
        return sum(f.stat().st_size for f in self.folder.iterdir())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, parquet.new_digest).hexdigest()
