"""Whether the source table is the one that a pipeline stands in, and where to go on if it is not."""

import secrets
from collections.abc import Mapping
from dataclasses import replace

from databricks_uploader.errors import StateError
from databricks_uploader.events import Changed, Restarted, Tell
from databricks_uploader.model.gaps import LOWEST, Gaps
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.source import SourceTable, witness_columns
from databricks_uploader.model.witness import (
    Ids,
    Recreated,
    Same,
    Values,
    Witness,
    fingerprint,
    renumbered,
    same_database,
)
from databricks_uploader.ports import Look, Source

VACUUMED_ROWS = 100_000
"""So many of the newest rows are searched for the witnesses after VACUUM may have changed their rowids."""


def told_by(table: SourceTable, standing: Standing) -> Standing:
    """Choose the columns that tell rows where there is no witness yet; StateError where one is gone."""
    position = standing.position
    gone = [name for name in position.witness_columns if table.get(name) is None]
    if gone and standing.witnesses.rows:
        raise StateError(
            f"column {gone[0]!r} of {table.name!r}, by which its rows were recognised, is gone",
            hint="if it is still the same database, run `databricks-uploader state adopt --after last` to go on",
        )
    if position.witness_columns and not gone:
        return standing
    chosen = replace(position, witness_columns=witness_columns(table, None), timed=False)
    return replace(standing, position=chosen)


def newest_is_there(standing: Standing, look: Look) -> bool:
    """Tell whether the newest witness is the row that it was."""
    found = _fingerprints(standing.position, look.found)
    return all(found.get(w.key) == w.fingerprint for w in standing.witnesses.rows[-1:])


def recognised(table: SourceTable, standing: Standing, look: Look, source: Source, tell: Tell) -> Standing:
    """Return where to go on: at `standing` itself where the table is the one that led there.

    Raises StateError where that can't be told.
    """
    position, witnesses = standing.position, standing.witnesses
    found = _fingerprints(position, look.found)
    _not_a_former_one(table, position, found)
    vacuumed = table.renumbered_by_vacuum and look.schema_version > (position.schema_version or look.schema_version)
    if vacuumed and any(found.get(w.key) != w.fingerprint for w in witnesses.rows):
        return _renumbered(table, standing, look, source, tell)
    if position.cursor is None:
        return standing
    ids = Ids(position.cursor, look.oldest, look.counter, position.counter)
    verdict = same_database(witnesses, found, ids, timed=position.timed)
    if not isinstance(verdict, Same):
        moved = position.restarted(witnesses, verdict, secrets.randbits(63))
        tell(Restarted(table.name, moved.position.cursor))
        return moved
    if verdict.changed:
        tell(Changed(table.name, verdict.changed))
        now = tuple(Witness(w.key, found.get(w.key, w.fingerprint)) for w in witnesses.rows)
        return replace(standing, witnesses=replace(witnesses, rows=now))
    return standing


def _not_a_former_one(table: SourceTable, position: Position, found: Mapping[int, int]) -> None:
    """Raise StateError where a database comes back whose rows were loaded before another took its place."""
    for witness in reversed(position.former):
        if found.get(witness.key) == witness.fingerprint:
            raise StateError(
                f"a former database of {table.name!r} is back, whose rows up to {witness.key} were loaded",
                hint=f"to go on with it, run `databricks-uploader state adopt --after {witness.key}`; rows that were "
                "inserted below that one since then are not seen",
            )


def _renumbered(table: SourceTable, standing: Standing, look: Look, source: Source, tell: Tell) -> Standing:
    """Find the witnesses again by their values alone, in order; or none of them, and all rows are new."""
    position, witnesses = standing.position, standing.witnesses
    values = source.newest_first(table, position.witness_columns, VACUUMED_ROWS)
    rows = [Witness(k, fingerprint(position.secret, v)) for k, v in values]
    moved = renumbered(witnesses, rows)
    if moved is not None:
        cursor = moved.rows[-1].key
        return Standing(replace(position, cursor=cursor, gaps=Gaps(), schema_version=look.schema_version), moved)
    newest = witnesses.rows[-1]
    if [row.key for row in rows if row.fingerprint == newest.fingerprint] == [newest.key]:
        # It is where it was, so no rowid changed: look again at what did.
        return replace(standing, position=replace(position, schema_version=look.schema_version))
    all_known = position.timed and witnesses.dense_from == LOWEST and len(rows) < VACUUMED_ROWS
    if all_known and not {w.fingerprint for w in rows} & {w.fingerprint for w in witnesses.rows}:
        tell(Restarted(table.name, None))
        return position.restarted(witnesses, Recreated(), secrets.randbits(63))
    raise StateError(
        f"rowids of {table.name!r} changed (was VACUUM run?), and the rows that were loaded can't be told by their "
        "values",
        hint="give the table an INTEGER PRIMARY KEY; to go on, run `databricks-uploader state adopt --after ROWID` "
        "with the rowid of the newest row that was loaded",
    )


def _fingerprints(position: Position, rows: Mapping[int, Values]) -> Mapping[int, int]:
    return {key: fingerprint(position.secret, values) for key, values in rows.items()}
