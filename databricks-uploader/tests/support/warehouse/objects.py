"""Schemas, volumes and rights.

https://docs.databricks.com/sql/language-manual/sql-ref-syntax-ddl-create-schema, …-create-volume, …/security-grant
"""

import re

import pyarrow as pa
from tests.support.warehouse import errors, privileges, sqltext
from tests.support.warehouse.naming import HIVE
from tests.support.warehouse.privileges import Securable
from tests.support.warehouse.statements import NOTHING, Call, Result, texts


def create_schema(call: Call) -> Result:
    """Make a schema."""
    catalog, schema = call.session.schema_name(call.found[2])
    tools = call.tools
    if tools.catalog.has_schema(catalog, schema):
        if call.found[1]:
            return NOTHING
        raise errors.SCHEMA_ALREADY_EXISTS.error(name=sqltext.quoted((catalog, schema)))
    tools.privileges.require(call.session.principal, "CREATE SCHEMA", privileges.catalog(catalog))
    call.run(f"CREATE SCHEMA {sqltext.quoted((catalog, schema))}")
    tools.catalog.add_schema(catalog, schema)
    tools.privileges.grant(call.session.principal, privileges.ALL_PRIVILEGES, privileges.schema(catalog, schema))
    return NOTHING


def drop_schema(call: Call) -> Result:
    """Remove a schema: an empty one, or with CASCADE any."""
    catalog, schema = call.session.schema_name(call.found[2])
    tools = call.tools
    if not tools.catalog.has_schema(catalog, schema) and call.found[1]:
        return NOTHING
    tools.catalog.require_schema(catalog, schema)
    tools.privileges.require(call.session.principal, privileges.ALL_PRIVILEGES, privileges.schema(catalog, schema))
    tables = tools.catalog.tables(catalog, schema)
    if (tables or tools.catalog.volumes(catalog, schema)) and not call.found[3]:
        raise errors.SCHEMA_NOT_EMPTY.error(name=sqltext.quoted((catalog, schema)))
    for table in tables:
        call.run(f"DROP TABLE {table.quoted}")
        tools.privileges.forget(privileges.table(table))
    for volume in tools.catalog.volumes(catalog, schema):
        tools.privileges.forget(privileges.volume(volume))
    call.run(f"DROP SCHEMA {sqltext.quoted((catalog, schema))}")
    tools.catalog.drop_schema(catalog, schema)
    tools.privileges.forget(privileges.schema(catalog, schema))
    return NOTHING


def create_volume(call: Call) -> Result:
    """Make a managed volume."""
    name, tools = call.session.name(call.found[2]), call.tools
    if name.catalog == HIVE:
        raise errors.UNSUPPORTED.error(what="a volume in hive_metastore: Unity Catalog alone has them")
    tools.catalog.require_schema(name.catalog, name.schema)
    place = privileges.schema(name.catalog, name.schema)
    tools.privileges.require(call.session.principal, "CREATE VOLUME", place)
    if tools.catalog.has_volume(name):
        if call.found[1]:
            return NOTHING
        raise errors.VOLUME_ALREADY_EXISTS.error(name=name.quoted)
    tools.catalog.add_volume(name)
    tools.privileges.grant(call.session.principal, privileges.ALL_PRIVILEGES, privileges.volume(name))
    return NOTHING


def drop_volume(call: Call) -> Result:
    """Remove a volume with its files."""
    name, tools = call.session.name(call.found[2]), call.tools
    if not tools.catalog.has_volume(name):
        if call.found[1]:
            return NOTHING
        raise errors.UC_VOLUME_NOT_FOUND.error(name=name.quoted)
    tools.privileges.require(call.session.principal, privileges.ALL_PRIVILEGES, privileges.volume(name))
    tools.catalog.drop_volume(name)
    tools.privileges.forget(privileges.volume(name))
    return NOTHING


def show_catalogs(call: Call) -> Result:
    """List the catalogs."""
    return texts(("catalog",), [(name,) for name in call.tools.catalog.names])


def show_schemas(call: Call) -> Result:
    """List the schemas of a catalog."""
    catalog = sqltext.parts(call.found[1])[0] if call.found[1] else call.session.catalog
    return texts(("databaseName",), [(name,) for name in call.tools.catalog.schemas(catalog)])


def show_tables(call: Call) -> Result:
    """List the tables of a schema, those whose names fit a pattern if there is one: * and |."""
    catalog, schema = call.session.schema_name(call.found[1]) if call.found[1] else call.place
    call.tools.catalog.require_schema(catalog, schema)
    pattern = sqltext.literals(call.sql)[0] if call.found[2] else "*"
    fits = re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\|", "|"), re.IGNORECASE)
    names = [name.object for name in call.tools.catalog.tables(catalog, schema) if fits.fullmatch(name.object)]
    columns = {
        "database": pa.array([schema] * len(names), pa.string()),
        "tableName": pa.array(names, pa.string()),
        "isTemporary": pa.array([False] * len(names), pa.bool_()),
    }
    return Result(pa.table(columns))


def show_volumes(call: Call) -> Result:
    """List the volumes of a schema."""
    catalog, schema = call.session.schema_name(call.found[1]) if call.found[1] else call.place
    call.tools.catalog.require_schema(catalog, schema)
    names = call.tools.catalog.volumes(catalog, schema)
    return texts(("database", "volume_name"), [(name.schema, name.object) for name in names])


def grant(call: Call) -> Result:
    """GRANT privileges ON securable TO principal."""
    on = _securable(call)
    _only_admins(call)
    for privilege in _privileges(call.found[1]):
        call.tools.privileges.grant(call.found[4].strip("`"), privilege, on)
    return NOTHING


def revoke(call: Call) -> Result:
    """REVOKE privileges ON securable FROM principal."""
    on = _securable(call)
    _only_admins(call)
    for privilege in _privileges(call.found[1]):
        call.tools.privileges.revoke(call.found[4].strip("`"), privilege, on)
    return NOTHING


def show_grants(call: Call) -> Result:
    """List what was granted on exactly one securable."""
    on = named(call, call.found[1], call.found[2])
    rows = [(g.principal, g.privilege, on.kind.upper(), on.name) for g in call.tools.privileges.of(on)]
    return texts(("Principal", "ActionType", "ObjectType", "ObjectKey"), rows)


def named(call: Call, kind: str, written: str) -> Securable:
    """Return the securable that `kind` and a written name mean. Raises WarehouseError if there is none."""
    kind, catalog = kind.upper().replace("DATABASE", "SCHEMA"), call.tools.catalog
    if kind == "CATALOG":
        catalog.schemas(sqltext.parts(written)[0])
        return privileges.catalog(sqltext.parts(written)[0])
    if kind == "SCHEMA":
        catalog.require_schema(*call.session.schema_name(written))
        return privileges.schema(*call.session.schema_name(written))
    name = call.session.name(written)
    if kind == "VOLUME":
        if not catalog.has_volume(name):
            raise errors.UC_VOLUME_NOT_FOUND.error(name=name.quoted)
        return privileges.volume(name)
    catalog.delta(name)
    return privileges.table(name)


def _securable(call: Call) -> Securable:
    return named(call, call.found[2] or "TABLE", call.found[3])


def _privileges(written: str) -> list[str]:
    return [" ".join(privilege.split()).upper() for privilege in written.split(",")]


def _only_admins(call: Call) -> None:
    if call.session.principal != privileges.ADMIN:
        raise errors.UNSUPPORTED.error(what="GRANT and REVOKE by anyone but the admin")
