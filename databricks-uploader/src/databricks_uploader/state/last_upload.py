"""`last_upload.json`: what was uploaded last, for people and scripts; the program never reads it back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from databricks_uploader.model.claim import Claim, Identity
from databricks_uploader.model.position import Position
from databricks_uploader.model.step_counts import ByRule

FILE_NAME = "last_upload.json"


@dataclass(frozen=True)
class Summary:
    """What state tells of a pipeline."""

    identity: Identity
    position: Position
    rows_loaded: int
    newest: str | None
    committed_at: str | None
    pending: tuple[Claim, ...]
    quarantined: int
    by_rule: ByRule
    waiting: int
    """Rows that wait in windows that are not emitted, or not since they came."""
    lost: int
    """Rows that waited, and that the source has no more."""


def write(folder: Path, summaries: Sequence[Summary]) -> None:
    """Write, for each target table, the time of the newest row uploaded, and the rows so far."""
    content = {
        s.identity.target_table: {
            "source_table": s.identity.source_table,
            "node_id": s.identity.node_id,
            "last_uploaded_timestamp": s.newest,
            "rows": s.rows_loaded,
            "claimed_at": s.committed_at,
        }
        for s in summaries
    }
    draft = folder / f"{FILE_NAME}.draft"
    draft.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.chmod(0o600)
    draft.replace(folder / FILE_NAME)


def left_by_the_original(folder: Path) -> str | None:
    """Return the time that the program before this one uploaded last, '' where its file tells none.

    None where there is no such file, or it is one that `write` wrote.
    """
    try:
        content = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return ""
    values = list(content.values()) if isinstance(content, dict) else [content]
    if values and all(isinstance(value, dict) and "node_id" in value for value in values):
        return None
    return max((value for value in values if isinstance(value, str) and _is_time(value)), default="")


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
