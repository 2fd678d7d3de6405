"""The tables of `docs/types.md` through the whole program, into Delta tables that another engine reads."""

from pathlib import Path

import pytest
from deltalake import DeltaTable
from tests.support import documents, program, tables, values

from databricks_uploader.destinations.delta import DeltaDestination
from databricks_uploader.model.claim import Identity
from databricks_uploader.model.table import LINEAGE, Column, TableSchema

TABLES = [t for t in values.tables(documents.TYPES.read_text()) if t.how != "declared"]


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_a_row_arrives_where_all_its_cells_do_and_another_engine_reads_the_same(
    tmp_path: Path, table: values.Table
) -> None:
    names = [f"c{i}" for i in range(len(table.targets))]
    target = [Column(n, c.type, nullable=c.nullable) for n, c in zip(names, table.targets, strict=True)]
    folder = tmp_path / "lake" / "raw_t"
    DeltaDestination(folder, Identity("n", "t", "raw_t")).create(TableSchema.of([*target, *LINEAGE.columns]))
    rows = [", ".join([line[0].strip("`")] * len(names)) for line in table.lines]
    path = values.made(
        tmp_path / "a.db",
        f"CREATE TABLE t ({', '.join(names)})",
        *(f"INSERT INTO t VALUES ({row})" for row in rows),
    )
    done = program.run("--sqlite", path, "--delta-path", folder.parent, "--state-dir", tmp_path / "state", "--once",
                       "--node-id", "n", "--source-timezone", table.zone)  # fmt: skip
    assert done.exit_code == 0, done.errors
    fitting = {i: line[1:] for i, line in enumerate(table.lines, 1) if values.REFUSED[0] not in "".join(line)}
    found = {row[-1]: row[:-1] for row in tables.rows(folder, ", ".join([*names, "_row"]))}
    assert {key: tuple(map(as_shown, row)) for key, row in found.items()} == {
        key: tuple(cell.removeprefix(values.ALTERED) for cell in cells) for key, cells in fitting.items()
    }
    assert DeltaTable(folder).count() == len(fitting)


def as_shown(value: object) -> str:
    return values.shown(value)
