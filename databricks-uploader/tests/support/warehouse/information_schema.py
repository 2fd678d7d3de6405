"""INFORMATION_SCHEMA as far as it is used: `schemata`, `tables`, `columns`, `volumes`, drawn from what is on disk.

https://docs.databricks.com/sql/language-manual/sql-ref-information-schema. A principal sees what it holds a right on.
"""

import re
from collections.abc import Callable, Iterator

import pyarrow as pa
from tests.support.warehouse import arrow_types, errors, privileges, sqltext
from tests.support.warehouse.naming import INFORMATION_SCHEMA, Name
from tests.support.warehouse.statements import Call

Row = dict[str, object]
_VIEW = re.compile(rf"(?:\b\w+\.|`[^`]+`\.)?\b{INFORMATION_SCHEMA}\.(\w+)", re.IGNORECASE)


def shown(call: Call) -> str:
    """Return the statement with every view of INFORMATION_SCHEMA replaced by what it shows now."""

    def relation(found: re.Match[str]) -> str:
        parts = sqltext.parts(found.group())
        return _relation(call, parts[0] if len(parts) == 3 else call.session.catalog, parts[-1])

    return sqltext.replaced(call.sql, _VIEW, relation)


def _relation(call: Call, catalog: str, view: str) -> str:
    if view not in _VIEWS:
        raise errors.UNSUPPORTED.error(what=f"{INFORMATION_SCHEMA}.{view}")
    columns, make = _VIEWS[view]
    rows: list[list[object]] = [[row[column] for column in columns] for row in make(call, catalog)]
    # A first row that is not shown: without rows there would be no columns either.
    shown: list[list[object]] = [[None] * len(columns), *rows]
    values = ", ".join(
        f"({', '.join([str(number), *(_value(value) for value in row)])})" for number, row in enumerate(shown)
    )
    names = ", ".join(("row_number", *columns))
    selected = ", ".join(_column(column) for column in columns)
    return f"(SELECT {selected} FROM VALUES {values} AS rows({names}) WHERE row_number > 0)"


def _value(value: object) -> str:
    return "NULL" if value is None else sqltext.as_literal(str(value))


def _column(name: str) -> str:
    return f"CAST({name} AS {'INT' if name == 'ordinal_position' else 'STRING'}) AS {name}"


def _schemata(call: Call, catalog: str) -> Iterator[Row]:
    for schema in call.tools.catalog.schemas(catalog):
        yield {"catalog_name": catalog, "schema_name": schema}


def _seen_tables(call: Call, catalog: str) -> Iterator[Name]:
    held = call.tools.privileges
    for schema in call.tools.catalog.schemas(catalog):
        for name in call.tools.catalog.tables(catalog, schema):
            wanted = ("SELECT", "MODIFY")
            if any(held.lacking(call.session.principal, right, privileges.table(name)) is None for right in wanted):
                yield name


def _tables(call: Call, catalog: str) -> Iterator[Row]:
    for name in _seen_tables(call, catalog):
        yield {
            "table_catalog": name.catalog,
            "table_schema": name.schema,
            "table_name": name.object,
            "table_type": "MANAGED",
            "data_source_format": "DELTA",
        }


def _columns(call: Call, catalog: str) -> Iterator[Row]:
    for name in _seen_tables(call, catalog):
        schema = pa.schema(call.tools.catalog.delta(name).schema())
        for position, column in enumerate(schema):
            full = arrow_types.sql(column.type)
            yield {
                "table_catalog": name.catalog,
                "table_schema": name.schema,
                "table_name": name.object,
                "column_name": column.name,
                "ordinal_position": position,
                "is_nullable": "YES" if column.nullable else "NO",
                "full_data_type": full.lower(),
                "data_type": {"BIGINT": "LONG", "TINYINT": "BYTE", "SMALLINT": "SHORT"}.get(
                    full, re.split("[(<]", full)[0]
                ),
            }


def _volumes(call: Call, catalog: str) -> Iterator[Row]:
    for schema in call.tools.catalog.schemas(catalog):
        for name in call.tools.catalog.volumes(catalog, schema):
            if call.tools.privileges.lacking(call.session.principal, "READ VOLUME", privileges.volume(name)) is None:
                yield {
                    "volume_catalog": name.catalog,
                    "volume_schema": name.schema,
                    "volume_name": name.object,
                    "volume_type": "MANAGED",
                }


_TABLE = ("table_catalog", "table_schema", "table_name")
_VIEWS: dict[str, tuple[tuple[str, ...], Callable[[Call, str], Iterator[Row]]]] = {
    "schemata": (("catalog_name", "schema_name"), _schemata),
    "tables": ((*_TABLE, "table_type", "data_source_format"), _tables),
    "columns": (
        (*_TABLE, "column_name", "ordinal_position", "is_nullable", "full_data_type", "data_type"),
        _columns,
    ),
    "volumes": (("volume_catalog", "volume_schema", "volume_name", "volume_type"), _volumes),
}
