"""Statements on a SQL warehouse or cluster, through the vendor's connector with its traps taken out.

The connector sends a request again by itself when its answer was lost, INSERT included, sleeps a minute where it was
told to come back in a second, and lets errors of urllib3 out. Here it never sends anything twice; every statement
that comes here may be sent again, and is, by the loop or, while the compute starts, by `Session`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, TypeVar

import urllib3
from databricks.sql.client import Connection, Cursor
from databricks.sql.exc import Error as ConnectorError
from databricks.sql.exc import MaxRetryDurationError, ServerOperationError

from databricks import sql
from databricks_uploader.destinations.databricks.authentication import Credential, bearer
from databricks_uploader.destinations.databricks.errors import (
    OTHERWISE,
    SessionGoneError,
    StartingError,
    TokenRefusedError,
    error_of,
    http_status,
)
from databricks_uploader.destinations.databricks.https import AGENT
from databricks_uploader.errors import TransientError, UploaderError
from databricks_uploader.events import Tell, Waiting
from databricks_uploader.model.workspace import Workspace
from databricks_uploader.ports import Clock

_T = TypeVar("_T")
_LIBRARY_ERRORS = (ConnectorError, urllib3.exceptions.HTTPError, OSError)
_NEVER_AGAIN = {
    # A first pause of a minute within a second: so no request is sent again. There is no knob that says just that.
    "_retry_delay_min": 60.0,
    "_retry_delay_max": 60.0,
    "_retry_stop_after_attempts_count": 1,
    "_retry_stop_after_attempts_duration": 1.0,
    "_socket_timeout": 60.0,
    "enable_telemetry": False,
}
_LONGEST_START_S = 600.0
_LONGEST_PAUSE_S = 5.0
_LONGEST_STATEMENT_S = 3_600.0
_MOST_LOOKS_AFTER_CANCEL = 60
_ASKED_AGAIN_AFTER_S = (0.2, 1.0, 3.0)
"""The pauses between attempts to ask how a statement goes."""


class Session:
    """Connected by its first statement, until `close`; the next statement connects again."""

    def __init__(self, workspace: Workspace, credential: Credential, clock: Clock, tell: Tell) -> None:
        self._workspace, self._credential = workspace, credential
        self._clock, self._tell = clock, tell
        self._connection: Connection | None = None

    def execute(self, statement: str) -> None:
        """Run a statement to its end: it is FINISHED when this returns.

        Raises TransientError where that isn't known; then it was cancelled, if it could be.
        """
        self._patiently(statement, self._finished)

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Return the rows of a query, each by the names of its columns; at most some ten thousand.

        There may be fewer, or none, than there are: where a request for them was doubled on the way.
        """
        return self._patiently(statement, self._rows)

    def close(self) -> None:
        """Close the connection; a session that can't be told of it ends by itself."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*_LIBRARY_ERRORS):
                connection.close()

    def _patiently(self, statement: str, run: Callable[[Cursor, str], _T]) -> _T:
        """Run, waiting while the compute starts; a session that has ended is opened again once."""
        waited_s, pause_s, again = 0.0, 0.5, True
        while True:
            try:
                return self._run(statement, run)
            except StartingError as error:
                self.close()
                if waited_s >= _LONGEST_START_S or self._clock.wait(pause_s):
                    raise TransientError(str(error), hint=error.hint) from error
                waited_s, pause_s = waited_s + pause_s, min(2 * pause_s, _LONGEST_PAUSE_S)
                self._tell(Waiting(str(self._workspace.http_path), waited_s))
            except SessionGoneError:
                self.close()
                if not again:
                    raise
                again = False
            except BaseException:
                self.close()
                raise

    def _run(self, statement: str, run: Callable[[Cursor, str], _T]) -> _T:
        doing = f"{self._workspace.host} on {' '.join(statement.split()[:2])}"
        with self._translated(doing), closing(self._connected().cursor()) as cursor:
            return run(cursor, statement)

    def _rows(self, cursor: Cursor, statement: str) -> list[dict[str, Any]]:
        return [row.asDict() for row in cursor.execute(statement).fetchall()]

    def _finished(self, cursor: Cursor, statement: str) -> None:
        """Return when the statement is FINISHED, which only its state says: a cancelled one gives empty results."""
        cursor.execute_async(statement)
        self._wait_for(cursor)

    def _wait_for(self, cursor: Cursor) -> None:
        pause_s, until_s = 0.02, time.monotonic() + _LONGEST_STATEMENT_S
        while True:
            state = self._state(cursor)
            if state == "SUCCEEDED":
                return
            if state not in {"PENDING", "RUNNING"}:
                what = f"the statement was {state.lower()} at {self._workspace.host}"
                raise TransientError(what, hint=OTHERWISE.hint)
            if time.monotonic() > until_s:
                self._cancel(cursor)
                raise TransientError(f"a statement took over an hour at {self._workspace.host}", hint=OTHERWISE.hint)
            self._clock.wait(pause_s)
            pause_s = min(2 * pause_s, 1.0)

    def _state(self, cursor: Cursor) -> str:
        for pause_s in _ASKED_AGAIN_AFTER_S:
            try:
                return str(cursor.get_query_state().name)
            except _LIBRARY_ERRORS as error:
                # What has failed stays failed; whether it goes on is asked again where only the answer was lost.
                if isinstance(error, ServerOperationError) or not self._may_be_asked_again(_ours("", error)):
                    raise
            self._clock.wait(pause_s)
        try:
            return str(cursor.get_query_state().name)
        except _LIBRARY_ERRORS:
            self._cancel(cursor)
            raise

    def _may_be_asked_again(self, error: UploaderError) -> bool:
        """Tell whether the statement may go on all the same, its session and we being who we are."""
        if isinstance(error, TokenRefusedError):
            return self._has_another_token()
        return isinstance(error, TransientError) and not isinstance(error, SessionGoneError)

    def _has_another_token(self) -> bool:
        """Tell whether a token may be had in place of one that was refused; then the next request asks for it."""
        if not self._credential.refused():
            return False
        if self._connection is not None:
            # The connector keeps the first token of a connection for an hour, whatever we would give it for a request.
            kept: Any = self._connection.session.auth_provider
            kept._cached_token = None  # noqa: SLF001
        return True

    def _cancel(self, cursor: Cursor) -> None:
        """Cancel the statement and see it ended, as far as the workspace answers: it will be sent again."""
        with suppress(*_LIBRARY_ERRORS):
            cursor.cancel()
            for _ in range(_MOST_LOOKS_AFTER_CANCEL):
                if not cursor.is_query_pending() or self._clock.wait(1.0):
                    return

    def _connected(self) -> Connection:
        if self._connection is None:
            host = self._workspace.host
            more = {} if host.port is None else {"_port": host.port}
            with self._translated(f"can't connect to {self._workspace.host}"):
                self._connection = sql.connect(
                    server_hostname=host.name,
                    http_path=self._workspace.http_path.path,
                    credentials_provider=lambda: lambda: bearer(self._credential),
                    user_agent_entry=AGENT,
                    **_NEVER_AGAIN,
                    **more,
                )
        return self._connection

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except _LIBRARY_ERRORS as error:
            ours = _ours(doing, error)
            if isinstance(ours, TokenRefusedError) and self._has_another_token():
                raise SessionGoneError(str(ours), hint=ours.hint) from error
            raise ours from error


def _ours(doing: str, error: Exception) -> UploaderError:
    for cause in error.args:
        if isinstance(cause, UploaderError):  # there was no token for the request
            return cause
        # What cut the connection, where it was not to be tried again; without it, an answer said: not now.
        if isinstance(cause, MaxRetryDurationError) and cause.__context__ is not None:
            return error_of(doing, str(cause.__context__))
    status = http_status(error.context) if isinstance(error, ConnectorError) else 0
    return error_of(doing, str(error), status)
