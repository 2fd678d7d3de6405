"""What every kind of statement gets and gives."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from tests.support.warehouse import sqltext
from tests.support.warehouse.catalog import Catalog
from tests.support.warehouse.naming import Session
from tests.support.warehouse.privileges import Privileges
from tests.support.warehouse.sail import Sail
from tests.support.warehouse.unsettled import Unsettled


@dataclass(frozen=True)
class Tools:
    """What statements work with."""

    catalog: Catalog
    sail: Sail
    privileges: Privileges
    unsettled: Unsettled


@dataclass(frozen=True)
class Call:
    """One statement of one session; `found` is what the rule that recognised it matched in its head."""

    sql: str
    session: Session
    tools: Tools
    found: re.Match[str]

    @property
    def place(self) -> tuple[str, str]:
        """The session's current catalog and schema."""
        return (self.session.catalog, self.session.schema)

    def run(self, sql: str) -> pa.Table:
        """Hand a statement to the engine where the session stands."""
        return self.tools.sail.sql(sql, self.place)


@dataclass(frozen=True)
class Result:
    """What a statement answers: rows, and how many it changed where it changes any (`cursor.rowcount`)."""

    rows: pa.Table = field(default_factory=lambda: pa.table({}))
    changed: int | None = None


Handler = Callable[[Call], Result]
NOTHING = Result()


def counted(counts: Mapping[str, int], changed: int) -> Result:
    """Answer one row of counts."""
    return Result(pa.table({name: pa.array([count], pa.int64()) for name, count in counts.items()}), changed)


def texts(names: Sequence[str], rows: Sequence[Sequence[str | None]]) -> Result:
    """Answer rows of strings."""
    arrays = [pa.array([row[at] for row in rows], pa.string()) for at in range(len(names))]
    return Result(pa.table(dict(zip(names, arrays, strict=True))))


def rule(pattern: str, handler: Handler) -> tuple[re.Pattern[str], Handler]:
    """Pair a pattern over a statement's head with what carries it out; NAME in it stands for a written name."""
    return re.compile(pattern.replace("NAME", f"({sqltext.NAME})"), re.IGNORECASE), handler
