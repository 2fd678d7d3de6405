"""What a column's Delta type means for rules: which kind of values it holds, and the bounds of exact numbers."""

from dataclasses import dataclass
from enum import Enum

from databricks_uploader.model.table import Column, DeltaType

_BITS: dict[DeltaType | None, int] = {
    DeltaType.BYTE: 8, DeltaType.SHORT: 16, DeltaType.INTEGER: 32, DeltaType.LONG: 64,
}  # fmt: skip


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


_KINDS: dict[DeltaType | None, Kind] = {
    **dict.fromkeys(_BITS, Kind.EXACT),
    DeltaType.DECIMAL: Kind.EXACT,
    DeltaType.FLOAT: Kind.FLOATING,
    DeltaType.DOUBLE: Kind.FLOATING,
    DeltaType.STRING: Kind.TEXT,
    DeltaType.BINARY: Kind.BYTES,
    DeltaType.BOOLEAN: Kind.BOOLEAN,
    DeltaType.DATE: Kind.DATE,
    DeltaType.TIMESTAMP: Kind.INSTANT,
    DeltaType.TIMESTAMP_NTZ: Kind.LOCAL_TIME,
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
    kind = _KINDS.get(Column("", delta_type).kind)
    if kind is None:
        raise ValueError(f"is {shown(delta_type)}, which rules can't be about")
    return kind


def exact(delta_type: str) -> Exact:
    """Return the bounds of a type of exact numbers."""
    column = Column("", delta_type)
    if column.kind in _BITS:
        limit = (1 << _BITS[column.kind] - 1) - 1
        return Exact(0, limit, -limit - 1)
    precision, scale = column.precision_and_scale
    limit = 10**precision - 1
    return Exact(scale, limit, -limit)


def shown(delta_type: str) -> str:
    """Return a type's name in Databricks SQL."""
    return Column("", delta_type).sql_type
