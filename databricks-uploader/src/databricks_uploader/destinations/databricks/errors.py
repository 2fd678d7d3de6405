"""What a workspace says when something is wrong, and which of our errors that is: one table.

Classes and SQLSTATEs are those of https://docs.databricks.com/error-messages/error-classes. The connector has neither
as an attribute; both stand in the message (`[CLASS.SUBCLASS] … SQLSTATE: 42P01`, older: `CLASS: …`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from databricks_uploader.errors import (
    ConfigError,
    PermanentError,
    TransientError,
    UploaderError,
)
from databricks_uploader.model.secret import masked

_CLASS = re.compile(r"\[([A-Z][A-Z0-9_]+)[A-Z0-9_.]*\]|\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b(?=:|$)")
_SQLSTATE = re.compile(r"SQLSTATE:? ?(\w{5})")
_LONGEST = 400


class StartingError(TransientError):
    """The compute is on its way up, or too busy; the same statement is sent again after a pause."""


class TokenRefusedError(ConfigError):
    """The token is not accepted; a new one may be."""


class TableMissingError(ConfigError):
    """The table is not there, or hidden from us."""


class SessionGoneError(TransientError):
    """The session has ended; another one will do."""


@dataclass(frozen=True)
class Meaning:
    """What some answers mean. The first row of the table that knows an answer decides."""

    what: str
    error: type[UploaderError]
    hint: str
    words: tuple[str, ...] = ()
    """Parts of messages, compared without case."""
    classes: tuple[str, ...] = ()
    """Beginnings of error classes."""
    sqlstates: tuple[str, ...] = ()
    """Beginnings of SQLSTATEs."""
    statuses: tuple[int, ...] = ()
    """HTTP statuses."""

    def covers(self, message: str, classes: set[str], sqlstate: str, status: int) -> bool:
        """Tell whether an answer is meant."""
        return (
            any(word.lower() in message.lower() for word in self.words)
            or any(given.startswith(known) for given in classes for known in self.classes)
            or any(sqlstate.startswith(known) for known in self.sqlstates if sqlstate)
            or status in self.statuses
        )


MEANINGS = (
    Meaning(
        "the token is not accepted, or has expired", TokenRefusedError,
        "give a token that is valid (DATABRICKS_TOKEN, or databricks_token_file, which is read again)",
        words=("invalid access token", "token is expir", "token expired", "credential was not sent", "invalid_client"),
        statuses=(401,),
    ),
    Meaning(
        "the session has ended", SessionGoneError, "another one is opened",
        words=("invalid sessionhandle", "invalid operationhandle", "unexpectedly closed server side"),
    ),
    Meaning(
        "the compute is starting, or too busy", StartingError, "it is tried again; a classic warehouse takes minutes",
        words=("has not been initialized", "would exceed retry policy"),
        classes=("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
        statuses=(429, 503),
    ),
    Meaning(
        "a right is missing", PermanentError,
        "grant it: docs/databricks.md lists what the uploader needs",
        classes=("INSUFFICIENT_PERMISSIONS", "PERMISSION_DENIED", "UNAUTHORIZED_ACCESS"), sqlstates=("42501",),
    ),
    Meaning(
        "the table is not there, or we may not see it", TableMissingError,
        "create it, grant rights on it, or correct databricks_database or databricks_table",
        classes=("TABLE_OR_VIEW_NOT_FOUND", "DELTA_TABLE_NOT_FOUND", "DELTA_MISSING_DELTA_TABLE"), sqlstates=("42P01",),
    ),
    Meaning(
        "a schema, catalog, volume or warehouse is not there", ConfigError,
        "create it, or correct databricks_http_path, databricks_database or databricks_volume",
        classes=(
            "SCHEMA_NOT_FOUND", "NO_SUCH_CATALOG", "UC_VOLUME_NOT_FOUND", "RESOURCE_DOES_NOT_EXIST",
            "ENDPOINT_NOT_FOUND",
        ),
        sqlstates=("42704",), statuses=(404,),
    ),
    Meaning(
        "a staged file has gone", TransientError, "it is put there again", words=("file does not exist",),
    ),
    Meaning(
        "somebody has just created it", TransientError, "it is looked at again",
        classes=("TABLE_OR_VIEW_ALREADY_EXISTS",), sqlstates=("42P07",),
    ),
    Meaning(
        "another writer was faster, or a statement before is still running", TransientError, "it is tried again",
        classes=("DELTA_CONCURRENT", "TRANSACTION_CONCURRENT"), sqlstates=("2D521", "25000", "55019"),
    ),
    Meaning(
        "the rows do not fit the table", PermanentError,
        "give the table the columns and types that the rows have (the message names them)",
        classes=("COPY_INTO_SCHEMA_MISMATCH", "DELTA_FAILED_TO_MERGE_FIELDS", "UNRESOLVED_COLUMN", "DATATYPE_MISMATCH"),
        sqlstates=("42KDG", "22", "42703", "21S01"),
    ),
    Meaning(
        "a constraint of the table forbids the rows", PermanentError, "drop the constraint, or load into another table",
        sqlstates=("23",),
    ),
    Meaning(
        "a staged file can't be read", PermanentError, "see what happened to the volume; the rows are in the spool",
        classes=("FAILED_READ_FILE", "COPY_INTO_SOURCE_SCHEMA_INFERENCE_FAILED"), sqlstates=("KD001", "42KD9"),
    ),
    Meaning(
        "the statement is not understood", PermanentError,
        "is it a SQL warehouse or a cluster with Unity Catalog? Else please report it",
        sqlstates=("42", "0A"),
    ),
    Meaning("the workspace refuses us", TokenRefusedError, "check token, rights and IP access lists", statuses=(403,)),
)  # fmt: skip
OTHERWISE = Meaning(
    "anything else: the network, a proxy, the service", TransientError, "it is tried again; nothing is lost"
)


def meaning(message: str, status: int = 0) -> Meaning:
    """Return what an answer means: its text, and its HTTP status where it has one."""
    classes = {bracketed or plain for bracketed, plain in _CLASS.findall(message)}
    found = _SQLSTATE.search(message)
    sqlstate = found[1] if found else ""
    known = (row for row in MEANINGS if row.covers(message, classes, sqlstate, status))
    return next(known, OTHERWISE)


def error_of(doing: str, message: str, status: int = 0) -> UploaderError:
    """Return our error for an answer; `doing` begins its text."""
    known = meaning(message, status)
    told = " ".join(masked(message).split())
    shown = told if len(told) <= _LONGEST else told[:_LONGEST] + "…"
    code = f" (HTTP {status})" if status else ""
    plain = f"{doing}: {known.what}{code}"
    classes = sorted({bracketed or word for bracketed, word in _CLASS.findall(message)})
    discreet = f"{plain} ({', '.join(classes)})" if classes else plain
    return known.error(f"{plain}: {shown}" if shown else plain, hint=known.hint, discreet=discreet)


def http_status(context: Mapping[str, object]) -> int:
    """Return the HTTP status in the context of a connector's error; 0 where there is none that says something."""
    status = context.get("http-code")
    return status if isinstance(status, int) and status >= 400 else 0  # noqa: PLR2004  (where errors begin)
