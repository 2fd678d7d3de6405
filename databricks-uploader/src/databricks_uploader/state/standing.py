"""Where a pipeline stands, written so that what it was before can be put back."""

import json
from collections.abc import Iterable, Mapping
from sqlite3 import Connection
from typing import Any

from databricks_uploader.model.claim import Identity
from databricks_uploader.model.position import Standing
from databricks_uploader.state import rows

OF_IDENTITY = "node_id = :node_id AND source_table = :source_table AND target_table = :target_table"
_PAIRS = {"witness": ("key", "fingerprint"), "seen": ("fingerprint", "time"), "window": ("start", "told")}

Before = Mapping[str, Any]
"""What was other: the pipeline's columns, and of each table the pairs that were there, and the new keys."""


def record(connection: Connection, identity: Identity, standing: Standing) -> Before:
    """Write where a pipeline stands; return what that changed."""
    of_identity = rows.identity_values(identity)
    values = rows.position_values(standing.position) | {"dense_from": standing.witnesses.dense_from}
    names = [name for name in values if not name.startswith("head_")]  # flush moves the head
    found = connection.execute(f"SELECT {', '.join(names)} FROM pipeline WHERE {OF_IDENTITY}", of_identity).fetchone()
    if found is None:
        insert(connection, "pipeline", of_identity | values)
    else:
        _update(connection, of_identity, {name: values[name] for name in names})
    witnesses = {w.key: w.fingerprint for w in standing.witnesses.rows}
    windows = standing.windows
    return {
        "pipeline": {} if found is None else {n: found[n] for n in names if found[n] != values[n]},
        "witness": _replace(connection, "witness", of_identity, witnesses),
        "seen": _replace(connection, "seen", of_identity, standing.seen),
        "window": ({}, [])
        if windows is None
        else _replace(connection, "window", of_identity, {s: rows.window_text(w) for s, w in windows.items()}),
    }


def note(connection: Connection, identity: Identity, sequence: int, before: Before) -> None:
    """Keep in mind what a claim, or what came after it, has changed."""
    insert(connection, "undo", rows.identity_values(identity) | {"sequence": sequence, "before": json.dumps(before)})


def put_back(connection: Connection, identity: Identity, sequence: int) -> None:
    """Stand where the pipeline stood before the claim of that sequence."""
    of_identity = rows.identity_values(identity) | {"sequence": sequence}
    of_these = f"{OF_IDENTITY} AND sequence >= :sequence"
    noted = connection.execute(f"SELECT before FROM undo WHERE {of_these} ORDER BY id DESC", of_identity).fetchall()
    for (text,) in noted:
        before = json.loads(text)
        if before["pipeline"]:
            _update(connection, of_identity, before["pipeline"])
        for table, (name, value) in _PAIRS.items():
            was, come = before[table]
            _delete(connection, table, of_identity, come)
            connection.executemany(
                insertion(table, [*rows.identity_values(identity), name, value]),
                [{**of_identity, name: int(key), value: number} for key, number in was.items()],
            )
    connection.execute(f"DELETE FROM undo WHERE {of_these}", of_identity)


def insert(connection: Connection, table: str, values: Mapping[str, Any]) -> None:
    """Insert one row."""
    connection.execute(insertion(table, values), values)


def insertion(table: str, names: Iterable[str]) -> str:
    """Return the statement that inserts a row of these columns."""
    columns = tuple(names)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"


def _update(connection: Connection, of_identity: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    assigned = ", ".join(f"{name} = :new_{name}" for name in values)  # an identity's columns have names of their own
    new = {f"new_{name}": value for name, value in values.items()}
    connection.execute(f"UPDATE pipeline SET {assigned} WHERE {OF_IDENTITY}", {**of_identity, **new})


def _replace(
    connection: Connection, table: str, of_identity: Mapping[str, Any], pairs: Mapping[int, Any]
) -> tuple[Mapping[int, Any], list[int]]:
    """Make the table's pairs of an identity these ones, writing only what differs; return that as `Before` has it."""
    name, value = _PAIRS[table]
    before = dict(connection.execute(f"SELECT {name}, {value} FROM {table} WHERE {OF_IDENTITY}", of_identity))
    gone = {key: number for key, number in before.items() if pairs.get(key) != number}
    _delete(connection, table, of_identity, gone)
    come = [{**of_identity, name: key, value: number} for key, number in pairs.items() if before.get(key) != number]
    if come:
        connection.executemany(insertion(table, come[0]), come)
    return gone, [pair[name] for pair in come]


def _delete(connection: Connection, table: str, of_identity: Mapping[str, Any], keys: Iterable[int]) -> None:
    name, _ = _PAIRS[table]
    statement = f"DELETE FROM {table} WHERE {OF_IDENTITY} AND {name} = :{name}"
    connection.executemany(statement, [{**of_identity, name: key} for key in keys])
