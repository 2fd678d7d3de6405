"""USE and SET: what a session stands on.

https://docs.databricks.com/sql/language-manual/sql-ref-syntax-aux-use-catalog, …-ddl-use-schema; the parameters that a
SQL warehouse lets a session set: https://docs.databricks.com/sql/language-manual/sql-ref-parameters
"""

from tests.support.warehouse import errors, sqltext
from tests.support.warehouse.statements import NOTHING, Call, Result

# As they are set here anyway; a warehouse takes other values too, this one doesn't.
_FIXED = {"ANSI_MODE": "true", "TIMEZONE": "utc", "LEGACY_TIME_PARSER_POLICY": "exception"}
_FREE = {"STATEMENT_TIMEOUT", "USE_CACHED_RESULT", "QUERY_TAGS", "MAX_FILE_PARTITION_BYTES"}


def use_catalog(call: Call) -> Result:
    """Move to the schema `default` of a catalog."""
    catalog = sqltext.parts(call.found[1])[0]
    call.tools.catalog.schemas(catalog)
    call.session.catalog, call.session.schema = catalog, "default"
    return NOTHING


def use_schema(call: Call) -> Result:
    """Move to a schema, of the current catalog or of the one named."""
    catalog, schema = call.session.schema_name(call.found[1])
    call.tools.catalog.require_schema(catalog, schema)
    call.session.catalog, call.session.schema = catalog, schema
    return NOTHING


def set_parameter(call: Call) -> Result:
    """Set one of the parameters that a warehouse knows."""
    name, value = call.found[1].upper(), call.sql.partition("=")[2].strip().strip("'\"")
    if name not in _FREE and name not in _FIXED:
        raise errors.CONFIG_NOT_AVAILABLE.error(name=call.found[1])
    if _FIXED.get(name, value.lower()) != value.lower():
        raise errors.UNSUPPORTED.error(what=f"SET {name} = {value}")
    call.session.settings[name] = value
    return NOTHING
