"""A table of a workspace: what both ways of loading ask of it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from databricks_uploader.destinations.databricks import statements
from databricks_uploader.destinations.databricks.errors import TableMissingError
from databricks_uploader.errors import ConfigError, TransientError
from databricks_uploader.model.claim import Head, Identity, batch_id
from databricks_uploader.model.table import LINEAGE, Column, TableSchema, TargetTable
from databricks_uploader.model.workspace import Workspace, quoted
from databricks_uploader.ports import LastRow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DELTA_NAMES = {"bigint": "long", "int": "integer", "smallint": "short", "tinyint": "byte"}
_HIVE = "hive_metastore"


class Statements(Protocol):
    """Something that runs statements, each of which may be sent again."""

    def execute(self, statement: str) -> None:
        """Run a statement to its end."""
        ...

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Return the rows of a query by the names of their columns."""
        ...

    def close(self) -> None:
        """Close the connection; the next statement opens it again."""
        ...


class WorkspaceTable:
    """The table of `identity`. `connect` is called by the first statement, so that staging loads no connector."""

    def __init__(
        self, connect: Callable[[], Statements], workspace: Workspace, identity: Identity, *, create_tables: bool
    ) -> None:
        self._identity, self._schema, self._create_tables = identity, workspace.schema, create_tables
        self._name = f"{workspace.schema}.{quoted(identity.target_table)}"
        self._connect = connect
        self._session: Statements | None = None
        self._seen: TargetTable | None = None

    def table(self) -> TargetTable | None:
        """Look at the table as it is now; None where there is none."""
        try:
            detail = self._one(f"DESCRIBE DETAIL {self._name}")
        except TableMissingError:
            self._seen = None
        else:
            self._seen = TargetTable(str(detail["id"]), TableSchema.of(self._columns()))
        return self._seen

    def create(self, schema: TableSchema, time: str | None = None) -> None:
        """Create the table.

        Raises TransientError where somebody has just done so, ConfigError with the statement where its owner has to.
        """
        statement = statements.create_table(self._name, schema, time)
        if not self._create_tables:
            raise ConfigError(
                f"the table {self._name} is not there",
                hint=f"let its owner run this, or set create_tables: true:\n{statement}",
            )
        self._statements().execute(statement)

    def add_columns(self, columns: Sequence[Column]) -> None:
        """Add columns to the table."""
        self._statements().execute(statements.add_columns(self._name, columns))

    def last_row(self, head: Head, timestamp_column: str | None) -> LastRow | None:
        """Return the row with the largest `_row` of the head's incarnation; None without lineage columns."""
        if not self._has_lineage():
            return None
        batch = batch_id(head.owner, head.sequence)
        row = self._one(statements.last_row(self._name, batch, timestamp_column))
        if row["row_key"] is None:
            return None
        time = None if row["micros"] is None else EPOCH + timedelta(microseconds=row["micros"])
        return LastRow(row["row_key"], row["incarnation"], time)

    def close(self) -> None:
        """Close the connection; the next statement opens it again."""
        if self._session is not None:
            self._session.close()

    def _statements(self) -> Statements:
        if self._session is None:
            self._session = self._connect()
        return self._session

    def _one(self, statement: str) -> dict[str, Any]:
        """Return the row of a query that has one for certain."""
        found = self._statements().query(statement)
        if not found:
            raise TransientError(f"an answer about {self._name} came without its row", hint="it is asked again")
        return found[0]

    def _has_lineage(self) -> bool:
        seen = self._seen or self.table()
        return seen is not None and all(seen.schema.get(c.name) is not None for c in LINEAGE.columns)

    def _columns(self) -> list[Column]:
        if self._schema.catalog != _HIVE:
            asked = statements.columns_of(self._schema.catalog, self._schema.name, self._identity.target_table)
            try:
                found = self._statements().query(asked)
            except ConfigError:  # no catalog of Unity Catalog: there is no such view
                found = []
            if found:
                return [_column(r["column_name"], r["full_data_type"], r["is_nullable"] == "YES") for r in found]
        described = self._statements().query(f"DESCRIBE TABLE {self._name}")
        names = [row["col_name"] for row in described]
        if not names:
            raise TransientError(f"an answer about {self._name} came without its columns", hint="it is asked again")
        end = next((at for at, name in enumerate(names) if not name or name.startswith("#")), len(names))
        return [_column(row["col_name"], row["data_type"], nullable=True) for row in described[:end]]


def _column(name: str, written: str, nullable: bool) -> Column:  # noqa: FBT001  (a row of a view)
    return Column(name, _DELTA_NAMES.get(written.lower(), written.lower()), nullable)
