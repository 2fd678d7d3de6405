"""Schemas, volumes and rights.

https://docs.databricks.com/sql/language-manual/sql-ref-syntax-ddl-create-schema, …-create-volume, …/security-grant
"""

import pyarrow as pa
from tests.support.warehouse import errors, privileges, sqltext
from tests.support.warehouse.naming import HIVE
from tests.support.warehouse.privileges import Securable
from tests.support.warehouse.statements import NOTHING, Call, Result


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


def show_volumes(call: Call) -> Result:
    """List the volumes of a schema."""
    catalog, schema = call.session.schema_name(call.found[1]) if call.found[1] else call.place
    call.tools.catalog.require_schema(catalog, schema)
    names = [name.object for name in call.tools.catalog.volumes(catalog, schema)]
    columns = {"database": [schema] * len(names), "volume_name": names}
    return Result(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))


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
    columns = ("Principal", "ActionType", "ObjectType", "ObjectKey")
    arrays = {name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(columns)}
    return Result(pa.table(arrays))


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
