"""COPY INTO: which files, which rows, and one commit that holds the rows and the ledger of the files.

The ledger is a Delta application transaction for each file, in the commit that adds its rows: so a file is loaded once
for a table, however often the statement is sent, and DROP TABLE forgets it, as on Databricks
(https://docs.databricks.com/sql/language-manual/delta-copy-into).
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from tests.support.warehouse import arrow_types, errors, privileges, reading, sqltext
from tests.support.warehouse.catalog import VolumeFile
from tests.support.warehouse.copy_statement import CopyInto, parse
from tests.support.warehouse.describe import COPY_MARK
from tests.support.warehouse.naming import Name
from tests.support.warehouse.statements import Call, Result, counted


@dataclass(frozen=True)
class SourceFile:
    """A file to load: where it lies, its name in the ledger, its columns."""

    here: Path
    ledger: str
    columns: pa.Schema


def copy_into(call: Call) -> Result:
    """Load files that were not loaded yet; answer rows and corrupt files."""
    asked = parse(call.sql)
    name = call.session.name(asked.target)
    source = _source(call, asked)
    table = call.tools.catalog.delta(name, errors.COPY_NO_TABLE)
    call.tools.privileges.require(call.session.principal, "MODIFY", privileges.table(name))
    files, corrupt = _to_load(call, asked, source, table)
    rows = _load(call, asked, name, table, files) if files else 0
    counts = {"num_affected_rows": rows, "num_inserted_rows": rows, "num_skipped_corrupt_files": corrupt}
    return counted(counts, rows)


def _source(call: Call, asked: CopyInto) -> VolumeFile:
    source = call.tools.catalog.volume_file(asked.path)
    if source is None:
        raise errors.UNSUPPORTED.error(what=f"COPY INTO from {asked.path}: only volumes are served")
    if not call.tools.catalog.has_volume(source.volume):
        raise errors.UC_VOLUME_NOT_FOUND.error(name=source.volume.quoted)
    call.tools.privileges.require(call.session.principal, "READ VOLUME", privileges.volume(source.volume))
    return source


# ---------------------------------------------------------------------- which files


def _to_load(call: Call, asked: CopyInto, source: VolumeFile, table: DeltaTable) -> tuple[list[SourceFile], int]:
    """Return the files that are not in the ledger, by path, and how many corrupt ones were passed over."""
    files, corrupt = [], 0
    for here in _chosen(call, asked, source):
        ledger = f"copy_into:{source.shown(here)}"
        if not asked.copy_options.get("force") and table.transaction_version(ledger) is not None:
            continue
        try:
            files.append(SourceFile(here, ledger, pq.read_schema(here)))
        except pa.ArrowInvalid as error:
            if not asked.format_options.get("ignorecorruptfiles"):
                raise errors.FILE_CORRUPT.error(path=source.shown(here), why=error) from error
            corrupt += 1
    return files, corrupt


def _chosen(call: Call, asked: CopyInto, source: VolumeFile) -> list[Path]:
    if asked.files is not None:
        return _named(call, asked, source)
    if source.here.is_file():
        return [source.here]
    found = sorted(_visible(source.here))
    if not found:
        raise errors.COPY_NO_FILES.error(path=f"dbfs:{asked.path}")
    fits = re.compile(glob(asked.pattern)) if asked.pattern is not None else re.compile(".*", re.DOTALL)
    return [file for file in found if fits.fullmatch(file.relative_to(source.here).as_posix())]


def _named(call: Call, asked: CopyInto, source: VolumeFile) -> list[Path]:
    files = sorted({Path(os.path.normpath(source.here / name)) for name in asked.files or ()})
    outside = [name for name in asked.files or () if name.startswith("/") or ".." in name.split("/")]
    if outside:
        raise errors.COPY_SYNTAX.error(what=f"'{outside[0]}' is not below the source")
    present = [file for file in files if file.is_file()]
    ignored = asked.format_options.get("ignoremissingfiles", call.tools.unsettled.missing_file_is_ignored)
    missing = [file for file in files if file not in present]
    if missing and not ignored:
        raise errors.FILE_NOT_EXIST.error(path=source.shown(missing[0]))
    return present


def _visible(folder: Path) -> Iterable[Path]:
    """Yield the files below `folder` that Spark reads: none whose name, or folder's name, starts with _ or a dot."""
    for file in folder.rglob("*"):
        if file.is_file() and not any(part[0] in "_." for part in file.relative_to(folder).parts):
            yield file


def glob(pattern: str) -> str:
    """Return a PATTERN as a regular expression: ? * [a-z] [^a] {ab,cd}, none of which crosses a folder."""
    wild = {"*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|", "[": "[", "]": "]", "^": "^", "-": "-"}
    return "".join(wild.get(character, re.escape(character)) for character in pattern)


# ---------------------------------------------------------------------- which rows


def _load(call: Call, asked: CopyInto, name: Name, table: DeltaTable, files: list[SourceFile]) -> int:
    rows = _rows(call, asked, files)
    wanted = pa.schema(table.schema())
    fitted = _fitted(call, asked, name, rows, wanted)
    grown = len(fitted.schema) > len(wanted)
    write_deltalake(
        table,
        fitted,
        mode="append",
        schema_mode="merge" if grown else None,
        commit_properties=CommitProperties(
            custom_metadata={COPY_MARK: "COPY INTO"},
            app_transactions=[Transaction(app_id=file.ledger, version=1) for file in files],
        ),
    )
    if grown:
        call.tools.catalog.register(call.tools.sail, name)
    return int(fitted.num_rows)


def _rows(call: Call, asked: CopyInto, files: list[SourceFile]) -> pa.Table:
    """Run the SELECT over all files at once, as one relation with the columns that Spark would see."""
    columns = _columns(files, merged=asked.format_options.get("mergeschema", False))
    groups: dict[tuple[tuple[str, pa.DataType], ...], list[Path]] = {}
    for file in files:
        groups.setdefault(tuple((field.name, field.type) for field in file.columns), []).append(file.here)
    # Links, so that a thousand files are read as the few folders of their few schemas.
    with TemporaryDirectory(dir=call.tools.catalog.work) as work:
        relations = []
        for number, (present, members) in enumerate(groups.items()):
            folder = Path(work) / str(number)
            folder.mkdir()
            for position, member in enumerate(members):
                os.link(member, folder / f"{position}.parquet")
            relations.append(_relation(folder, {field for field, _ in present}, columns))
        alias = f" AS {asked.alias}" if asked.alias else ""
        read = f"SELECT {asked.select} FROM ({' UNION ALL '.join(relations)}){alias}"
        return call.run(reading.as_it_is_here(replace(call, sql=read)))


def _columns(files: list[SourceFile], *, merged: bool) -> dict[str, str]:
    """Return the columns of the source and their SQL types.

    Unless FORMAT_OPTIONS has mergeSchema, they are those of the first file by path: Spark infers a Parquet source's
    schema from one file (apache/spark, ParquetUtils.inferSchema), so columns that only others have are not loaded.
    """
    columns: dict[str, str] = {}
    for number, file in enumerate(files):
        for field in file.columns:
            try:
                written = arrow_types.sql(field.type)
            except ValueError as error:
                raise errors.PARQUET_TYPE_ILLEGAL.error(type=field.type) from error
            if number == 0 or merged:
                columns.setdefault(field.name, written)
            if columns.get(field.name, written) != written:
                raise errors.COLUMN_TYPE_DIFFERS.error(path=file.here.name, column=f"[{field.name}]")
    return columns


def _relation(folder: Path, present: set[str], columns: dict[str, str]) -> str:
    values = [
        sqltext.quoted((name,)) if name in present else f"CAST(NULL AS {written}) AS {sqltext.quoted((name,))}"
        for name, written in columns.items()
    ]
    return f"SELECT {', '.join(values)} FROM parquet.`{folder}`"


def _fitted(call: Call, asked: CopyInto, name: Name, rows: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Return the rows in the table's columns and then, with mergeSchema, the new ones. Types must be the table's."""
    given: dict[str, str] = {}
    for column in rows.column_names:
        if given.setdefault(column.lower(), column) != column or rows.column_names.count(column) > 1:
            raise errors.COLUMN_ALREADY_EXISTS.error(name=sqltext.quoted((column,)))
    extra = [column for lower, column in given.items() if lower not in {field.name.lower() for field in wanted}]
    for field in wanted:
        column = given.get(field.name.lower())
        if column and not _same(call, rows.schema.field(column).type, field.type):
            raise errors.FAILED_TO_MERGE_FIELDS.error(column=field.name)
    if extra and not asked.copy_options.get("mergeschema"):
        raise errors.COPY_SCHEMA_MISMATCH.error(table=name, columns=", ".join(extra))
    arrays = []
    for field in wanted:
        column = given.get(field.name.lower())
        array = rows.column(column).cast(field.type) if column else pa.nulls(rows.num_rows, field.type)
        if not field.nullable and array.null_count:
            raise errors.NOT_NULL_VIOLATED.error(column=field.name)
        arrays.append(array)
    new = [rows.schema.field(column).with_nullable(True) for column in extra]  # noqa: FBT003 - pyarrow's own signature
    return pa.table([*arrays, *map(rows.column, extra)], schema=pa.schema([*wanted, *new]))


def _same(call: Call, given: pa.DataType, wanted: pa.DataType) -> bool:
    if call.tools.unsettled.int_fits_bigint and given == pa.int32() and wanted == pa.int64():
        return True
    return pa.types.is_null(given) or arrow_types.sql(given) == arrow_types.sql(wanted)
