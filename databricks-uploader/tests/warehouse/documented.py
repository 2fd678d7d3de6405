"""The matrix of statements: what Databricks documents of each, and what it then answers."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

MANUAL = "docs.databricks.com/sql/language-manual/"


@dataclass(frozen=True)
class Documented:
    """`before` prepares, `sql` is what is documented, `rows` its answer; then `shows` reads `then`."""

    what: str
    where: str
    sql: str
    rows: list[tuple[Any, ...]]
    before: tuple[str, ...] = ()
    parameters: Any = None
    shows: str = ""
    then: list[tuple[Any, ...]] | None = None

    def __str__(self) -> str:
        return self.what


T = "CREATE OR REPLACE TABLE t (id BIGINT, name STRING)"
TWO = "INSERT INTO t VALUES (1, 'a'), (2, 'b')"
ALL = "SELECT * FROM t ORDER BY id"
AT_TEN = datetime(2026, 1, 2, 10, 0, tzinfo=UTC)

MATRIX = [
    Documented("SELECT computes", MANUAL + "sql-ref-syntax-qry-select", "SELECT 1 + 1 AS two", [(2,)]),
    Documented(
        "a TIMESTAMP literal is an instant in the session's zone, UTC by default",
        MANUAL + "parameters/timezone",
        "SELECT TIMESTAMP'2026-01-02 10:00:00' AS t",
        [(AT_TEN,)],
    ),
    Documented(
        "named parameters carry their types",
        MANUAL + "sql-ref-parameter-marker#named",
        "SELECT :i + 1 AS i, :s AS s, :d AS d, :t AS t, :f AS f, :b AS b, :dec AS n, :none AS z",
        [(42, "it's :s ?", date(2026, 1, 2), AT_TEN, 1.5, True, Decimal("1.20"), None)],
        parameters={
            "i": 41,
            "s": "it's :s ?",
            "d": date(2026, 1, 2),
            "t": datetime(2026, 1, 2, 10, 0),  # noqa: DTZ001 - the connector sends it without a zone
            "f": 1.5,
            "b": True,
            "dec": Decimal("1.20"),
            "none": None,
        },
    ),
    Documented(
        "unnamed parameters go by their order; a mark in a literal or a comment is none",
        MANUAL + "sql-ref-parameter-marker#unnamed",
        "SELECT ? AS a, '?' AS b, /* ? */ ? AS c",
        [(1, "?", "x")],
        parameters=[1, "x"],
    ),
    Documented(
        "parameters go into INSERT too",
        MANUAL + "sql-ref-parameter-marker",
        "INSERT INTO t VALUES (:id, :name)",
        [(1, 1)],
        before=(T,),
        parameters={"id": 7, "name": "o'brien"},
        shows=ALL,
        then=[(7, "o'brien")],
    ),
    Documented("INSERT answers how many", MANUAL + "sql-ref-syntax-dml-insert-into", TWO, [(2, 2)], before=(T,)),
    Documented(
        "columns that INSERT doesn't list are NULL",
        MANUAL + "sql-ref-syntax-dml-insert-into#parameters",
        "INSERT INTO t (name) VALUES ('x')",
        [(1, 1)],
        before=(T,),
        shows=ALL,
        then=[(None, "x")],
    ),
    Documented(
        "INSERT OVERWRITE replaces",
        MANUAL + "sql-ref-syntax-dml-insert-into",
        "INSERT OVERWRITE t VALUES (9, 'z')",
        [(1, 1)],
        before=(T, TWO),
        shows=ALL,
        then=[(9, "z")],
    ),
    Documented(
        "UPDATE answers the rows it changed",
        MANUAL + "delta-update",
        "UPDATE t SET name = 'c' WHERE id = 2",
        [(1,)],
        before=(T, TWO),
        shows=ALL,
        then=[(1, "a"), (2, "c")],
    ),
    Documented(
        "DELETE answers the rows it removed",
        MANUAL + "delta-delete-from",
        "DELETE FROM t WHERE id = 1",
        [(1,)],
        before=(T, TWO),
        shows=ALL,
        then=[(2, "b")],
    ),
    Documented(
        "DELETE of nothing answers 0, also after another statement's commit",
        MANUAL + "delta-delete-from",
        "DELETE FROM t WHERE id = 77",
        [(0,)],
        before=(T, TWO, "DELETE FROM t WHERE id = 1"),
    ),
    Documented(
        "MERGE updates what matches and inserts what doesn't: affected, updated, deleted, inserted",
        MANUAL + "delta-merge-into",
        "MERGE INTO t USING (SELECT 2 AS id, 'B' AS name UNION ALL SELECT 3, 'C') s ON t.id = s.id"
        " WHEN MATCHED THEN UPDATE SET t.name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)",
        [(2, 1, 0, 1)],
        before=(T, TWO),
        shows=ALL,
        then=[(1, "a"), (2, "B"), (3, "C")],
    ),
    Documented(
        "an insert-only MERGE on null-safe equality inserts a row once, NULLs included",
        MANUAL + "delta-merge-into#when-not-matched-by-target",
        "MERGE INTO t USING (SELECT 1 AS id, 'a' AS name UNION ALL SELECT 5, CAST(NULL AS STRING)) s"
        " ON t.id <=> s.id AND t.name <=> s.name AND t.id BETWEEN 1 AND 5 WHEN NOT MATCHED THEN INSERT *",
        [(0, 0, 0, 0)],
        before=(T, TWO, "INSERT INTO t VALUES (5, NULL)"),
        shows=ALL,
        then=[(1, "a"), (2, "b"), (5, None)],
    ),
    Documented(
        "MERGE WITH SCHEMA EVOLUTION adds columns",
        MANUAL + "delta-merge-into#with-schema-evolution",
        "MERGE WITH SCHEMA EVOLUTION INTO t USING (SELECT 3 AS id, 'c' AS name, true AS good) s ON t.id = s.id"
        " WHEN NOT MATCHED THEN INSERT *",
        [(1, 0, 0, 1)],
        before=(T,),
        shows="SELECT id, good FROM t",
        then=[(3, True)],
    ),
    Documented(
        "a Parquet file of a volume can be queried",
        "docs.databricks.com/query/formats/parquet",
        "SELECT id FROM parquet.`/Volumes/main/edge/files/matrix/two.parquet` ORDER BY id",
        [(1,), (2,)],
    ),
    Documented(
        "MERGE reads a Parquet file of a volume",
        "docs.databricks.com/query/formats/parquet",
        "MERGE INTO t USING parquet.`/Volumes/main/edge/files/matrix/two.parquet` s ON t.id = s.id"
        " WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)",
        [(1, 0, 0, 1)],
        before=(T, "INSERT INTO t VALUES (1, 'a')"),
        shows=ALL,
        then=[(1, "a"), (2, None)],
    ),
    Documented(
        "CREATE TABLE IF NOT EXISTS leaves a table that is there",
        MANUAL + "sql-ref-syntax-ddl-create-table-using",
        "CREATE TABLE IF NOT EXISTS t (other INT)",
        [],
        before=(T, TWO),
        shows=ALL,
        then=[(1, "a"), (2, "b")],
    ),
    Documented(
        "CREATE TABLE AS SELECT takes the query's columns",
        MANUAL + "sql-ref-syntax-ddl-create-table-using",
        "CREATE OR REPLACE TABLE u AS SELECT * FROM t WHERE 1 = 0",
        [],
        before=(T, TWO),
        shows="DESCRIBE TABLE u",
        then=[("id", "bigint", None), ("name", "string", None)],
    ),
    Documented(
        "CLUSTER BY is taken and shown",
        "docs.databricks.com/delta/clustering",
        "CREATE OR REPLACE TABLE u (id BIGINT, at TIMESTAMP) USING DELTA CLUSTER BY (at) COMMENT 'readings'",
        [],
        shows="DESCRIBE TABLE u",
        then=[
            ("id", "bigint", None),
            ("at", "timestamp", None),
            ("# Clustering Information", "", ""),
            ("# col_name", "data_type", "comment"),
            ("at", "timestamp", None),
        ],
    ),
    Documented(
        "a PRIMARY KEY is informational: it enforces nothing but NOT NULL",
        "docs.databricks.com/tables/constraints",
        "INSERT INTO u VALUES (1, 'again')",
        [(1, 1)],
        before=(
            "CREATE OR REPLACE TABLE u (id BIGINT, location STRING,\n PRIMARY KEY (id) -- optional\n);",
            "INSERT INTO u VALUES (1, 'once')",
        ),
        shows="SELECT count(*) FROM u",
        then=[(2,)],
    ),
    Documented(
        "ALTER TABLE ADD COLUMNS adds nullable ones at the end, with comments",
        MANUAL + "sql-ref-syntax-ddl-alter-table#add-column",
        "ALTER TABLE t ADD COLUMNS (quality INT COMMENT 'of the reading', note STRING)",
        [],
        before=(T, TWO),
        shows="SELECT id, quality, note FROM t ORDER BY id",
        then=[(1, None, None), (2, None, None)],
    ),
    Documented(
        "TIMESTAMP_NTZ, DECIMAL, BINARY, DATE, BOOLEAN and nested types keep their values",
        MANUAL + "sql-ref-datatypes",
        "INSERT INTO u VALUES (TIMESTAMP_NTZ'2026-01-02 10:00:00', CAST(1.2 AS DECIMAL(18,4)), X'00FF',"
        " DATE'2026-01-02', true, array(1, 2), named_struct('a', 1))",
        [(1, 1)],
        before=(
            "CREATE OR REPLACE TABLE u (w TIMESTAMP_NTZ, n DECIMAL(18,4), b BINARY, d DATE, o BOOLEAN, a ARRAY<INT>,"
            " s STRUCT<a: INT>)",
        ),
        shows="SELECT w, n, b, d, o, a[1], s.a FROM u",
        then=[(datetime(2026, 1, 2, 10, 0), Decimal("1.2000"), b"\x00\xff", date(2026, 1, 2), True, 2, 1)],  # noqa: DTZ001
    ),
    Documented(
        "INFORMATION_SCHEMA.COLUMNS lists columns in their order",
        MANUAL + "information-schema/columns",
        "SELECT column_name, full_data_type, data_type, is_nullable FROM main.information_schema.columns"
        " WHERE table_schema = 'edge' AND table_name = 't' ORDER BY ordinal_position",
        [("id", "bigint", "LONG", "YES"), ("name", "string", "STRING", "YES")],
        before=(T,),
    ),
    Documented("names have three levels", MANUAL + "sql-ref-names", "SELECT count(*) FROM main.edge.t", [(0,)], (T,)),
    Documented(
        "names and catalogs are without case",
        MANUAL + "sql-ref-identifiers#case-sensitivity",
        "INSERT INTO MAIN.Edge.T VALUES (1, 'a')",
        [(1, 1)],
        before=(T,),
        shows="SELECT Id FROM Edge.T",
        then=[(1,)],
    ),
    Documented(
        "hive_metastore is another catalog, with its own schema `default`",
        "docs.databricks.com/data-governance/unity-catalog/hive-metastore",
        "INSERT INTO hive_metastore.default.t VALUES (1)",
        [(1, 1)],
        before=("CREATE OR REPLACE TABLE hive_metastore.default.t (id INT)",),
    ),
    Documented(
        "earlier versions can be read",
        "docs.databricks.com/delta/history#query",
        "SELECT count(*) FROM t VERSION AS OF 1",
        [(2,)],
        before=("DROP TABLE IF EXISTS t", "CREATE TABLE t (id BIGINT, name STRING)", TWO, "DELETE FROM t WHERE id = 1"),
    ),
    Documented(
        "SHOW TABLES lists a schema's that fit",
        MANUAL + "sql-ref-syntax-aux-show-tables",
        "SHOW TABLES IN MAIN.shown LIKE 'o*|two'",
        [("shown", "one", False)],
        before=(
            "CREATE SCHEMA IF NOT EXISTS main.shown",
            "CREATE OR REPLACE TABLE main.shown.one (id INT)",
            "CREATE OR REPLACE TABLE main.shown.another (id INT)",
        ),
    ),
    Documented(
        "SHOW SCHEMAS lists a catalog's",
        MANUAL + "sql-ref-syntax-aux-show-schemas",
        "SHOW SCHEMAS IN hive_metastore",
        [("default",)],
    ),
    Documented(
        "SHOW CATALOGS lists the catalogs",
        MANUAL + "sql-ref-syntax-aux-show-catalogs",
        "SHOW CATALOGS",
        [("main",), ("hive_metastore",)],
    ),
    Documented(
        "SHOW COLUMNS lists a table's",
        MANUAL + "sql-ref-syntax-aux-show-columns",
        "SHOW COLUMNS IN t",
        [("id",), ("name",)],
        before=(T,),
    ),
    Documented(
        "SHOW VOLUMES lists a schema's",
        MANUAL + "sql-ref-syntax-aux-show-volumes",
        "SHOW VOLUMES",
        [("edge", "files")],
    ),
    Documented(
        "DESCRIBE TABLE EXTENDED says what it is below its columns",
        MANUAL + "sql-ref-syntax-aux-describe-table",
        "DESCRIBE TABLE EXTENDED t",
        [
            ("id", "bigint", None),
            ("name", "string", None),
            ("", "", ""),
            ("# Detailed Table Information", "", ""),
            ("Catalog", "main", ""),
            ("Database", "edge", ""),
            ("Table", "t", ""),
            ("Type", "MANAGED", ""),
            ("Provider", "delta", ""),
        ],
        before=(T,),
    ),
    Documented(
        "current_user() is who one is",
        MANUAL + "functions/current_user",
        "SELECT current_user() AS who, 'current_user()' AS text",
        [("admin", "current_user()")],
    ),
    Documented(
        "SET takes a warehouse's own parameters",
        MANUAL + "sql-ref-parameters",
        "SET STATEMENT_TIMEOUT = 600",
        [],
    ),
    Documented(
        "a table dropped and made again is empty",
        MANUAL + "sql-ref-syntax-ddl-drop-table",
        "SELECT count(*) FROM t",
        [(0,)],
        before=(T, TWO, "DROP TABLE t", T),
    ),
    Documented(
        "DROP SCHEMA CASCADE takes what is in it",
        MANUAL + "sql-ref-syntax-ddl-drop-schema",
        "DROP SCHEMA main.gone CASCADE",
        [],
        before=("CREATE SCHEMA main.gone", "CREATE TABLE main.gone.a (i INT)", "CREATE VOLUME main.gone.v"),
        shows="SELECT schema_name FROM information_schema.schemata WHERE schema_name = 'gone'",
        then=[],
    ),
    Documented(
        "OPTIMIZE keeps every row",
        MANUAL + "delta-optimize",
        "SELECT count(*) FROM t",
        [(3,)],
        before=(T, TWO, "INSERT INTO t VALUES (3, 'c')", "OPTIMIZE t"),
    ),
]
