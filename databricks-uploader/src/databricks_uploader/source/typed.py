"""How values of each Delta type are read: what the driver must bring, and the check that makes it exact."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from arro3.compute import max as largest
from arro3.compute import min as smallest
from arro3.core import Array, DataType

from databricks_uploader.model.table import DeltaType

ARROW: Mapping[str, DataType] = {
    DeltaType.LONG: DataType.int64(),
    DeltaType.DOUBLE: DataType.float64(),
    DeltaType.STRING: DataType.utf8(),
    DeltaType.BINARY: DataType.binary(),
    DeltaType.BOOLEAN: DataType.bool(),
    DeltaType.DATE: DataType.date32(),
    DeltaType.TIMESTAMP: DataType.timestamp("us", tz="UTC"),
}
"""How each Delta type stands in our files."""


@dataclass(frozen=True)
class Way:
    """The way of one type from SQLite's values to an Arrow column."""

    literal: str
    """A value of the type in SQL, which pins the driver's inference."""
    as_read: DataType
    """What the driver brings when every value fits; it promotes a column that holds another storage class."""
    storage_class: str
    """What `typeof` says of values that fit."""
    check: Callable[[Array], Array | None]
    """Returns the typed column, None where a value does not fit."""
    hidden: bool = False
    """Whether the driver brings values of other classes as if they fitted."""


def _unchanged(column: Array) -> Array:
    return column


def _utf8(column: Array) -> Array | None:
    # Neither SQLite, nor the driver, nor Arrow looks whether text is UTF-8.
    return column if column.cast(DataType.binary()).cast(DataType.utf8()).null_count == column.null_count else None


def _parsed_as(kind: DataType) -> Callable[[Array], Array | None]:
    def check(column: Array) -> Array | None:
        typed = column.cast(kind)
        return typed if typed.null_count == column.null_count else None

    return check


def _boolean(column: Array) -> Array | None:
    if column.null_count < len(column) and not 0 <= smallest(column).as_py() <= largest(column).as_py() <= 1:
        return None
    return column.cast(DataType.bool())


WAYS: Mapping[str, Way] = {
    DeltaType.LONG: Way("0", DataType.int64(), "integer", _unchanged),
    DeltaType.DOUBLE: Way("0.0", DataType.float64(), "real", _unchanged),
    DeltaType.STRING: Way("''", DataType.utf8(), "text", _utf8),
    DeltaType.BINARY: Way("x''", DataType.binary(), "blob", _unchanged, hidden=True),
    DeltaType.BOOLEAN: Way("0", DataType.int64(), "integer", _boolean),
    DeltaType.DATE: Way("''", DataType.utf8(), "text", _parsed_as(ARROW[DeltaType.DATE])),
    DeltaType.TIMESTAMP: Way("''", DataType.utf8(), "text", _parsed_as(ARROW[DeltaType.TIMESTAMP])),
}
