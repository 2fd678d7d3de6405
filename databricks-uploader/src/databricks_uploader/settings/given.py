"""What a person gave: each value as it was written, and where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from databricks_uploader.model.secret import masked
from databricks_uploader.settings.kinds import Tree
from databricks_uploader.settings.model import Key


class Source(IntEnum):
    """Where settings come from; the greater one wins."""

    PROFILE = 0
    YAML = 1
    ENV_FILE = 2
    ENVIRONMENT = 3
    FLAG = 4


@dataclass(frozen=True, order=True)
class Place:
    """Where something was written, ordered as a person would look through them."""

    source: Source
    line: int
    label: str


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where; without a place, something is missing."""

    place: Place
    text: str

    def told(self, width: int = 0) -> str:
        """Return place and text in one line; the text begins after `width` and a space where there is a place."""
        return masked(f"{self.place.label + ':':<{width + 1}} {self.text}" if self.place.label else self.text)


@dataclass(frozen=True)
class Given:
    """A value of one setting."""

    key: Key
    name: str
    """The name that was used for it, one of `key.names`."""
    value: Tree = field(repr=False)
    place: Place
    written: str | None = field(default=None, repr=False)
    """The value's text before variables in it were expanded, where that is another one."""
    folder: Path | None = None
    """What a relative path is relative to, where that is not the working directory."""
    file: Path | None = None
    """The file that holds the value itself, not a reference to it."""
    faults: tuple[Fault, ...] = ()
    """What is wrong with how the value was written; told only if the value counts."""
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)
    """The lines of the parts of a mapping or list."""

    def place_of(self, inside: tuple[str | int, ...]) -> Place:
        """Return the place of a part of a mapping or list."""
        line = self.lines.get(inside)
        if line is None or self.place.source != Source.YAML:
            return self.place
        return Place(Source.YAML, line, f"{self.place.label.rpartition(':')[0]}:{line}")


MISSING = Place(Source.FLAG, 1 << 30, "")
"""The place of what is not there: after all others."""
