"""The file that steps leave, what is told of it, and what is told when they can't be applied."""

import stat
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support import typed_files

from databricks_uploader.errors import PermanentError, TransientError
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.steps import (
    Condition,
    Drop,
    FilterStep,
    Hash,
    Operator,
    Pattern,
    Redact,
    Round,
    SanitizeStep,
    Step,
)
from databricks_uploader.model.work import Applied, Work
from databricks_uploader.spool import parquet
from databricks_uploader.steps import engine
from databricks_uploader.steps.engine import apply
from databricks_uploader.steps.patterns import pattern_faults
from databricks_uploader.steps.sql import ROW_GROUP_ROWS, counting, writing

KEY = "the-key-of-this-test"
TYPES = {
    "id": "long", "small": "byte", "real": "double", "price": "decimal(4,3)", "text": "string", "day": "date",
    "seen": "timestamp",
}  # fmt: skip
ROW = {
    "id": 1, "small": -3, "real": 2.5, "price": Decimal("9.999"), "text": "a secret", "day": date(2026, 1, 31),
    "seen": datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
}  # fmt: skip
ROWS = [ROW, ROW | {"id": 2, "text": None, "seen": None, "real": None}, ROW | {"id": 3, "real": float("inf")}]
ABOVE_ONE = FilterStep((Condition(column="id", operator=Operator.GREATER, values=(1,)),))


def applied(
    folder: Path, *steps: Step, rows: list[dict[str, Any]] = ROWS, judged: frozenset[str] | None = None
) -> Applied:
    typed_files.write(folder / "typed", TYPES, rows)
    return apply(Work(steps, typed_files.schema(TYPES), judged), folder / "typed", folder / "claim")


def test_a_claims_file_has_the_columns_in_order_with_their_types_then_the_lineage_columns(tmp_path: Path) -> None:
    applied(tmp_path, ABOVE_ONE)
    found, rows = typed_files.read(tmp_path / "claim")
    lineage = [pa.string(), pa.int64(), pa.int64(), pa.timestamp("us", "UTC"), pa.int64()]
    assert list(found.items()) == [
        *((name, typed_files.arrow_type(kind)) for name, kind in TYPES.items()),
        *zip(typed_files.LINEAGE_NAMES, lineage, strict=True),
    ]
    assert rows == [row | typed_files.lineage(number) for row, number in zip(ROWS[1:], (12, 13), strict=True)]


def test_it_is_compressed_in_row_groups_for_readers_and_private(tmp_path: Path) -> None:
    rows = [ROW | {"id": number} for number in range(ROW_GROUP_ROWS + 10)]
    typed_files.write(tmp_path / "typed", TYPES, rows, page=8192)
    work = Work((FilterStep((Condition(column="small", operator=Operator.LESS, values=(0,)),)),),
                typed_files.schema(TYPES), numbered=True)  # fmt: skip
    apply(work, tmp_path / "typed", tmp_path / "claim")
    metadata = pq.ParquetFile(tmp_path / "claim").metadata
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [ROW_GROUP_ROWS, 10]
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert stat.S_IMODE((tmp_path / "claim").stat().st_mode) == 0o600
    ids = pq.read_table(tmp_path / "claim", columns=["id", "_row"]).to_pylist()
    assert ids == [{"id": number, "_row": number + 1} for number in range(len(rows))]


def test_where_no_row_is_left_there_is_no_file(tmp_path: Path) -> None:
    none = FilterStep((Condition(column="id", operator=Operator.LESS, values=(0,)),))
    done = applied(tmp_path, none)
    assert (done.counts.read, done.counts.written, done.counts.excluded) == (3, 0, ((none.conditions[0], 3),))
    assert not (tmp_path / "claim").exists()


def test_a_row_counts_for_the_first_rule_that_excludes_it(tmp_path: Path) -> None:
    both = FilterStep((*ABOVE_ONE.conditions, Condition(column="real", operator=Operator.IS_NULL, values=(True,))))
    counts = applied(tmp_path, both).counts
    assert [(rule.label, rows) for rule, rows in counts.excluded] == [("id >", 1), ("real is_null", 1)]
    assert (counts.read, counts.written) == (3, 1)


def test_the_statistics_are_those_of_a_file_that_the_spool_writes_itself(tmp_path: Path) -> None:
    typed_files.write(tmp_path / "typed", TYPES, ROWS)
    raw = parquet.write(
        tmp_path / "raw",
        iter([pa.RecordBatch.from_pylist([row | {"_row": 11 + n} for n, row in enumerate(ROWS)],
                                         pa.schema([*((name, typed_files.arrow_type(kind)) for name, kind
                                                      in TYPES.items()), ("_row", pa.int64())]))]),
        typed_files.schema(TYPES), typed_files.LINEAGE,
    )  # fmt: skip
    found = applied(tmp_path).statistics
    assert found["small"] == (-3, -3, 0)
    same = found.keys() - {"small", "_node_id", "price"}
    assert {name: found[name] for name in same} == {name: raw.statistics[name] for name in same}


def test_withheld_columns_and_ruled_values_are_nowhere_in_the_file(tmp_path: Path) -> None:
    hide = SanitizeStep((Drop(column="text"), Redact(column="seen", text="-")))
    rows = [ROW | {"text": "marked-secret-1"}, ROW | {"text": "marked-secret-2"}]
    applied(tmp_path, hide, rows=rows, judged=frozenset({"id", "text", "seen"}))
    found, _ = typed_files.read(tmp_path / "claim")
    assert list(found) == ["id", "seen", *typed_files.LINEAGE_NAMES]
    assert b"marked-secret" not in (tmp_path / "claim").read_bytes()


def test_the_key_and_values_are_bound_never_part_of_the_statement() -> None:
    steps = (
        FilterStep((Condition(column="text", operator=Operator.EQUAL, values=("a value'; --",)),)),
        SanitizeStep((Hash(column="text"), Pattern(column="text", pattern="pat'tern"))),
    )
    work = Work(steps, typed_files.schema({'a"; --': "long", "text": "string"}), key=Secret(KEY))
    for statement in (writing(work, "typed", "claim"), counting(work, "typed")[0]):
        for hidden in (KEY, "a value", "pat'tern", "typed"):
            assert hidden not in statement.text
            assert hidden not in repr(statement)
        assert '"a""; --"' in statement.text
    assert KEY not in repr(work)


def test_a_value_that_no_longer_fits_its_column_is_told_by_its_column_and_not_by_itself(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as raised:
        applied(tmp_path, SanitizeStep((Round(column="price", decimals=2),)))
    assert "'price'" in str(raised.value)
    for error in (raised.value, raised.value.__cause__, raised.value.__context__):
        assert error is None or "9.99" not in f"{error}"
        assert error is None or "10.00" not in f"{error}"


def test_a_folder_may_be_called_as_it_likes(tmp_path: Path) -> None:
    folder = tmp_path / "id=7 [a]*?'$p0;"
    folder.mkdir()
    assert applied(folder, ABOVE_ONE).counts.written == 2
    _, rows = typed_files.read(folder / "claim")
    assert [row["id"] for row in rows] == [2, 3]
    assert {file.name for file in folder.iterdir()} == {"typed", "claim"}


def test_a_typed_file_that_is_not_there_is_no_bug(tmp_path: Path) -> None:
    with pytest.raises(TransientError):
        apply(Work((), typed_files.schema(TYPES)), tmp_path / "typed", tmp_path / "claim")


@pytest.mark.parametrize("statement", [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('https://example.com/x.parquet')",
    "INSTALL httpfs",
    "SET enable_external_access = true",
    "SET memory_limit = '10GB'",
])  # fmt: skip
def test_the_engine_reaches_nothing_but_its_folders(statement: str, tmp_path: Path) -> None:
    with engine.connection(tmp_path, tmp_path) as connection, pytest.raises(Exception, match=r"disabled|locked"):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(a", "missing ) at character 1"),
        ("ab)", "unexpected ) at character 3"),
        ("x[a-", "missing ] at character 2"),
        ("a(?=b)", "invalid perl operator at character 2"),
        (r"a\1", "invalid escape sequence at character 2"),
        ("a**", "bad repetition operator at character 2"),
    ],
)
def test_a_mistake_in_a_pattern_is_told_with_its_place(pattern: str, told: str) -> None:
    step = SanitizeStep((Pattern(column="a", pattern="fine"), Pattern(column="b", pattern=pattern, inside=("b",))))
    (fault,) = pattern_faults([ABOVE_ONE, step])
    assert (fault.step, fault.inside, fault.text) == (1, ("b",), f"is no pattern of RE2: {told}")
