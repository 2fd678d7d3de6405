"""Rows in quarantine: one row of `quarantine` each, and their values in `quarantined_value` as the source held them."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from sqlite3 import Connection, Row

from databricks_uploader.model.claim import Claim
from databricks_uploader.model.quarantine import Kept, QuarantinedRow, RawValue, Undecodable
from databricks_uploader.state import rows

_INSERT = "INSERT INTO quarantined_value VALUES (?, ?, ?)"
_INSERT_UNDECODABLE = "INSERT INTO quarantined_value VALUES (?, ?, CAST(? AS TEXT))"


def insert(connection: Connection, claim: Claim, quarantined: Sequence[QuarantinedRow]) -> None:
    """Record rows of a claim, within its transaction."""
    identity = claim.identity
    for row in quarantined:
        inserted = connection.execute(
            "INSERT INTO quarantine (node_id, source_table, target_table, sequence, incarnation, key, reasons, "
            "claimed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                identity.node_id,
                identity.source_table,
                identity.target_table,
                claim.sequence,
                claim.incarnation,
                row.key,
                json.dumps(row.reasons, ensure_ascii=False),
                claim.claimed_at.isoformat(),
            ),
        )
        for name, value in row.values.items():
            if isinstance(value, Undecodable):
                connection.execute(_INSERT_UNDECODABLE, (inserted.lastrowid, name, value.data))
            else:
                connection.execute(_INSERT, (inserted.lastrowid, name, value))


def kept(connection: Connection, ids: Sequence[int] | None) -> Iterator[Kept]:
    """Yield rows in quarantine, oldest first: those with these numbers (None: all)."""
    wanted = None if ids is None else set(ids)
    for found in connection.execute("SELECT * FROM quarantine ORDER BY id").fetchall():
        if wanted is None or found["id"] in wanted:
            values = connection.execute(_VALUES, (found["id"],)).fetchall()
            yield Kept(
                found["id"],
                rows.identity(found),
                found["sequence"],
                found["incarnation"],
                datetime.fromisoformat(found["claimed_at"]),
                QuarantinedRow(found["key"], json.loads(found["reasons"]), {v["name"]: _value(v) for v in values}),
            )


def _value(row: Row) -> RawValue:
    if row["class"] != "text":
        value: RawValue = row["value"]
        return value
    try:
        return bytes(row["text"]).decode()
    except UnicodeDecodeError:
        return Undecodable(row["text"])


_VALUES = (
    "SELECT name, typeof(value) AS class, CASE typeof(value) WHEN 'text' THEN NULL ELSE value END AS value, "
    "CASE typeof(value) WHEN 'text' THEN CAST(value AS BLOB) END AS text FROM quarantined_value WHERE row = ? "
    "ORDER BY rowid"
)
