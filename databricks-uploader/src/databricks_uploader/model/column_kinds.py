"""What a column's Delta type means for rules: which kind of values it holds, and the bounds of exact numbers."""

import re
from dataclasses import dataclass
from enum import Enum

_INTEGERS = {"byte": 8, "short": 16, "integer": 32, "long": 64}
_DECIMAL = re.compile(r"decimal\((?P<precision>\d+), ?(?P<scale>\d+)\)")


class Kind(Enum):
    """Kinds of values; each holds types that rules treat alike."""

    EXACT = "exact numbers"
    FLOATING = "floating-point numbers"
    TEXT = "text"
    BYTES = "bytes"
    BOOLEAN = "true or false"
    DATE = "dates"
    INSTANT = "times in UTC"
    LOCAL_TIME = "times without a zone"


_KINDS = {
    "float": Kind.FLOATING,
    "double": Kind.FLOATING,
    "string": Kind.TEXT,
    "binary": Kind.BYTES,
    "boolean": Kind.BOOLEAN,
    "date": Kind.DATE,
    "timestamp": Kind.INSTANT,
    "timestamp_ntz": Kind.LOCAL_TIME,
}


@dataclass(frozen=True)
class Exact:
    """Numbers with `scale` decimals: integers of `bits` bits, or decimals of `precision` digits."""

    scale: int
    limit: int
    """The largest one, in units of the last decimal; the smallest is its opposite, for integers one less."""
    least: int

    @property
    def whole_numbers(self) -> bool:
        """Whether they have no decimals."""
        return self.scale == 0


def kind_of(delta_type: str) -> Kind:
    """Return the kind of a Delta type by its name in the protocol; ValueError where rules can't be about it."""
    if delta_type in _INTEGERS or _DECIMAL.fullmatch(delta_type):
        return Kind.EXACT
    if delta_type not in _KINDS:
        raise ValueError(f"is {delta_type.upper()}, which rules can't be about")
    return _KINDS[delta_type]


def exact(delta_type: str) -> Exact:
    """Return the bounds of a type of exact numbers."""
    if delta_type in _INTEGERS:
        limit = (1 << _INTEGERS[delta_type] - 1) - 1
        return Exact(0, limit, -limit - 1)
    found = _DECIMAL.fullmatch(delta_type)
    if found is None:
        raise ValueError(f"no exact numbers: {delta_type}")
    limit = 10 ** int(found["precision"]) - 1
    return Exact(int(found["scale"]), limit, -limit)


_SQL = {"byte": "TINYINT", "short": "SMALLINT", "integer": "INT", "long": "BIGINT"}


def shown(delta_type: str) -> str:
    """Return a type's name in Databricks SQL."""
    return _SQL.get(delta_type, delta_type.upper())
