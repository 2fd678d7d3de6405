"""Which files of a volume belong to whom: names that a claim has for ever, and what a listing tells."""

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from databricks_uploader.destinations.databricks.volume import StoredFile
from databricks_uploader.errors import StateError
from databricks_uploader.model.claim import Claim, Head, Identity
from databricks_uploader.model.workspace import Volume

MOST_FREED = 100
"""Files that are removed after one load."""
_NAME = re.compile(r"(?P<owner>[0-9a-f]{10})-(?P<sequence>\d+)\.parquet")


@dataclass(frozen=True)
class StagedFile:
    """A claim's file in the volume."""

    owner: int
    sequence: int
    stored: StoredFile

    @property
    def age(self) -> tuple[int, int]:
        """What the files of a pipeline are ordered by; of one time are only those of one owner."""
        return self.stored.modified_ms, self.sequence


def folder_of(volume: Volume, identity: Identity) -> str:
    """Return the folder of a pipeline: readable, and no other pipeline's.

    Spark passes over names that begin with _ or a dot, and makes its own of percent signs.
    """
    digest = hashlib.blake2b(str(identity).encode(), digest_size=5).hexdigest()
    return f"{volume}/{_plain(identity.node_id)}/{_plain(identity.target_table)}-{digest}"


def name_of(claim: Claim) -> str:
    """Return the name of a claim's file, which no other claim has."""
    return f"{claim.owner:010x}-{claim.sequence}.parquet"


def staged(files: Sequence[StoredFile]) -> list[StagedFile]:
    """Return the claims' files of a listing, the oldest first."""
    found = [
        StagedFile(int(match["owner"], 16), int(match["sequence"]), file)
        for file in files
        if (match := _NAME.fullmatch(file.name))
    ]
    return sorted(found, key=lambda file: file.age)


def check_ours(files: Sequence[StagedFile], known: Head | None, claims: Sequence[Claim]) -> None:
    """Raise StateError where another copy of this node was here: by a file that we can't have put there.

    `known` is the newest claim that we saw loaded; since its file, which is never removed, only the pending ones came.
    """
    own, newest = claims[-1].owner, claims[-1].sequence
    since = next((f.stored.modified_ms for f in files if known and (f.owner, f.sequence) == _of(known)), 0)
    for file in files:
        former = known is not None and file.owner == known.owner and file.sequence <= known.sequence
        if (file.owner == own and file.sequence <= newest) or former or file.stored.modified_ms < since:
            continue
        raise StateError(
            f"{file.stored.name} is in the volume, and not of this state: another uploader runs under this node's id, "
            "or a newer copy of this state was used",
            hint="if this state directory is an old copy, run `databricks-uploader state rebuild`; if another machine "
            "runs under the same node id, give this one its own (--node-id) and run `databricks-uploader state reset`",
        )


def lacking(files: Sequence[StagedFile], claims: Sequence[Claim]) -> Claim | None:
    """Return the first claim whose file is not there with its length; None where all are."""
    sizes = {(f.owner, f.sequence): f.stored.size for f in files}
    return next((c for c in claims if sizes.get((c.owner, c.sequence)) != (c.file and c.file.size)), None)


def to_free(files: Sequence[StagedFile], pending: Collection[int], retention_s: float) -> list[str]:
    """Return the files to remove: older than the newest one by that time, and not of these sequences.

    The age is told by the volume's own clock: that of a node may be wrong by years.
    """
    if not files:
        return []
    until_ms = files[-1].stored.modified_ms - 1000 * retention_s
    old = [f.stored.name for f in files[:-1] if f.stored.modified_ms <= until_ms and f.sequence not in pending]
    return old[:MOST_FREED]


def _of(head: Head) -> tuple[int, int]:
    return head.owner, head.sequence


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).lstrip(".-")[:80] or "x"
