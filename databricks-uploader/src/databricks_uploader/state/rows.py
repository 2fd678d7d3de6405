"""How identities, positions and claims stand in the rows of `state.db`."""

import json
from datetime import datetime
from sqlite3 import Row
from typing import Any

from databricks_uploader.model.claim import Claim, Counts, Head, Identity, LateSpan, Settled, Span, SpoolFile
from databricks_uploader.model.gaps import Gaps
from databricks_uploader.model.node import Machine, Node
from databricks_uploader.model.position import Position
from databricks_uploader.model.quarantine import Recent
from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.table import Column, TableSchema
from databricks_uploader.model.times import Unit
from databricks_uploader.model.touched import Window
from databricks_uploader.model.witness import Witness

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE secret (one INTEGER PRIMARY KEY CHECK (one = 1), digests BLOB NOT NULL) STRICT;
INSERT INTO secret VALUES (1, randomblob(32));
CREATE TABLE node (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    node_id TEXT NOT NULL, serial TEXT, machine_id TEXT, source TEXT NOT NULL
) STRICT;
CREATE TABLE pipeline (
    node_id TEXT NOT NULL, source_table TEXT NOT NULL, target_table TEXT NOT NULL,
    owner INTEGER NOT NULL, incarnation INTEGER NOT NULL, cursor INTEGER, sequence INTEGER NOT NULL,
    head_owner INTEGER, head_sequence INTEGER, head_digest INTEGER,
    table_id TEXT NOT NULL, table_schema TEXT NOT NULL, timestamp_column TEXT,
    witness_columns TEXT NOT NULL, timed INTEGER NOT NULL, secret BLOB NOT NULL, dense_from INTEGER NOT NULL,
    gaps TEXT NOT NULL, gaps_given_up INTEGER NOT NULL, counter INTEGER, schema_version INTEGER,
    former TEXT NOT NULL, cursor_order TEXT NOT NULL, floor INTEGER,
    units TEXT NOT NULL, altered TEXT NOT NULL, recent TEXT NOT NULL, source_columns TEXT NOT NULL,
    numbered INTEGER NOT NULL, group_keys TEXT NOT NULL, windows_since INTEGER,
    rows_loaded INTEGER NOT NULL DEFAULT 0, rows_lost INTEGER NOT NULL DEFAULT 0,
    by_rule TEXT NOT NULL DEFAULT '[[], []]', newest TEXT, committed_at TEXT,
    PRIMARY KEY (node_id, source_table, target_table)
) STRICT;
CREATE TABLE claim (
    node_id TEXT NOT NULL, source_table TEXT NOT NULL, target_table TEXT NOT NULL,
    owner INTEGER NOT NULL, sequence INTEGER NOT NULL, incarnation INTEGER NOT NULL,
    after INTEGER, up_to INTEGER, late TEXT,
    rows_read INTEGER NOT NULL, rows_loaded INTEGER NOT NULL, rows_waiting INTEGER NOT NULL,
    rows_excluded INTEGER NOT NULL, rows_quarantined INTEGER NOT NULL,
    file_name TEXT, file_size INTEGER, file_digest TEXT,
    columns TEXT NOT NULL, statistics TEXT NOT NULL, newest TEXT, claimed_at TEXT NOT NULL,
    by_rule TEXT NOT NULL, rules TEXT, settled TEXT NOT NULL,
    may_be_out INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (node_id, source_table, target_table, sequence)
) STRICT;
CREATE TABLE witness (
    node_id TEXT NOT NULL, source_table TEXT NOT NULL, target_table TEXT NOT NULL,
    key INTEGER NOT NULL, fingerprint INTEGER NOT NULL,
    PRIMARY KEY (node_id, source_table, target_table, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE seen (
    node_id TEXT NOT NULL, source_table TEXT NOT NULL, target_table TEXT NOT NULL,
    fingerprint INTEGER NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY (node_id, source_table, target_table, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE TABLE window (
    node_id TEXT NOT NULL, source_table TEXT NOT NULL, target_table TEXT NOT NULL,
    start INTEGER NOT NULL, told TEXT NOT NULL,
    PRIMARY KEY (node_id, source_table, target_table, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE undo (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node_id TEXT NOT NULL, source_table TEXT NOT NULL, target_table TEXT NOT NULL, sequence INTEGER NOT NULL,
    before TEXT NOT NULL
) STRICT;
CREATE INDEX undo_of_pipeline ON undo (node_id, source_table, target_table, sequence);
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node_id TEXT NOT NULL, source_table TEXT NOT NULL, target_table TEXT NOT NULL,
    sequence INTEGER NOT NULL, incarnation INTEGER NOT NULL, key INTEGER, reasons TEXT NOT NULL,
    claimed_at TEXT NOT NULL, freed_by INTEGER, fingerprint INTEGER, time INTEGER
) STRICT;
CREATE INDEX quarantine_of_pipeline ON quarantine (node_id, source_table, target_table, sequence);
CREATE TABLE quarantined_value (
    row INTEGER NOT NULL REFERENCES quarantine (id) ON DELETE CASCADE, name TEXT NOT NULL, value ANY
) STRICT;
CREATE INDEX quarantined_value_of_row ON quarantined_value (row);
"""


def identity_values(identity: Identity) -> dict[str, Any]:
    """Return an identity's columns."""
    return {
        "node_id": identity.node_id,
        "source_table": identity.source_table,
        "target_table": identity.target_table,
    }


def position_values(position: Position) -> dict[str, Any]:
    """Return a position's columns."""
    head = position.head
    return {
        "owner": position.owner,
        "incarnation": position.incarnation,
        "cursor": position.cursor,
        "sequence": position.sequence,
        "head_owner": head and head.owner,
        "head_sequence": head and head.sequence,
        "head_digest": head and head.digest_number,
        "table_id": position.table_id,
        "table_schema": schema_text(position.schema),
        "timestamp_column": position.timestamp_column,
        "witness_columns": json.dumps(position.witness_columns, ensure_ascii=False),
        "timed": position.timed,
        "secret": position.secret,
        "gaps": json.dumps(position.gaps.ranges),
        "gaps_given_up": position.gaps.given_up,
        "counter": position.counter,
        "schema_version": position.schema_version,
        "units": json.dumps(position.units, ensure_ascii=False),
        "altered": json.dumps(position.altered, ensure_ascii=False),
        "recent": f"{position.recent.bits:x}",
        "source_columns": json.dumps(position.source_columns, ensure_ascii=False),
        "numbered": position.numbered,
        "group_keys": json.dumps(position.group_keys, ensure_ascii=False),
        "windows_since": position.windows_since,
        "former": json.dumps([[w.key, w.fingerprint] for w in position.former]),
        "cursor_order": position.order,
        "floor": position.floor,
    }


def claim_values(claim: Claim) -> dict[str, Any]:
    """Return a claim's columns."""
    return identity_values(claim.identity) | {
        "owner": claim.owner,
        "sequence": claim.sequence,
        "incarnation": claim.incarnation,
        "after": claim.span.after if isinstance(claim.span, Span) else None,
        "up_to": claim.span.up_to if isinstance(claim.span, Span) else None,
        "late": None if isinstance(claim.span, Span) else json.dumps(claim.span.keys),
        "rows_read": claim.counts.read,
        "rows_loaded": claim.counts.loaded,
        "rows_waiting": claim.counts.waiting,
        "rows_excluded": claim.counts.excluded,
        "rows_quarantined": claim.counts.quarantined,
        "file_name": claim.file and claim.file.name,
        "file_size": claim.file and claim.file.size,
        "file_digest": claim.file and claim.file.digest,
        "columns": schema_text(claim.columns),
        "statistics": json.dumps(claim.statistics, ensure_ascii=False),
        "newest": claim.newest and claim.newest.isoformat(),
        "claimed_at": claim.claimed_at.isoformat(),
        "by_rule": by_rule_text(claim.by_rule),
        "rules": claim.rules,
        "settled": json.dumps([claim.settled.loaded, claim.settled.quarantined, claim.settled.lost]),
    }


def node(row: Row) -> Node:
    """Read the node."""
    return Node(row["node_id"], Machine(row["serial"], row["machine_id"]), row["source"])


def identity(row: Row) -> Identity:
    """Read an identity."""
    return Identity(row["node_id"], row["source_table"], row["target_table"])


def position(row: Row) -> Position:
    """Read a position."""
    head = None
    if row["head_sequence"] is not None:
        head = Head(row["head_owner"], row["head_sequence"], row["head_digest"])
    return Position(
        owner=row["owner"],
        incarnation=row["incarnation"],
        cursor=row["cursor"],
        sequence=row["sequence"],
        head=head,
        table_id=row["table_id"],
        schema=_schema(row["table_schema"]),
        timestamp_column=row["timestamp_column"],
        witness_columns=tuple(json.loads(row["witness_columns"])),
        timed=bool(row["timed"]),
        secret=row["secret"],
        gaps=Gaps(tuple((low, high) for low, high in json.loads(row["gaps"])), row["gaps_given_up"]),
        counter=row["counter"],
        schema_version=row["schema_version"],
        former=tuple(Witness(key, fingerprint) for key, fingerprint in json.loads(row["former"])),
        order=row["cursor_order"],
        floor=row["floor"],
        units={name: Unit(unit) for name, unit in json.loads(row["units"]).items()},
        altered=json.loads(row["altered"]),
        recent=Recent(int(row["recent"], 16)),
        source_columns=tuple(json.loads(row["source_columns"])),
        numbered=bool(row["numbered"]),
        group_keys=tuple(json.loads(row["group_keys"])),
        windows_since=row["windows_since"],
    )


def claim(row: Row) -> Claim:
    """Read a claim."""
    return Claim(
        identity=identity(row),
        owner=row["owner"],
        sequence=row["sequence"],
        incarnation=row["incarnation"],
        span=Span(row["after"], row["up_to"]) if row["late"] is None else LateSpan(tuple(json.loads(row["late"]))),
        counts=Counts(
            row["rows_read"],
            row["rows_loaded"],
            row["rows_waiting"],
            row["rows_excluded"],
            row["rows_quarantined"],
        ),
        file=None if row["file_name"] is None else SpoolFile(row["file_name"], row["file_size"], row["file_digest"]),
        columns=_schema(row["columns"]),
        statistics={name: (low, high, nulls) for name, (low, high, nulls) in json.loads(row["statistics"]).items()},
        newest=datetime.fromisoformat(row["newest"]) if row["newest"] else None,
        claimed_at=datetime.fromisoformat(row["claimed_at"]),
        by_rule=by_rule(row["by_rule"]),
        rules=row["rules"],
        may_be_out=bool(row["may_be_out"]),
        settled=Settled(*json.loads(row["settled"])),
    )


def window_text(window: Window) -> str:
    """Write what is remembered of a window."""
    ranges, waits = window.ranges, window.waits
    return json.dumps([window.rows, window.waiting, window.newest, window.loaded, window.late, ranges, waits])


def window(row: Row) -> Window:
    """Read a window."""
    read, waiting, newest, loaded, late, *ranges = json.loads(row["told"])
    where, waits = (tuple((low, high) for low, high in found) for found in ranges)
    return Window(row["start"], read, waiting, newest, where, loaded, waits, tuple(late))


def by_rule_text(counts: ByRule) -> str:
    """Write what rules did."""
    return json.dumps([counts.excluded, counts.altered], ensure_ascii=False)


def by_rule(text: str) -> ByRule:
    """Read what rules did."""
    excluded, altered = json.loads(text)
    return ByRule(tuple((label, rows) for label, rows in excluded), tuple((label, rows) for label, rows in altered))


def schema_text(schema: TableSchema) -> str:
    """Write a schema."""
    return json.dumps([[c.name, c.type, c.nullable] for c in schema.columns], ensure_ascii=False)


def _schema(text: str) -> TableSchema:
    return TableSchema.of([Column(name, kind, nullable) for name, kind, nullable in json.loads(text)])
