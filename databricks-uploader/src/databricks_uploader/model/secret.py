"""Secrets: values that nothing prints."""

import re
from dataclasses import dataclass

MASK = "********"

_TOKEN = re.compile(r"(?<![A-Za-z0-9])(dapi|dose|dkea)[A-Za-z0-9-]{12,}|(?<=//)[^/@\s]+(?=@)")
"""What Databricks' own tokens and secrets begin with, and a password in front of a host."""


@dataclass(frozen=True, repr=False)
class Secret:
    """A token or password; only `reveal` gives it away."""

    _text: str

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def reveal(self) -> str:
        """Return the text, for the one who sends it."""
        return self._text


def masked(text: str) -> str:
    """Return `text` with everything in it that looks like a token masked, wherever a person put it by mistake."""
    return _TOKEN.sub(MASK, text)
