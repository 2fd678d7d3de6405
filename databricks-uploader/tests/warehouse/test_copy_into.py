"""COPY INTO: docs.databricks.com/sql/language-manual/delta-copy-into, and what is known of it beyond that page."""

import itertools
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from databricks.sql.client import Connection
from databricks.sql.exc import ServerOperationError
from tests.support.warehouse import Unsettled, Warehouse
from tests.support.warehouse_client import Background, parquet, put, put_rows, run
from tests.warehouse.conftest import Connect, Start

_NUMBERS = itertools.count()
COLUMNS = "id BIGINT, device STRING, at TIMESTAMP, amount DECIMAL(10,2)"


class Case:
    """A table and a folder of a volume of one test's own."""

    def __init__(self, warehouse: Warehouse, connection: Connection, columns: str = COLUMNS) -> None:
        number = next(_NUMBERS)
        self.warehouse, self.connection = warehouse, connection
        self.table, self.folder = f"main.edge.copied_{number}", f"/Volumes/main/edge/files/{number}"
        run(connection, f"CREATE TABLE {self.table} ({columns})")

    def put(self, file: str, ids: list[int], **columns: Any) -> None:
        put_rows(self.warehouse, f"{self.folder}/{file}", ids, **columns)

    def copy(self, clauses: str = "", source: str = "") -> tuple[Any, ...]:
        """Return rows affected, rows inserted, corrupt files skipped."""
        written = source or f"'{self.folder}'"
        return run(self.connection, f"COPY INTO {self.table} FROM {written} FILEFORMAT = PARQUET {clauses}")[0]

    def rows(self, columns: str = "id") -> list[tuple[Any, ...]]:
        return run(self.connection, f"SELECT {columns} FROM {self.table} ORDER BY id")


@pytest.fixture
def case(shared: Warehouse, connect: Connect) -> Case:
    return Case(shared, connect(shared))


def failure(case: Case, clauses: str = "", source: str = "") -> str:
    with pytest.raises(ServerOperationError) as raised:
        case.copy(clauses, source)
    return str(raised.value)


def test_a_file_is_loaded_once_however_often_the_statement_is_sent(case: Case) -> None:
    case.put("a.parquet", [1, 2])
    assert case.copy("FILES = ('a.parquet')") == (2, 2, 0)
    assert case.copy("FILES = ('a.parquet')") == (0, 0, 0)
    assert case.rows() == [(1,), (2,)]


def test_a_file_that_changed_under_its_name_is_not_loaded_again(case: Case) -> None:
    case.put("a.parquet", [1])
    case.copy()
    put(case.warehouse, f"{case.folder}/a.parquet", parquet({"id": [2, 3]}), overwrite="true")
    assert case.copy() == (0, 0, 0)
    assert case.rows() == [(1,)]


def test_force_loads_a_file_again(case: Case) -> None:
    case.put("a.parquet", [1])
    case.copy()
    assert case.copy("COPY_OPTIONS ('force' = 'true')") == (1, 1, 0)
    assert case.rows() == [(1,), (1,)]


def test_the_ledger_is_the_tables_and_goes_with_it(case: Case) -> None:
    case.put("a.parquet", [1])
    case.copy()
    run(case.connection, f"DROP TABLE {case.table}")
    run(case.connection, f"CREATE TABLE {case.table} ({COLUMNS})")
    assert case.copy() == (1, 1, 0)


def test_rows_and_ledger_are_one_commit(case: Case) -> None:
    for name in ("a", "b", "c"):
        case.put(f"{name}.parquet", [1])
    before = case.warehouse.sql(f"DESCRIBE HISTORY {case.table}")
    case.copy("FILES = ('a.parquet', 'b.parquet', 'c.parquet')")
    after = case.warehouse.sql(f"DESCRIBE HISTORY {case.table}")
    assert len(after) == len(before) + 1
    assert after[0]["operation"] == "COPY INTO"


def test_a_file_without_rows_is_in_the_ledger_too(case: Case) -> None:
    case.put("empty.parquet", [])
    assert case.copy() == (0, 0, 0)
    assert len(case.warehouse.sql(f"DESCRIBE HISTORY {case.table}")) == 2
    case.copy()
    assert len(case.warehouse.sql(f"DESCRIBE HISTORY {case.table}")) == 2


def test_select_casts_and_renames(case: Case) -> None:
    case.put("a.parquet", [7], name=["x"], price=["1.5"])
    source = (
        f"(SELECT CAST(f.id AS BIGINT) AS id, f.name AS device, CAST(price AS DECIMAL(10,2)) AS amount"
        f" FROM '{case.folder}' f)"
    )
    assert case.copy("FILES = ('a.parquet')", source) == (1, 1, 0)
    assert case.rows("id, device, at, amount") == [(7, "x", None, Decimal("1.50"))]


def test_select_can_ask_for_no_metadata_here(case: Case) -> None:
    case.put("a.parquet", [1])
    source = f"(SELECT id, _metadata.file_name AS device FROM '{case.folder}')"
    assert "[LOCAL_WAREHOUSE_UNSUPPORTED]" in failure(case, source=source)


def test_pattern_is_a_glob_of_one_folder(case: Case) -> None:
    for name in ("a1.parquet", "a2.parquet", "b1.parquet", "c1.parquet", "deep/a3.parquet"):
        case.put(name, [1])
    assert case.copy("PATTERN = '{a[0-9],b}*.parquet'") == (3, 3, 0)


def test_without_files_or_pattern_it_is_the_whole_folder_but_hidden_files(case: Case) -> None:
    for name in ("a.parquet", "deep/b.parquet", "_hidden.parquet", "deep/.hidden.parquet"):
        case.put(name, [1])
    assert case.copy() == (2, 2, 0)


def test_a_thousand_files_are_the_most(case: Case) -> None:
    for number in range(3):
        case.put(f"{number}.parquet", [number])
    thousand = ", ".join(f"'{number}.parquet'" for number in range(1000))
    assert case.copy(f"FILES = ({thousand})") == (3, 3, 0)
    assert "[COPY_INTO_SYNTAX_ERROR] FILES can list 1000" in failure(case, f"FILES = ({thousand}, '1000.parquet')")


def test_a_narrower_integer_is_refused(case: Case) -> None:
    put(case.warehouse, f"{case.folder}/a.parquet", parquet({"id": pa.array([1], pa.int32())}))
    assert "[DELTA_FAILED_TO_MERGE_FIELDS] Failed to merge fields 'id' and 'id'" in failure(case)
    assert case.rows() == []


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("at", pa.array([0], pa.timestamp("us"))),
        ("amount", pa.array([1.5])),
        ("amount", pa.array([Decimal("1.5")], pa.decimal128(12, 3))),
        ("device", pa.array([b"x"])),
    ],
    ids=["a time without a zone", "a double for a decimal", "another decimal", "bytes for text"],
)
def test_another_type_is_refused(case: Case, column: str, values: pa.Array) -> None:
    case.put("a.parquet", [1], **{column: values})
    assert "DELTA_FAILED_TO_MERGE_FIELDS" in failure(case)


def test_a_time_in_nanoseconds_cannot_be_read(case: Case) -> None:
    case.put("a.parquet", [1], at=pa.array([0], pa.timestamp("ns", "UTC")))
    assert "[PARQUET_TYPE_ILLEGAL]" in failure(case)


def test_a_column_more_is_refused_and_with_mergeschema_added(case: Case) -> None:
    case.put("a.parquet", [1], site=["s"])
    refused = failure(case)
    assert "[COPY_INTO_SCHEMA_MISMATCH_WITH_TARGET_TABLE]" in refused
    assert refused.endswith("SQLSTATE: 42KDG")
    assert case.copy("COPY_OPTIONS ('mergeSchema' = 'true')") == (1, 1, 0)
    assert case.rows("id, site") == [(1, "s")]


def test_mergeschema_changes_no_type(case: Case) -> None:
    put(case.warehouse, f"{case.folder}/a.parquet", parquet({"id": ["text"]}))
    assert "DELTA_FAILED_TO_MERGE_FIELDS" in failure(case, "COPY_OPTIONS ('mergeSchema' = 'true')")


def test_columns_are_matched_by_name_without_case_and_missing_ones_are_null(case: Case) -> None:
    put(case.warehouse, f"{case.folder}/a.parquet", parquet({"Device": ["x"], "ID": pa.array([1], pa.int64())}))
    assert case.copy() == (1, 1, 0)
    assert case.rows("id, device, amount") == [(1, "x", None)]


def test_null_into_not_null_is_refused(shared: Warehouse, connect: Connect) -> None:
    case = Case(shared, connect(shared), "id BIGINT, device STRING NOT NULL")
    case.put("a.parquet", [1])
    assert "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED]" in failure(case)


def test_columns_that_only_later_files_have_are_lost_unless_schemas_are_merged(case: Case) -> None:
    case.put("a.parquet", [1])
    case.put("b.parquet", [2], device=["x"])
    case.copy("FILES = ('a.parquet', 'b.parquet')")
    assert case.rows("id, device") == [(1, None), (2, None)]
    case.copy("FORMAT_OPTIONS ('mergeSchema' = 'true') COPY_OPTIONS ('force' = 'true')")
    assert set(case.rows("id, device")) == {(1, None), (2, None), (2, "x")}


def test_a_corrupt_file_fails_the_statement_or_is_passed_over_and_not_recorded(case: Case) -> None:
    case.put("a.parquet", [1])
    put(case.warehouse, f"{case.folder}/b.parquet", b"PAR1 this is not Parquet")
    assert "[FAILED_READ_FILE.NO_HINT]" in failure(case)
    assert case.copy("FORMAT_OPTIONS ('ignoreCorruptFiles' = 'true')") == (1, 1, 1)
    put(case.warehouse, f"{case.folder}/b.parquet", parquet({"id": pa.array([2], pa.int64())}), overwrite="true")
    assert case.copy() == (1, 1, 0)


def test_a_missing_file_is_passed_over_unless_the_statement_says_otherwise(case: Case) -> None:
    case.put("a.parquet", [1])
    assert "[FAILED_READ_FILE.FILE_NOT_EXIST]" in failure(
        case, "FILES = ('a.parquet', 'no.parquet') FORMAT_OPTIONS ('ignoreMissingFiles' = 'false')"
    )
    assert case.rows() == []
    assert case.copy("FILES = ('a.parquet', 'no.parquet')") == (1, 1, 0)


def test_the_unsettled_answers_can_be_the_others(start: Start, connect: Connect) -> None:
    other = Unsettled(missing_file_is_ignored=False, int_fits_bigint=True)
    warehouse = start(unsettled=other)
    case = Case(warehouse, connect(warehouse))
    put(warehouse, f"{case.folder}/a.parquet", parquet({"id": pa.array([1], pa.int32())}))
    assert "FILE_NOT_EXIST" in failure(case, "FILES = ('no.parquet')")
    assert case.copy("FILES = ('a.parquet')") == (1, 1, 0)


def test_a_folder_without_files_and_a_table_that_is_not_there_are_named(case: Case) -> None:
    assert "[COPY_INTO_SOURCE_SCHEMA_INFERENCE_FAILED]" in failure(case, source="'/Volumes/main/edge/files/none'")
    assert "[UC_VOLUME_NOT_FOUND]" in failure(case, source="'/Volumes/main/edge/none/a'")
    with pytest.raises(ServerOperationError, match="DELTA_MISSING_DELTA_TABLE_COPY_INTO"):
        run(case.connection, f"COPY INTO main.edge.none FROM '{case.folder}' FILEFORMAT = PARQUET")


@pytest.mark.parametrize(
    "clauses",
    [
        "VALIDATE ALL",
        "FORMAT_OPTIONS ('modifiedAfter' = '2026-01-01')",
        "COPY_OPTIONS ('unknown' = 'true')",
    ],
)
def test_a_clause_that_is_not_done_here_is_refused(case: Case, clauses: str) -> None:
    assert "[LOCAL_WAREHOUSE_UNSUPPORTED]" in failure(case, clauses)


def test_files_lie_below_the_source(case: Case) -> None:
    assert "[COPY_INTO_SYNTAX_ERROR]" in failure(case, "FILES = ('../other.parquet')")


def test_a_replaced_table_keeps_its_ledger(case: Case) -> None:
    # Assumed: the README says what would settle it.
    case.put("a.parquet", [1])
    case.copy()
    run(case.connection, f"CREATE OR REPLACE TABLE {case.table} ({COLUMNS})")
    assert case.copy() == (0, 0, 0)


def test_many_loaders_at_once_load_each_file_once(case: Case, connect: Connect) -> None:
    for number in range(4):
        case.put(f"{number}.parquet", [number])
    copy = f"COPY INTO {case.table} FROM '{case.folder}' FILEFORMAT = PARQUET FILES = ('{{}}.parquet', '3.parquet')"
    connections = [connect(case.warehouse) for _ in range(6)]
    loading = [
        Background(partial(run, connection, copy.format(number % 3))) for number, connection in enumerate(connections)
    ]
    assert sum(each.result()[0][0] for each in loading) == 4
    assert case.rows() == [(0,), (1,), (2,), (3,)]


@pytest.mark.parametrize(
    "clauses",
    ["FILES = ('a.parquet') PATTERN = '*'", "COPY_OPTIONS ('force' = true)", "FILES ('a.parquet')", "EXTRA"],
)
def test_a_clause_that_cannot_be_read_is_a_syntax_error(case: Case, clauses: str) -> None:
    assert "[COPY_INTO_SYNTAX_ERROR]" in failure(case, clauses)


def test_a_format_must_be_named(case: Case) -> None:
    with pytest.raises(ServerOperationError, match="FILEFORMAT is missing"):
        run(case.connection, f"COPY INTO {case.table} FROM '{case.folder}'")
