"""`state.db`: one SQLite file, every method one durable transaction."""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import reduce
from pathlib import Path
from typing import Any, Self

from databricks_uploader.errors import ConfigError, PermanentError, StateError, TransientError
from databricks_uploader.model.claim import Claim, Head, Identity
from databricks_uploader.model.node import Node
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.quarantine import Kept, QuarantinedRow
from databricks_uploader.model.step_counts import ByRule
from databricks_uploader.model.table import TableSchema
from databricks_uploader.model.touched import Window
from databricks_uploader.model.witness import Witness, Witnesses
from databricks_uploader.state import last_upload, quarantine, rows, standing
from databricks_uploader.state.last_upload import Summary
from databricks_uploader.state.standing import OF_IDENTITY as _OF_IDENTITY

FILE_NAME = "state.db"
_SPOOL_FILES = "SELECT file_name FROM claim WHERE file_name IS NOT NULL"
_RESET = "run `databricks-uploader state reset` to begin anew: what the tables hold is taken from them"


def must_exist(folder: Path) -> None:
    """Raise ConfigError where there is no state in a folder."""
    if not (folder / FILE_NAME).is_file():
        raise ConfigError(f"no state in {folder}", hint="name the right folder with --state-dir")


class Store:
    """An open `state.db`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Self]:
        """Open `state.db`, made where there is none. Raises StateError where it is not one that we can read."""
        path = folder / FILE_NAME
        with _translated(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(path, isolation_level=None)
        with closing(connection):
            store = cls(connection, path)
            with _translated(path):
                connection.row_factory = sqlite3.Row
                # A rollback journal keeps all in one file, and EXTRA also syncs the folder when a journal goes.
                connection.execute("PRAGMA journal_mode = DELETE")
                connection.execute("PRAGMA synchronous = EXTRA")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA secure_delete = ON")  # rows leave no values in free pages
                store._migrate()
            yield store

    def _migrate(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > rows.SCHEMA_VERSION:
            raise StateError(
                f"{self._path} was written by a newer version of this program",
                hint="run that version, or name another --state-dir",
            )
        if version == 0:
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {rows.SCHEMA} PRAGMA user_version = {rows.SCHEMA_VERSION}; COMMIT;"
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _query(self, sql: str, values: Mapping[str, Any] | None = None) -> list[sqlite3.Row]:
        with _translated(self._path):
            return self._connection.execute(sql, values or {}).fetchall()

    def node(self) -> Node | None:
        """Return the node that this state belongs to."""
        found = self._query("SELECT * FROM node")
        return rows.node(found[0]) if found else None

    def remember(self, node: Node) -> None:
        """Record the node that this state belongs to."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO node VALUES (1, ?, ?, ?, ?)",
                (node.node_id, node.machine.serial, node.machine.machine_id, node.source),
            )

    def position(self, identity: Identity) -> Position | None:
        """Return where a pipeline stands, None before its table was first seen."""
        found = self._query(f"SELECT * FROM pipeline WHERE {_OF_IDENTITY}", rows.identity_values(identity))
        return rows.position(found[0]) if found else None

    def witnesses(self, identity: Identity) -> Witnesses:
        """Return the witnesses of a pipeline."""
        values = rows.identity_values(identity)
        found = self._query(f"SELECT key, fingerprint FROM witness WHERE {_OF_IDENTITY} ORDER BY key", values)
        complete = self._query(f"SELECT dense_from FROM pipeline WHERE {_OF_IDENTITY}", values)
        return Witnesses(tuple(Witness(*row) for row in found), complete[0]["dense_from"])

    def seen(self, identity: Identity) -> Mapping[int, int]:
        """Return the claimed rows that a look back may meet: fingerprint → time in µs since 1970."""
        found = self._query(f"SELECT fingerprint, time FROM seen WHERE {_OF_IDENTITY}", rows.identity_values(identity))
        return {row["fingerprint"]: row["time"] for row in found}

    def windows(self, identity: Identity) -> dict[int, Window]:
        """Return the windows of an aggregation that are remembered, by their beginnings."""
        asked = f"SELECT start, told FROM window WHERE {_OF_IDENTITY}"
        return {row["start"]: rows.window(row) for row in self._query(asked, rows.identity_values(identity))}

    def stand(self, identity: Identity, now: Standing) -> None:
        """Record where a pipeline stands when that is not the end of a claim."""
        noted = f"SELECT max(sequence) AS sequence FROM claim WHERE {_OF_IDENTITY} AND rules IS NOT NULL"
        with self._transaction() as connection:
            before = standing.record(connection, identity, now)
            (newest,) = connection.execute(noted, rows.identity_values(identity)).fetchone()
            if newest is not None:
                standing.note(connection, identity, newest, before)

    def target_is(self, identity: Identity, schema: TableSchema) -> None:
        """Record what the target table was seen to be."""
        with self._transaction() as connection:
            values = rows.identity_values(identity) | {"table_schema": rows.schema_text(schema)}
            connection.execute(f"UPDATE pipeline SET table_schema = :table_schema WHERE {_OF_IDENTITY}", values)

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
        counted = claim.counts.quarantined + claim.settled.quarantined
        if len(quarantined) != counted:
            raise RuntimeError(f"{len(quarantined)} rows for the quarantine, {counted} counted")
        values = rows.claim_values(claim)
        with self._transaction() as connection:
            follows = connection.execute(
                f"SELECT 1 FROM pipeline WHERE {_OF_IDENTITY} AND sequence = :sequence - 1 AND owner = :owner "
                "AND (:late IS NOT NULL OR cursor IS :after)",
                values,
            )
            if not follows.fetchall() or after.position.sequence != claim.sequence:
                raise RuntimeError(f"claim {claim.sequence} does not follow the position in state")
            standing.insert(connection, "claim", values)
            before = standing.record(connection, claim.identity, after)
            if claim.rules is not None:
                standing.note(connection, claim.identity, claim.sequence, before)
            quarantine.insert(connection, claim, quarantined)
            quarantine.free(connection, claim, freed)

    def take_back(self, claim: Claim) -> list[str]:
        """Forget a claim of a secure pipeline and all after it; return the names of their spool files.

        The pipeline stands where it stood before. Raises RuntimeError where one of them may have left the node.
        """
        values = rows.claim_values(claim)
        of_these = f"{_OF_IDENTITY} AND sequence >= :sequence"
        with self._transaction() as connection:
            found = connection.execute(f"SELECT file_name, may_be_out FROM claim WHERE {of_these}", values).fetchall()
            if any(row["may_be_out"] for row in found):
                raise RuntimeError(f"claim {claim.sequence}, or one after it, may be out")
            standing.put_back(connection, claim.identity, claim.sequence)
            quarantine.take_back(connection, claim)
            connection.execute(f"DELETE FROM claim WHERE {of_these}", values)
        return [row["file_name"] for row in found if row["file_name"] is not None]

    def quarantined(self, identity: Identity) -> int:
        """Return how many rows of a pipeline are in quarantine."""
        count = f"SELECT count(*) AS rows FROM quarantine WHERE {_OF_IDENTITY} AND freed_by IS NULL"
        return int(self._query(count, rows.identity_values(identity))[0]["rows"])

    def keys_apart(self, identity: Identity, incarnation: int) -> Sequence[int]:
        """Return the rowids of a pipeline's rows in quarantine that are of one life of the source."""
        asked = (
            f"SELECT key FROM quarantine WHERE {_OF_IDENTITY} AND incarnation = :incarnation AND freed_by IS NULL "
            "AND key IS NOT NULL"
        )
        return [row["key"] for row in self._query(asked, rows.identity_values(identity) | {"incarnation": incarnation})]

    def kept(self, identity: Identity | None, ids: Sequence[int] | None) -> Iterator[Kept]:
        """Yield rows in quarantine, those of one life of a source after another.

        They are those of a pipeline (None: of each) and with these numbers (None: all).
        """
        with _translated(self._path):
            yield from quarantine.kept(self._connection, identity, ids)

    def kept_ids(self) -> Sequence[int]:
        """Return the numbers of all rows in quarantine."""
        return [row["id"] for row in self._query("SELECT id FROM quarantine")]

    def discard(self, ids: Sequence[int]) -> None:
        """Delete rows from quarantine."""
        with self._transaction() as connection:
            quarantine.delete(connection, ids)

    def pending(self, identity: Identity) -> list[Claim]:
        """Return what is claimed and not committed, in order."""
        found = self._query(
            f"SELECT * FROM claim WHERE {_OF_IDENTITY} ORDER BY sequence", rows.identity_values(identity)
        )
        return [rows.claim(row) for row in found]

    def waiting_bytes(self, identity: Identity) -> int:
        """Return the bytes of a pipeline's spool files."""
        asked = f"SELECT coalesce(sum(file_size), 0) AS size FROM claim WHERE {_OF_IDENTITY}"
        return int(self._query(asked, rows.identity_values(identity))[0]["size"])

    def sending(self, claims: Sequence[Claim]) -> None:
        """Note that these claims may be out from now on."""
        with self._transaction() as connection:
            connection.executemany(
                f"UPDATE claim SET may_be_out = 1 WHERE {_OF_IDENTITY} AND sequence = :sequence",
                [rows.claim_values(claim) for claim in claims],
            )

    def commit(self, claims: Sequence[Claim]) -> None:
        """Record that these claims, in order, are loaded."""
        head = next((Head.after(claim) for claim in reversed(claims) if claim.file is not None), None)
        newest = max((c.newest for c in claims if c.newest is not None), default=None)
        values = rows.identity_values(claims[-1].identity) | {
            "sequence": claims[-1].sequence,
            "head_owner": head and head.owner,
            "head_sequence": head and head.sequence,
            "head_digest": head and head.digest_number,
            "rows": sum(c.rows_loaded for c in claims),
            "lost": sum(c.settled.lost for c in claims),
            "newest": newest and newest.isoformat(),
            "committed_at": claims[-1].claimed_at.isoformat(),
        }
        with self._transaction() as connection:
            for gone in ("claim WHERE sequence", "undo WHERE sequence", "quarantine WHERE freed_by"):
                connection.execute(f"DELETE FROM {gone} <= :sequence AND {_OF_IDENTITY}", values)
            (before,) = connection.execute(f"SELECT by_rule FROM pipeline WHERE {_OF_IDENTITY}", values).fetchone()
            by_rule = reduce(ByRule.plus, (claim.by_rule for claim in claims), rows.by_rule(before))
            values["by_rule"] = rows.by_rule_text(by_rule)
            connection.execute(
                "UPDATE pipeline SET head_owner = coalesce(:head_owner, head_owner), "
                "head_sequence = coalesce(:head_sequence, head_sequence), "
                "head_digest = coalesce(:head_digest, head_digest), "
                "rows_loaded = rows_loaded + :rows, rows_lost = rows_lost + :lost, "
                "by_rule = :by_rule, committed_at = :committed_at, "
                f"newest = max(coalesce(newest, :newest), coalesce(:newest, newest)) WHERE {_OF_IDENTITY}",
                values,
            )
        with _translated(self._path):
            last_upload.write(self._path.parent, self.summaries())

    def forget(self) -> list[str]:
        """Forget all positions and claims, not the node; return the names of their spool files.

        Rows after what the tables hold will be read again, so that they leave the quarantine too.
        """
        with self._transaction() as connection:
            names = [row["file_name"] for row in connection.execute(_SPOOL_FILES)]
            connection.execute("UPDATE quarantine SET freed_by = NULL")  # by claims that are forgotten
            connection.execute(
                "DELETE FROM quarantine WHERE sequence > coalesce((SELECT head_sequence FROM pipeline p WHERE "
                "p.node_id = quarantine.node_id AND p.source_table = quarantine.source_table "
                "AND p.target_table = quarantine.target_table), 0)"
            )
            for table in ("claim", "undo", "witness", "seen", "window", "pipeline"):
                connection.execute(f"DELETE FROM {table}")
        return names

    def digest_key(self) -> bytes:
        """Return the key of the digests of spool files."""
        return bytes(self._query("SELECT digests FROM secret")[0]["digests"])

    def spool_files(self) -> list[str]:
        """Return the names of all files that pending claims need."""
        return [row["file_name"] for row in self._query(_SPOOL_FILES)]

    def summaries(self) -> list[Summary]:
        """Return what state knows of each pipeline."""
        found = self._query("SELECT * FROM pipeline ORDER BY source_table, target_table")
        return [
            Summary(
                rows.identity(row),
                rows.position(row),
                row["rows_loaded"],
                row["newest"],
                row["committed_at"],
                tuple(self.pending(rows.identity(row))),
                self.quarantined(rows.identity(row)),
                rows.by_rule(row["by_rule"]),
                sum(window.waiting for window in self.windows(rows.identity(row)).values()),
                row["rows_lost"],
            )
            for row in found
        ]


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        what = f"{path}: {error}"
        if error.sqlite_errorcode in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
            raise StateError(f"{path} is damaged", hint=_RESET) from error
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY:
            raise PermanentError(what, hint="let this user write the state directory") from error
        raise TransientError(what, hint="check the disk of the state directory; it is tried again") from error
    except OSError as error:
        raise PermanentError(f"{path}: {error.strerror}", hint="let this user write the state directory") from error
