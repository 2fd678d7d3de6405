"""Rows in quarantine: one row of `quarantine` each, and their values in `quarantined_value` as the source held them."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from sqlite3 import Connection, Row

from databricks_uploader.model.claim import Claim, Identity
from databricks_uploader.model.quarantine import Kept, QuarantinedRow, RawValue, Undecodable
from databricks_uploader.state import rows
from databricks_uploader.state.standing import OF_IDENTITY

_INSERT = "INSERT INTO quarantined_value VALUES (?, ?, ?)"
_INSERT_UNDECODABLE = "INSERT INTO quarantined_value VALUES (?, ?, CAST(? AS TEXT))"


def insert(connection: Connection, claim: Claim, quarantined: Sequence[QuarantinedRow]) -> None:
    """Record rows of a claim, within its transaction."""
    identity = claim.identity
    for row in quarantined:
        inserted = connection.execute(
            "INSERT INTO quarantine (node_id, source_table, target_table, sequence, incarnation, key, reasons, "
            "claimed_at, fingerprint, time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                identity.node_id,
                identity.source_table,
                identity.target_table,
                claim.sequence,
                claim.incarnation,
                row.key,
                json.dumps(row.reasons, ensure_ascii=False),
                claim.claimed_at.isoformat(),
                row.fingerprint,
                row.time,
            ),
        )
        for name, value in row.values.items():
            if isinstance(value, Undecodable):
                connection.execute(_INSERT_UNDECODABLE, (inserted.lastrowid, name, value.data))
            else:
                connection.execute(_INSERT, (inserted.lastrowid, name, value))


def free(connection: Connection, claim: Claim, ids: Sequence[int]) -> None:
    """Let rows go that are in a claim; they are deleted when it is committed."""
    connection.executemany("UPDATE quarantine SET freed_by = ? WHERE id = ?", [(claim.sequence, i) for i in ids])


def take_back(connection: Connection, claim: Claim) -> None:
    """Forget rows that a claim and those after it have brought, and keep again those that they have freed."""
    values = rows.claim_values(claim)
    connection.execute(f"DELETE FROM quarantine WHERE sequence >= :sequence AND {OF_IDENTITY}", values)
    connection.execute(f"UPDATE quarantine SET freed_by = NULL WHERE freed_by >= :sequence AND {OF_IDENTITY}", values)


def delete(connection: Connection, ids: Sequence[int]) -> None:
    """Delete rows, and with them their values."""
    connection.executemany("DELETE FROM quarantine WHERE id = ?", [(number,) for number in ids])


def kept(connection: Connection, identity: Identity | None, ids: Sequence[int] | None) -> Iterator[Kept]:
    """Yield rows in quarantine: of a pipeline (None: of each), with these numbers (None: all)."""
    found = connection.execute(
        "SELECT * FROM quarantine WHERE freed_by IS NULL ORDER BY source_table, target_table, incarnation, id"
    )
    for row in found.fetchall():
        if (identity is None or rows.identity(row) == identity) and (ids is None or row["id"] in ids):
            values = {v["name"]: _value(v) for v in connection.execute(_VALUES, (row["id"],)).fetchall()}
            reasons = json.loads(row["reasons"])
            yield Kept(
                row["id"],
                rows.identity(row),
                row["sequence"],
                row["incarnation"],
                datetime.fromisoformat(row["claimed_at"]),
                QuarantinedRow(row["key"], reasons, values, row["fingerprint"], row["time"]),
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
