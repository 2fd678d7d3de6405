"""Statements that only read: the engine runs them as they are, once rights are checked and file paths are local."""

import re
from collections.abc import Iterator
from dataclasses import replace

from tests.support.warehouse import errors, information_schema, privileges, sqltext
from tests.support.warehouse.naming import INFORMATION_SCHEMA, Name
from tests.support.warehouse.statements import Call, Result

_FILE = re.compile(r"\b(\w+)\.(`(?:dbfs:)?/Volumes/[^`]*`)", re.IGNORECASE)
_NOT_DONE = re.compile(r"\b(_metadata\.|(?:read_files|input_file_name|version)\s*\()", re.IGNORECASE)
_WHO = re.compile(r"\b(?:current_user|session_user)\s*\(\s*\)", re.IGNORECASE)


def query(call: Call) -> Result:
    """Run what reads, with `INFORMATION_SCHEMA` as views and `parquet.`/Volumes/…`` as local files."""
    may_read(call)
    shown = information_schema.shown(call)
    try:
        return Result(call.run(as_it_is_here(replace(call, sql=shown))))
    except errors.WarehouseError as error:
        raise named_fully(call, error) from error


def may_read(call: Call, *, but: Name | None = None) -> None:
    """Raise WarehouseError unless the session may SELECT from every table that is named, `but` one."""
    for name, _, _ in _named(call):
        if name.catalog not in call.tools.catalog.names:
            raise errors.TABLE_OR_VIEW_NOT_FOUND.error(name=name.quoted)
        if name != but and name.schema != INFORMATION_SCHEMA and call.tools.catalog.has_table(name):
            call.tools.privileges.require(call.session.principal, "SELECT", privileges.table(name))


def as_it_is_here(call: Call) -> str:
    """Return the statement as the engine takes it: tables' names in the case they have here, files where they lie."""
    written, since = [], 0
    for name, start, end in _named(call):
        if call.tools.catalog.has_table(name):
            written += [call.sql[since:start], call.sql[start:end].lower()]
            since = end
    sql = _local_files(replace(call, sql="".join(written) + call.sql[since:]))
    return sqltext.replaced(sql, _WHO, lambda _: sqltext.as_literal(call.session.principal))


def _named(call: Call) -> Iterator[tuple[Name, int, int]]:
    for start, end in sqltext.tables_named(call.sql):
        parts = sqltext.parts(call.sql[start:end])
        if len(parts) <= 3 and parts[0] != "parquet":
            yield call.session.name(call.sql[start:end]), start, end


def _local_files(call: Call) -> str:
    """Return the statement with `format.`/Volumes/…`` pointing at the files here.

    https://docs.databricks.com/query/formats/parquet. Raises WarehouseError without READ VOLUME, for a path that isn't
    there and for a format other than Parquet.
    """
    undone = _NOT_DONE.search(sqltext.code(call.sql))
    if undone:
        raise errors.UNSUPPORTED.error(what=undone[1])

    def local(found: re.Match[str]) -> str:
        written = found[2].strip("`")
        file = call.tools.catalog.volume_file(written)
        if found[1].lower() != "parquet":
            raise errors.UNSUPPORTED.error(what=f"querying files as {found[1]}")
        if file is None or not call.tools.catalog.has_volume(file.volume):
            raise errors.UC_VOLUME_NOT_FOUND.error(name=sqltext.quoted(tuple(written.split("/")[2:5])))
        call.tools.privileges.require(call.session.principal, "READ VOLUME", privileges.volume(file.volume))
        if not file.here.exists():
            raise errors.PATH_NOT_FOUND.error(path=f"dbfs:{written}")
        return f"parquet.`{file.here}`"

    return sqltext.replaced(call.sql, _FILE, local)


def named_fully(call: Call, error: errors.WarehouseError) -> errors.WarehouseError:
    """Return `error` with a missing table's whole name: the engine says only the last part of it."""
    if error.condition is not errors.TABLE_OR_VIEW_NOT_FOUND:
        return error
    for name, _, _ in _named(call):
        if not call.tools.catalog.has_table(name):
            return errors.TABLE_OR_VIEW_NOT_FOUND.error(name=name.quoted)
    return error
