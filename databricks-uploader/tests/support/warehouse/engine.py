"""From a statement's text to what carries it out.

What Sail can do goes there as it came. What it can't is done by the modules named here; what neither does is refused by
name, so that nothing is true here only because it was ignored.
"""

import re
from collections.abc import Sequence
from typing import Any

from tests.support.warehouse import (
    copy_into,
    describe,
    dml,
    errors,
    objects,
    parameters,
    reading,
    sqltext,
    tables,
    use,
)
from tests.support.warehouse.naming import Session
from tests.support.warehouse.statements import Call, Handler, Result, Tools, rule

_IF_NOT = r"(IF NOT EXISTS )?"
_ON = r"(?:(CATALOG|SCHEMA|DATABASE|TABLE|VOLUME) )?NAME"
_RULES: tuple[tuple[re.Pattern[str], Handler], ...] = (
    rule(r"(?:SELECT\b|WITH\b|VALUES\b|EXPLAIN\b|\()", reading.query),
    rule(r"COPY INTO ", copy_into.copy_into),
    rule(r"INSERT (?:INTO|OVERWRITE) (?:TABLE )?NAME", dml.insert),
    rule(r"MERGE (?:WITH SCHEMA EVOLUTION )?INTO NAME", dml.merge),
    rule(r"UPDATE NAME", dml.update),
    rule(r"DELETE FROM NAME", dml.delete),
    rule(r"CREATE (?:OR REPLACE )?TABLE ", tables.create),
    rule(r"DROP TABLE (IF EXISTS )?NAME$", tables.drop),
    rule(r"ALTER TABLE NAME ADD COLUMNS? ?\(?", tables.add_columns),
    rule(r"ALTER TABLE NAME SET TBLPROPERTIES ?\(", tables.set_properties),
    rule(r"ALTER TABLE NAME CLUSTER BY ", tables.cluster),
    rule(r"ALTER TABLE NAME ADD (?:CONSTRAINT \S+ )?PRIMARY KEY", tables.add_key),
    rule(rf"CREATE (?:SCHEMA|DATABASE) {_IF_NOT}NAME$", objects.create_schema),
    rule(r"DROP (?:SCHEMA|DATABASE) (IF EXISTS )?NAME(?: RESTRICT| (CASCADE))?$", objects.drop_schema),
    rule(rf"CREATE VOLUME {_IF_NOT}NAME$", objects.create_volume),
    rule(r"DROP VOLUME (IF EXISTS )?NAME$", objects.drop_volume),
    rule(r"SHOW VOLUMES(?: (?:IN|FROM) NAME)?$", objects.show_volumes),
    rule(rf"GRANT ([A-Z, ]+) ON {_ON} TO (`[^`]+`|\w+)$", objects.grant),
    rule(rf"REVOKE ([A-Z, ]+) ON {_ON} FROM (`[^`]+`|\w+)$", objects.revoke),
    rule(r"SHOW GRANTS ON (CATALOG|SCHEMA|DATABASE|TABLE|VOLUME) NAME$", objects.show_grants),
    rule(r"USE CATALOG NAME$", use.use_catalog),
    rule(r"USE (?:SCHEMA |DATABASE )?NAME$", use.use_schema),
    rule(r"SET ([\w.]+) ?=", use.set_parameter),
    rule(r"(?:DESCRIBE|DESC) DETAIL NAME$", describe.detail),
    rule(r"(?:DESCRIBE|DESC) HISTORY NAME$", describe.history),
    rule(r"OPTIMIZE NAME$", describe.optimize),
    rule(r"(?:DESCRIBE|DESC) (?:TABLE )?(EXTENDED )?NAME$", describe.table),
    rule(r"SHOW COLUMNS (?:IN|FROM) NAME$", describe.columns),
    rule(r"SHOW CATALOGS$", objects.show_catalogs),
    rule(r"SHOW (?:SCHEMAS|DATABASES)(?: (?:IN|FROM) NAME)?$", objects.show_schemas),
    rule(r"SHOW TABLES(?: (?:IN|FROM) NAME)?( LIKE '_*')?$", objects.show_tables),
)
# First words of Databricks SQL (https://docs.databricks.com/sql/language-manual): one that no rule took is refused,
# any other first word is a syntax error.
_VERBS = re.compile(
    r"(?:ALTER|ANALYZE|BEGIN|CACHE|CALL|CLEAR|COMMENT|CONVERT|CREATE|DECLARE|DELETE|DESC|DESCRIBE|DROP|EXECUTE|FROM|FSCK"
    r"|GET|GRANT|INSERT|LIST|MERGE|MSCK|OPTIMIZE|PUT|REFRESH|REMOVE|REORG|REPAIR|RESET|RESTORE|REVOKE|SET|SHOW|SYNC"
    r"|TABLE|TRUNCATE|UNCACHE|UNDROP|UPDATE|USE|VACUUM)\b",
    re.IGNORECASE,
)


def execute(tools: Tools, session: Session, sql: str, bound: Sequence[Any] = ()) -> Result:
    """Carry out one statement. Raises WarehouseError, in Databricks' words, when it fails or isn't done here."""
    statement = parameters.bind(sqltext.without_comments(sql).strip().rstrip("; \n"), bound)
    head = sqltext.head(statement)
    for pattern, handler in _RULES:
        found = pattern.match(head)
        if found:
            with tools.sail.exclusive():  # what is looked up first must still hold when it is done
                return handler(Call(statement, session, tools, found))
    if _VERBS.match(head):
        raise errors.UNSUPPORTED.error(what=head[:80])
    raise errors.PARSE_SYNTAX_ERROR.error(near=f"'{head.split(' ')[0]}'")
