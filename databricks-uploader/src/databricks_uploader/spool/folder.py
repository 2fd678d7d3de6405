"""The folder that spool files lie in, and beside it the one for rows that steps have not seen yet."""

import hashlib
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from databricks_uploader import durable
from databricks_uploader.errors import StateError
from databricks_uploader.model.claim import Claim, SpoolFile
from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.work import Aggregate, Looked, Work
from databricks_uploader.ports import ArrowColumns, Lineage, Spooled, Steps
from databricks_uploader.spool import parquet
from databricks_uploader.spool.at_hand import RowsInFile
from databricks_uploader.spool.parquet import Written

WORK = "work"


@dataclass(frozen=True)
class FolderSpool:
    """Spool files in `folder`, which belongs to this program alone, as `work` beside it does."""

    folder: Path
    steps: Steps | None = None
    key: bytes = field(default=b"", repr=False)
    """Key of the files' digests, which leave the node."""

    def write(self, batches: Iterator[ArrowColumns], work: Work, lineage: Lineage) -> Spooled:
        """Do the work on the rows and write one file, durable before this returns; none where no row is left.

        Its name is made of owner, sequence and digest: the claim's name for ever, here and at the destination.
        """
        stem = f"{lineage.owner:010x}-{lineage.sequence}"
        draft = (self._work if work.steps else self.folder) / f"{stem}.draft"
        with durable.translated(f"can't write the spool file {draft}"):
            if work.steps:
                written, by_rule = self._altered(draft, batches, work, lineage)
            else:
                written, by_rule = parquet.write(draft, batches, work.columns, lineage, self.key), ByRule()
            if not written.rows:
                draft.unlink(missing_ok=True)
                return Spooled(None, by_rule=by_rule)
            file = SpoolFile(f"{stem}-{written.digest[:16]}.parquet", written.size, written.digest)
            durable.rename(draft, self.folder / file.name)
        return Spooled(file, written.statistics, by_rule)

    @contextmanager
    def rows_at_hand(
        self, batches: Iterator[ArrowColumns], work: Work, aggregate: Aggregate, lineage: Lineage
    ) -> Iterator[RowsInFile]:
        """Do the work on rows and keep them at hand to aggregate them, until the context ends."""
        if self.steps is None:
            raise RuntimeError("an aggregation, and nothing to carry it out")
        stem = f"{lineage.owner:010x}-{lineage.sequence}"
        typed, passed = (self._work / f"{stem}.{name}" for name in ("typed", "passed"))

        def named(draft: Path) -> SpoolFile:
            size, digest = draft.stat().st_size, self._digest(draft)
            file = SpoolFile(f"{stem}-{digest[:16]}.parquet", size, digest)
            durable.rename(draft, self.folder / file.name)
            return file

        try:
            with durable.translated(f"can't write {typed}"):
                file, by_rule = self._passed(typed, passed, batches, work, lineage)
            looked = Looked() if file is None else self.steps.look(aggregate, str(file))
            draft = self._work / f"{stem}.draft"
            yield RowsInFile(file, looked, by_rule, aggregate, lineage, self.steps, draft, named)
        finally:
            typed.unlink(missing_ok=True)
            passed.unlink(missing_ok=True)

    def _passed(
        self, typed: Path, passed: Path, batches: Iterator[ArrowColumns], work: Work, lineage: Lineage
    ) -> tuple[Path | None, ByRule]:
        """Return the file of the rows that steps leave; None where there is none."""
        self._work.mkdir(mode=0o700, exist_ok=True)
        first = next(batches, None)
        if first is None or not parquet.write(typed, chain([first], batches), work.columns, lineage).rows:
            return None, ByRule()
        if not work.steps or self.steps is None:
            return typed, ByRule()
        applied = self.steps.apply(work, str(typed), str(passed))
        return passed if applied.counts.written else None, applied.counts.by_rule

    def _altered(
        self, draft: Path, batches: Iterator[ArrowColumns], work: Work, lineage: Lineage
    ) -> tuple[Written, ByRule]:
        """Write `draft` by steps. The rows as they were are in a file of their own, and only meanwhile."""
        if self.steps is None:
            raise RuntimeError("steps, and nothing to carry them out")
        self._work.mkdir(mode=0o700, exist_ok=True)
        typed = draft.with_suffix(".typed")
        try:
            if not parquet.write(typed, batches, work.columns, lineage).rows:
                return Written(0, 0, "", {}), ByRule()
            applied = self.steps.apply(work, str(typed), str(draft))
        finally:
            typed.unlink(missing_ok=True)
        by_rule = applied.counts.by_rule
        if not applied.counts.written:
            return Written(0, 0, "", {}), by_rule
        size, digest = draft.stat().st_size, self._digest(draft)
        return Written(applied.counts.written, size, digest, applied.statistics), by_rule

    def path(self, claim: Claim) -> str:
        """Return where the claim's file lies; StateError where it is gone or has other bytes."""
        if claim.file is None:
            raise ValueError(f"claim {claim.sequence} has no file")
        path = self.folder / claim.file.name
        with durable.translated(f"can't read the spool file {path}"):
            digest = self._digest(path) if path.exists() else None
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
        """Delete what no pending claim names: drafts, files whose claim was never recorded, and all of `work`."""
        self.discard({f.name for f in self.folder.iterdir()}.difference(names))
        for left in self._work.glob("*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    def size(self) -> int:
        """Return the bytes in use."""
        return sum(f.stat().st_size for folder in (self.folder, self._work) for f in folder.rglob("*"))

    @property
    def _work(self) -> Path:
        return self.folder.parent / WORK

    def _digest(self, path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, partial(parquet.new_digest, self.key)).hexdigest()
