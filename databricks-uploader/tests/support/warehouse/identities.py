"""Principals, their tokens and secrets: OAuth machine-to-machine and personal access tokens.

https://docs.databricks.com/dev-tools/auth/oauth-m2m: POST /oidc/v1/token, client_credentials, Basic authentication,
`expires_in` 3600. Neither is written to disk: a new warehouse in the same folder has new ones.
"""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.warehouse import errors
from tests.support.warehouse.privileges import ADMIN

TOKEN_LIFE_S = 3600
# A token is refused this long before its time is over (databricks-vscode issue 583).
EARLY_S = 30


@dataclass(frozen=True)
class Credentials:
    """What a service principal logs in with."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class _Token:
    principal: str
    expires: float | None


class Identities:
    """Who is known here."""

    def __init__(self, clock: Callable[[], float], expired_status: int) -> None:
        self._clock, self._expired_status = clock, expired_status
        self._lock = threading.Lock()
        self._tokens: dict[str, _Token] = {}
        self._secrets: dict[Credentials, str] = {}
        self.admin_token = self.token(ADMIN)

    def token(self, principal: str) -> str:
        """Make a personal access token, which lasts."""
        return self._add(f"dapi{secrets.token_hex(16)}", _Token(principal, None))

    def service_principal(self, principal: str) -> Credentials:
        """Make a service principal's id and secret."""
        made = Credentials(f"client-{principal}", secrets.token_hex(16))
        with self._lock:
            self._secrets[made] = principal
        return made

    def log_in(self, client_id: str, client_secret: str) -> str:
        """Give an OAuth token for an id and a secret. Raises WarehouseError if they don't fit."""
        with self._lock:
            principal = self._secrets.get(Credentials(client_id, client_secret))
        if principal is None:
            raise errors.BAD_CLIENT.error()
        return self._add(f"eyJ{secrets.token_urlsafe(32)}", _Token(principal, self._clock() + TOKEN_LIFE_S))

    def expire(self, token: str) -> None:
        """Let a token's time be over."""
        with self._lock:
            if token in self._tokens:
                self._tokens[token] = _Token(self._tokens[token].principal, self._clock())

    def principal(self, authorization: str) -> str:
        """Return whose token an `Authorization` header holds. Raises WarehouseError if nobody's, or an expired one."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise errors.NO_CREDENTIAL.error()
        with self._lock:
            known = self._tokens.get(token)
        if known is None:
            raise errors.BAD_TOKEN.error()
        if known.expires is not None and known.expires - EARLY_S <= self._clock():
            raise errors.TOKEN_EXPIRED[self._expired_status].error()
        return known.principal

    def _add(self, token: str, known: _Token) -> str:
        with self._lock:
            self._tokens[token] = known
        return token
