"""The tables of a database: which one is meant, and what its columns and keys are."""

from collections.abc import Sequence
from pathlib import Path

from databricks_uploader.errors import ConfigError
from databricks_uploader.model.counted import counted
from databricks_uploader.model.source import SourceColumn, SourceTable, choose_table, timestamp_candidates
from databricks_uploader.source.connection import Connection, quoted, text

_ROWID_NAMES = ("rowid", "oid", "_rowid_")


def found(connection: Connection, configured: str | None, path: Path) -> SourceTable:
    """Find the configured table, or else the only one. Raises ConfigError where there is none, or several."""
    kinds = _tables(connection)
    tables = [name for name, kind in kinds.items() if kind != "view" or configured is not None]
    name = choose_table(configured, tables, str(path))
    if name is None:
        raise _several(connection, tables, path)
    return _described(connection, name, kinds[name])


def _tables(connection: Connection) -> dict[str, str]:
    """Return the user's own tables and views and what kind each is; not what extensions keep beside theirs."""
    listed = connection.rows(
        "SELECT name, CASE WHEN type = 'view' THEN type WHEN wr THEN 'without rowid' ELSE 'rowid' END "
        "FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view') "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    return dict(listed)


def _described(connection: Connection, name: str, kind: str) -> SourceTable:
    listed = connection.rows(
        f"SELECT name, type, pk FROM pragma_table_xinfo({text(name)}) WHERE hidden <> 1 ORDER BY cid"
    )
    ((version,),) = connection.rows("SELECT schema_version FROM pragma_schema_version")
    columns = tuple(SourceColumn(column, declared) for column, declared, _ in listed)
    if kind != "rowid":
        key = [(number, column) for column, _, number in listed if number]
        return SourceTable(name, columns, None, tuple(c for _, c in sorted(key)), schema_version=version)
    (autoincrement,) = connection.rows(
        f"SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = {text(name)} "
        "AND upper(sql) LIKE '%AUTOINCREMENT%' AND EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence')"
    )[0]
    return SourceTable(
        name,
        columns,
        _rowid(connection, name, columns),
        autoincrement=bool(autoincrement),
        schema_version=version,
    )


def _rowid(connection: Connection, name: str, columns: Sequence[SourceColumn]) -> str:
    """Return the name that reaches the rowid: its alias, an INTEGER PRIMARY KEY, or one that no column has.

    An INTEGER PRIMARY KEY that has an index is no alias; one declared DESC is such
    (https://sqlite.org/lang_createtable.html#rowid).
    """
    keys = connection.rows(
        f"SELECT name FROM pragma_table_xinfo({text(name)}) WHERE pk AND upper(type) = 'INTEGER' AND "
        f"(SELECT max(pk) FROM pragma_table_xinfo({text(name)})) = 1 AND "
        f"NOT EXISTS (SELECT 1 FROM pragma_index_list({text(name)}) WHERE origin = 'pk')"
    )
    if keys:
        return str(keys[0][0])
    taken = {column.name.lower() for column in columns}
    free = next((alias for alias in _ROWID_NAMES if alias not in taken), None)
    if free is None:
        raise ConfigError(
            f"the columns of {name!r} hide its rowid",
            hint=f"rename one of {', '.join(_ROWID_NAMES)} in the source",
        )
    return free


def _several(connection: Connection, tables: Sequence[str], path: Path) -> ConfigError:
    lines = []
    for name in tables:
        rows = connection.rows(f"SELECT count(*) FROM {quoted(name)}")[0][0]
        times = timestamp_candidates(_described(connection, name, "without rowid"))
        lines.append(f"  {name}: {counted(rows, 'row')}, {'time in ' + times[0] if times else 'no time column'}")
    return ConfigError(
        f"{len(tables)} tables in {path}:\n" + "\n".join(lines),
        hint="name one with --sqlite-table (sqlite_table_name in YAML)",
    )
