"""CREATE, ALTER and DROP TABLE: the parts that the engine lacks are cut out and kept beside the table.

https://docs.databricks.com/sql/language-manual/sql-ref-syntax-ddl-create-table-using, …/sql-ref-syntax-ddl-alter-table
"""

import re
import shutil
import uuid
from dataclasses import replace

from deltalake import DeltaTable, Field
from tests.support.warehouse import errors, privileges, reading, sqltext
from tests.support.warehouse.catalog import Extras
from tests.support.warehouse.naming import Name
from tests.support.warehouse.statements import NOTHING, Call, Result

_CREATE = re.compile(
    rf"\s*CREATE\s+(OR\s+REPLACE\s+)?TABLE\s+(IF\s+NOT\s+EXISTS\s+)?({sqltext.NAME})\s*", re.IGNORECASE
)
_QUERY = re.compile(r"\bAS\s+(?=SELECT\b|WITH\b|VALUES\b|\()|(?<=\))\s*(?=SELECT\b)", re.IGNORECASE)
_USING = re.compile(r"\bUSING\s+(\w+)", re.IGNORECASE)
_CLUSTER = re.compile(r"\bCLUSTER\s+BY\s*(\(([^)]*)\)|AUTO|NONE)", re.IGNORECASE)
_REFUSED = re.compile(r"\b(LOCATION|CLONE|LIKE|OPTIONS|ROW\s+FILTER)\b", re.IGNORECASE)
_NOT_A_COLUMN = re.compile(
    r"\S+\s.*\b(DEFAULT|GENERATED|MASK)\b|(?:CONSTRAINT\s+\S+\s+)?(CHECK|FOREIGN\s+KEY)\b", re.IGNORECASE | re.DOTALL
)
_CONSTRAINT = r"(?:CONSTRAINT\s+\S+\s+)?PRIMARY\s+KEY"
_TABLE_KEY = re.compile(rf"{_CONSTRAINT}\s*\(([^)]*)\)(?:\s+RELY)?", re.IGNORECASE)
_COLUMN_KEY = re.compile(rf"\s+{_CONSTRAINT}(?:\s+RELY)?", re.IGNORECASE)


def create(call: Call) -> Result:
    """Make a table where its folder is to be; CLUSTER BY and PRIMARY KEY are kept, not enforced."""
    text = sqltext.code(call.sql)
    found = _CREATE.match(text)
    if found is None:
        raise errors.PARSE_SYNTAX_ERROR.error(near="'TABLE'")
    name, tools = call.session.name(found[3]), call.tools
    tools.catalog.require_schema(name.catalog, name.schema)
    place = privileges.schema(name.catalog, name.schema)
    tools.privileges.require(call.session.principal, "CREATE TABLE", place)
    exists = tools.catalog.has_table(name)
    if exists and found[2]:
        return NOTHING
    if exists and not found[1]:
        raise errors.TABLE_OR_VIEW_ALREADY_EXISTS.error(name=name.quoted)
    if exists:
        tools.privileges.require(call.session.principal, privileges.ALL_PRIVILEGES, privileges.table(name))
    statement, extras = _rewritten(call, name, found)
    call.run(statement)
    tools.catalog.keep_extras(name, extras)
    tools.privileges.grant(call.session.principal, privileges.ALL_PRIVILEGES, privileges.table(name))
    return NOTHING


def _rewritten(call: Call, name: Name, found: re.Match[str]) -> tuple[str, Extras]:
    """Return the statement that the engine understands, and what was taken out of it."""
    sql, start = call.sql, found.end()
    text = sqltext.code(sql)
    columns = ""
    key: tuple[str, ...] = ()
    if text[start : start + 1] == "(" and not re.match(r"\(\s*SELECT\b", text[start:], re.IGNORECASE):
        end = sqltext.closing(text, start)
        columns, key = _columns(sql, start + 1, end)
        start = end + 1
    body = _QUERY.search(text, start)
    clauses = sql[start : body.start() if body else len(sql)]
    query = f" AS {_query(call, sql[body.end() :])}" if body else ""
    if not columns and not query:
        raise errors.UNSUPPORTED.error(what="a table without columns")
    clauses, clustered = _clauses(clauses)
    location = sqltext.as_literal(str(call.tools.catalog.folder(name)))
    verb = "CREATE OR REPLACE TABLE" if found[1] else "CREATE TABLE"
    statement = f"{verb} {name.quoted}{columns} USING DELTA {clauses} LOCATION {location}{query}"
    return statement, Extras(cluster_by=clustered, primary_key=key)


def _query(call: Call, query: str) -> str:
    asked = replace(call, sql=query)
    reading.may_read(asked)
    return reading.as_it_is_here(asked)


def _clauses(clauses: str) -> tuple[str, tuple[str, ...]]:
    code = sqltext.code(clauses)
    refused = _REFUSED.search(code)
    if refused:
        raise errors.UNSUPPORTED.error(what=f"CREATE TABLE … {refused[1]}")
    using, cluster = _USING.search(code), _CLUSTER.search(code)
    if using and using[1].upper() != "DELTA":
        raise errors.UNSUPPORTED.error(what=f"USING {using[1]}")
    clustered = sqltext.parts(cluster[2]) if cluster and cluster[2] else ()
    for cut in (using, cluster):
        if cut:
            clauses = clauses.replace(clauses[cut.start() : cut.end()], " " * (cut.end() - cut.start()), 1)
    return clauses.strip(), clustered


def _columns(sql: str, start: int, end: int) -> tuple[str, tuple[str, ...]]:
    """Return the column list without constraints, and the primary key's columns, which become NOT NULL."""
    definitions: list[str] = []
    key: list[str] = []
    for item in sqltext.items(sql, start, end):
        code = sqltext.code(item)
        refused = _NOT_A_COLUMN.match(code)
        if refused:
            raise errors.UNSUPPORTED.error(what=f"a column or constraint with {refused[1] or refused[2]}")
        table_key, column_key = _TABLE_KEY.match(code), _COLUMN_KEY.search(code)
        if table_key:
            key += sqltext.parts(table_key[1])
        elif column_key:
            definitions.append(item[: column_key.start()] + item[column_key.end() :])
            key += sqltext.parts(item)[:1]
        else:
            definitions.append(item)
    written = [_not_null(item) if sqltext.parts(item)[0] in key else item for item in definitions]
    return f" ({', '.join(written)})", tuple(key)


def _not_null(definition: str) -> str:
    code = sqltext.code(definition)
    if re.search(r"\bNOT\s+NULL\b", code, re.IGNORECASE):
        return definition
    comment = re.search(r"\bCOMMENT\b", code, re.IGNORECASE)
    at = comment.start() if comment else len(definition)
    return f"{definition[:at]} NOT NULL {definition[at:]}"


def drop(call: Call) -> Result:
    """Remove a table."""
    name = call.session.name(call.found[2])
    if not call.tools.catalog.has_table(name) and call.found[1]:
        return NOTHING
    call.tools.catalog.delta(name)
    call.tools.privileges.require(call.session.principal, privileges.ALL_PRIVILEGES, privileges.table(name))
    call.run(f"DROP TABLE {name.quoted}")
    call.tools.catalog.drop_table(name)
    call.tools.privileges.forget(privileges.table(name))
    return NOTHING


def add_columns(call: Call) -> Result:
    """Add columns at the end of a table."""
    name = _altered(call)
    definitions = re.search(r"\bADD\s+COLUMNS?\s*(.*)$", call.sql, re.IGNORECASE | re.DOTALL)
    listed = definitions[1].strip() if definitions else ""
    if listed.startswith("("):
        listed = listed[1 : sqltext.closing(sqltext.code(listed), 0)]
    if re.search(r"\b(FIRST|AFTER|NOT\s+NULL)\b", sqltext.code(listed), re.IGNORECASE):
        raise errors.UNSUPPORTED.error(what="ADD COLUMN with a place or NOT NULL")
    table = call.tools.catalog.delta(name)
    fields = _parsed(call, listed)
    have = {field.name.lower() for field in table.schema().fields}
    for field in fields:
        if field.name.lower() in have:
            raise errors.FIELD_ALREADY_EXISTS.error(name=sqltext.quoted((field.name,)))
    table.alter.add_columns(fields)
    call.tools.catalog.register(call.tools.sail, name)
    return NOTHING


def _parsed(call: Call, definitions: str) -> list[Field]:
    """Return column definitions as Delta fields: the engine parses them into a table that is thrown away."""
    name = Name(call.session.catalog, "default", f"parsed_{uuid.uuid4().hex}")
    folder = call.tools.catalog.folder(name)
    call.run(f"CREATE TABLE {name.quoted} ({definitions}) USING DELTA LOCATION {sqltext.as_literal(str(folder))}")
    try:
        return DeltaTable(str(folder)).schema().fields
    finally:
        call.run(f"DROP TABLE {name.quoted}")
        shutil.rmtree(folder)


def set_properties(call: Call) -> Result:
    """Set table properties."""
    name = _altered(call)
    texts = sqltext.literals(call.sql)
    if not texts or len(texts) % 2:
        raise errors.UNSUPPORTED.error(what="a property whose name or value is not in quotes")
    table = call.tools.catalog.delta(name)
    table.alter.set_table_properties(dict(zip(texts[::2], texts[1::2], strict=True)), raise_if_not_exists=False)
    return NOTHING


def cluster(call: Call) -> Result:
    """Keep what a table is clustered by from now on; NONE and AUTO keep nothing."""
    name = _altered(call)
    found = _CLUSTER.search(sqltext.code(call.sql))
    clustered = sqltext.parts(found[2]) if found and found[2] else ()
    call.tools.catalog.keep_extras(name, replace(call.tools.catalog.extras(name), cluster_by=clustered))
    return NOTHING


def add_key(call: Call) -> Result:
    """Keep a primary key, informational as on Databricks."""
    name = _altered(call)
    found = _TABLE_KEY.search(sqltext.code(call.sql))
    key = sqltext.parts(found[1]) if found else ()
    call.tools.catalog.keep_extras(name, replace(call.tools.catalog.extras(name), primary_key=key))
    return NOTHING


def _altered(call: Call) -> Name:
    name = call.session.name(call.found[1])
    call.tools.catalog.delta(name)
    call.tools.privileges.require(call.session.principal, "MODIFY", privileges.table(name))
    return name
