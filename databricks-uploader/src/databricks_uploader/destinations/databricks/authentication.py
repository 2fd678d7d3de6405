"""Who we are to a workspace: a token that stays, one in a file that may change, or one that OAuth lends us."""

import json
import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlencode

import urllib3

from databricks_uploader.destinations.databricks.errors import error_of
from databricks_uploader.destinations.databricks.https import Https
from databricks_uploader.errors import ConfigError
from databricks_uploader.model.secret import Secret

_MARGIN_S = 120.0
"""A token is not used in its last two minutes: the service refuses it 30 s before its end, and a request takes time."""


class Credential(Protocol):
    """Gives the token of the next request."""

    def token(self) -> Secret:
        """Return the token that counts now."""
        ...

    def refused(self) -> bool:
        """Take note that the token was refused; tell whether another one may be had at once."""
        ...


def bearer(credential: Credential) -> dict[str, str]:
    """Return the header that says who we are."""
    return {"Authorization": f"Bearer {credential.token().reveal()}"}


class GivenToken:
    """A token by `read`, which is asked for every request: a file may hold another one by then."""

    def __init__(self, read: Callable[[], Secret]) -> None:
        self._read = read

    def token(self) -> Secret:
        """Return the token that counts now. Raises ConfigError where there is none."""
        try:
            return self._read()
        except ValueError as error:  # the texts of settings say what is wrong, and never the token
            raise ConfigError(f"databricks_token_file {error}", hint="put the token there; it is read again") from error

    def refused(self) -> bool:
        """Tell that there is no other."""
        return False


class ClientCredentials:
    """A service principal's tokens, each good for an hour.

    https://docs.databricks.com/dev-tools/auth/oauth-m2m; RFC 6749, section 4.4.
    """

    def __init__(self, https: Https, client_id: str, secret: Secret) -> None:
        self._https, self._client_id, self._secret = https, client_id, secret
        self._token: Secret | None = None
        self._until_s = 0.0

    def token(self) -> Secret:
        """Return a token, a new one where the last one is about to end."""
        if self._token is None or time.monotonic() > self._until_s:
            self._token, self._until_s = self._lent()
        return self._token

    def refused(self) -> bool:
        """Forget the token; a new one may be had."""
        had, self._token = self._token, None
        return had is not None

    def _lent(self) -> tuple[Secret, float]:
        asked = time.monotonic()
        headers = urllib3.make_headers(basic_auth=f"{self._client_id}:{self._secret.reveal()}")
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        form = urlencode({"grant_type": "client_credentials", "scope": "all-apis"})
        answer = self._https.send("POST", "/oidc/v1/token", headers, form.encode())
        if answer.status != 200:  # noqa: PLR2004  (OK)
            raise error_of("can't get a token for databricks_client_id", answer.text, answer.status)
        given = json.loads(answer.body)
        return Secret(str(given["access_token"])), asked + float(given.get("expires_in", 3600)) - _MARGIN_S
