"""Errors, sorted by what happens next; each says what happened and what the person at the keyboard can do."""

from typing import ClassVar

EXIT_BUG = 70
"""Exit code of anything that is not one of the errors below (sysexits.h: EX_SOFTWARE)."""


class UploaderError(Exception):
    """Something that a person can be told in one line; `hint` is what they can do about it.

    `discreet`: what to tell instead where `what` quotes others, who may have quoted values of rows.
    """

    exit_code: ClassVar[int]

    def __init__(self, what: str, *, hint: str, discreet: str | None = None) -> None:
        super().__init__(what)
        self.hint = hint
        self.discreet = discreet or what


class ConfigError(UploaderError):
    """A person must change a setting, or the thing that a setting names is not there."""

    exit_code = 2


class TransientError(UploaderError):
    """The same again later will do; nothing is lost."""

    exit_code = 75  # sysexits.h: EX_TEMPFAIL


class PermanentError(UploaderError):
    """Repeating can't help: the pipeline is parked until somebody acts; nothing is lost."""

    exit_code = 1


class StateError(UploaderError):
    """Going on could lose or double rows: our memory and the world disagree, and a person must choose."""

    exit_code = 3
