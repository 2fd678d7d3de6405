"""The SQL that is sent, as text: https://docs.databricks.com/sql/language-manual."""

from collections.abc import Sequence

from databricks_uploader.model.claim import SEQUENCE_BITS
from databricks_uploader.model.table import LINEAGE, ROW, Column, TableSchema
from databricks_uploader.model.workspace import quoted

BATCH, NODE = "_batch_id", "_node_id"
_WITH_STATISTICS = 32
"""Delta keeps smallest and largest values of so many columns, by which a statement skips files."""
_COMMENTS = {
    "_node_id": "the node that the row comes from",
    "_incarnation": "one life of the source table, a random number",
    "_batch_id": "the claim: rows of one claim were loaded together",
    "_row": "the row's rowid in the source; where there is none, its number in the claim",
    "_loaded_at": "when the row was claimed",
}


def text(value: str) -> str:
    """Write a string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def copy_into(target: str, folder: str, names: Sequence[str], columns: Sequence[Column]) -> str:
    """Load files that were not loaded yet, with the table's exact types; without columns, all that they have.

    Files with other columns than the first one lose them without mergeSchema; a missing file would be passed over.
    """
    chosen = ", ".join(f"CAST({quoted(c.name)} AS {c.sql_type}) AS {quoted(c.name)}" for c in columns)
    source = f"(SELECT {chosen} FROM {text(folder)})" if columns else text(folder)
    return (
        f"COPY INTO {target} FROM {source} FILEFORMAT = PARQUET FILES = ({', '.join(map(text, names))}) "
        "FORMAT_OPTIONS ('mergeSchema' = 'true', 'ignoreMissingFiles' = 'false', 'ignoreCorruptFiles' = 'false')"
    )


def merge(target: str, rows: str, condition: str, columns: Sequence[Column]) -> str:
    """Insert those of the rows `s` that the table `t` has not by `condition`; it changes no row."""
    names = [quoted(c.name) for c in columns]
    return (
        f"MERGE INTO {target} AS t USING ({rows}) AS s ON {condition} "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({', '.join(f's.{name}' for name in names)})"
    )


def count_equal(target: str, rows: str, condition: str) -> str:
    """Count those of the rows `s` that the table `t` has."""
    return f"SELECT count(*) AS n FROM ({rows}) AS s LEFT SEMI JOIN {target} AS t ON {condition}"


def same_row(batch: int) -> str:
    """Say that a row of `t` is the one of `s`, which are all of one claim; the number lets files be skipped."""
    return f"t.{quoted(BATCH)} = {batch} AND t.{quoted(ROW.name)} = s.{quoted(ROW.name)}"


def equal_row(columns: Sequence[Column], within: str) -> str:
    """Say that a row of `t` has all values of one of `s`, and is `within` the keys of these."""
    return " AND ".join([within, *(f"t.{quoted(c.name)} <=> s.{quoted(c.name)}" for c in columns)])


def counted_claims(target: str, batches: Sequence[int]) -> str:
    """Count the rows of claims, and ask for the times in µs since 1970 at which they say they were claimed."""
    listed = ", ".join(map(str, batches))
    name = quoted(BATCH)
    return (
        f"SELECT {name} AS batch, count(*) AS n, unix_micros(min(`_loaded_at`)) AS first, "
        f"unix_micros(max(`_loaded_at`)) AS last FROM {target} WHERE {name} IN ({listed}) GROUP BY {name}"
    )


def newest_of_owner(target: str, owner: int) -> str:
    """Ask for the newest claim of an owner."""
    first, after = owner << SEQUENCE_BITS, (owner + 1) << SEQUENCE_BITS
    name = quoted(BATCH)
    return f"SELECT max({name}) AS batch FROM {target} WHERE {name} >= {first} AND {name} < {after}"


def newest_of_node(target: str, node_id: str) -> str:
    """Ask for the claim of a node that was made last; NULL where there is none."""
    mine = f"FROM {target} WHERE {quoted(NODE)} = {text(node_id)}"
    return (
        f"SELECT max({quoted(BATCH)}) AS batch {mine} "
        f"AND `_loaded_at` = (SELECT max(`_loaded_at`) {mine} AND {quoted(BATCH)} IS NOT NULL)"
    )


def last_row(target: str, batch: int, timestamp_column: str | None) -> str:
    """Ask for the row with the largest rowid in the incarnation of a claim, its time in µs since 1970.

    All are NULL where there is no row.
    """
    time = "NULL" if timestamp_column is None else f"max_by(unix_micros({quoted(timestamp_column)}), `_row`)"
    return (
        f"SELECT max(`_row`) AS row_key, max(`_incarnation`) AS incarnation, {time} AS micros FROM {target} "
        f"WHERE `_incarnation` = (SELECT max(`_incarnation`) FROM {target} WHERE `_batch_id` = {batch})"
    )


def columns_of(catalog: str | None, schema: str, table: str) -> str:
    """Ask for a table's columns, in order; names are in small letters there."""
    view = f"{quoted(catalog)}.information_schema.columns" if catalog else "information_schema.columns"
    return (
        f"SELECT column_name, full_data_type, is_nullable FROM {view} WHERE table_schema = {text(schema.lower())} "
        f"AND table_name = {text(table.lower())} ORDER BY ordinal_position"
    )


def create_table(target: str, schema: TableSchema, time: str | None) -> str:
    """Make a table: our types and comments, clustered by the rows' time, statistics on what we look for."""
    columns = ", ".join(_defined(column) for column in _arranged(schema, time))
    clustered = f" CLUSTER BY ({quoted(time)})" if time is not None and schema.get(time) is not None else ""
    return f"CREATE TABLE {target} ({columns}) USING DELTA COMMENT 'rows of databricks-uploader'{clustered}"


def add_columns(target: str, columns: Sequence[Column]) -> str:
    """Give a table more columns."""
    return f"ALTER TABLE {target} ADD COLUMNS ({', '.join(_defined(column) for column in columns)})"


def add_lineage(target: str) -> str:
    """Give a table the columns that rows are told by."""
    return f"ALTER TABLE {target} ADD COLUMNS ({', '.join(_defined(column) for column in LINEAGE.columns)})"


def _defined(column: Column) -> str:
    comment = _COMMENTS.get(column.name)
    return column.sql + (f" COMMENT {text(comment)}" if comment else "")


def _arranged(schema: TableSchema, time: str | None) -> Sequence[Column]:
    """Return the columns in order, the lineage columns and the time among the first that have statistics."""
    own = [c for c in schema.columns if LINEAGE.get(c.name) is None]
    lineage = [c for c in schema.columns if LINEAGE.get(c.name) is not None]
    room = _WITH_STATISTICS - len(lineage)
    clustering = schema.get(time) if time is not None else None
    if clustering is not None and clustering in own[room:]:
        own.remove(clustering)
        own.insert(0, clustering)
    return [*own[:room], *lineage, *own[room:]]
