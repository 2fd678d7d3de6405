"""Who is where: a session's current catalog and schema, and whole names made from written ones."""

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.warehouse import errors, sqltext

HIVE = "hive_metastore"
INFORMATION_SCHEMA = "information_schema"


class Name(NamedTuple):
    """A table or a volume by its three levels, in lower case.

    https://docs.databricks.com/sql/language-manual/sql-ref-names
    """

    catalog: str
    schema: str
    object: str

    def __str__(self) -> str:
        return ".".join(self)

    @property
    def quoted(self) -> str:
        """The name as SQL that takes every part literally."""
        return sqltext.quoted(self)


@dataclass
class Session:
    """What one client has set: changed by USE and SET, gone with the session."""

    principal: str
    catalog: str
    schema: str = "default"
    settings: dict[str, str] = field(default_factory=dict)

    def name(self, written: str) -> Name:
        """Return the whole name of a table or volume written with one to three parts."""
        found = sqltext.parts(written)
        if len(found) > 3:
            raise errors.PARSE_SYNTAX_ERROR.error(near=f"'{written}'")
        return Name(*(self.catalog, self.schema)[: 3 - len(found)], *found)

    def schema_name(self, written: str) -> tuple[str, str]:
        """Return catalog and schema of a schema written with one or two parts."""
        found = sqltext.parts(written)
        if len(found) > 2:
            raise errors.PARSE_SYNTAX_ERROR.error(near=f"'{written}'")
        return (found[0], found[1]) if len(found) == 2 else (self.catalog, found[0])
