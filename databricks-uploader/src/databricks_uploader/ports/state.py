"""What survives a restart."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from databricks_uploader.model.claim import Claim, Identity
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.quarantine import Kept, QuarantinedRow
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.touched import Window
from databricks_uploader.model.witness import Witnesses


class State(Protocol):
    """What survives a restart; each method is one durable transaction."""

    def position(self, identity: Identity) -> Position | None:
        """Return where a pipeline stands, None before its table was first seen."""
        ...

    def witnesses(self, identity: Identity) -> Witnesses:
        """Return the witnesses of a pipeline."""
        ...

    def seen(self, identity: Identity) -> Mapping[int, int]:
        """Return the claimed rows that a look back may meet: fingerprint → time in µs since 1970."""
        ...

    def windows(self, identity: Identity) -> Mapping[int, Window]:
        """Return the windows of an aggregation that are remembered, by their beginnings."""
        ...

    def stand(self, identity: Identity, standing: Standing) -> None:
        """Record where a pipeline stands when that is not the end of a claim."""
        ...

    def claim(
        self,
        claim: Claim,
        after: Standing,
        quarantined: Sequence[QuarantinedRow] = (),
        freed: Sequence[int] = (),
    ) -> None:
        """Record a claim, where the pipeline stands after it, and its rows that can't be loaded.

        `freed`: numbers of rows in quarantine that are in this claim, and leave it.
        """
        ...

    def take_back(self, claim: Claim) -> Sequence[str]:
        """Forget a claim of a secure pipeline, and all after it, as if they had never been; return their files."""
        ...

    def kept(self, identity: Identity, ids: Sequence[int] | None) -> Iterator[Kept]:
        """Yield a pipeline's rows in quarantine, those of one life of the source after another (None: all)."""
        ...

    def keys_apart(self, identity: Identity, incarnation: int) -> Sequence[int]:
        """Return the rowids of a pipeline's rows in quarantine that are of one life of the source."""
        ...

    def quarantined(self, identity: Identity) -> int:
        """Return how many rows of a pipeline are in quarantine."""
        ...

    def target_is(self, identity: Identity, schema: TableSchema) -> None:
        """Record what the target table was seen to be."""
        ...

    def pending(self, identity: Identity) -> list[Claim]:
        """Return what is claimed and not committed, in order."""
        ...

    def waiting_bytes(self, identity: Identity) -> int:
        """Return the bytes of a pipeline's spool files."""
        ...

    def sending(self, claims: Sequence[Claim]) -> None:
        """Note that these claims may be out from now on."""
        ...

    def commit(self, claims: Sequence[Claim]) -> None:
        """Record that these claims, in order, are loaded."""
        ...
