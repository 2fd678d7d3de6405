"""OAuth machine-to-machine, as far as a client without a browser needs it.

https://docs.databricks.com/dev-tools/auth/oauth-m2m; RFC 6749, section 4.4, and RFC 8414 for the discovery document.
"""

import base64
import binascii
from json import dumps
from urllib.parse import parse_qs

from tests.support.warehouse import errors
from tests.support.warehouse.http_server import Incoming, Outgoing
from tests.support.warehouse.identities import TOKEN_LIFE_S, Identities

DISCOVERY, TOKEN = "/oidc/.well-known/oauth-authorization-server", "/oidc/v1/token"


def discovery(base_url: str) -> Outgoing:
    """Say where tokens are given."""
    known = {
        "issuer": f"{base_url}/oidc",
        "token_endpoint": f"{base_url}{TOKEN}",
        "authorization_endpoint": f"{base_url}/oidc/v1/authorize",
        "grant_types_supported": ["client_credentials"],
    }
    return Outgoing(200, dumps(known).encode())


def token(identities: Identities, incoming: Incoming) -> Outgoing:
    """Give a token for an id and a secret, sent as Basic authentication or in the form. Raises WarehouseError."""
    form = {key: values[0] for key, values in parse_qs(incoming.body.read().decode()).items()}
    if form.get("grant_type") != "client_credentials":
        raise errors.BAD_GRANT_TYPE.error()
    client_id, secret = _basic(incoming.headers.get("Authorization", "")) or (
        form.get("client_id", ""),
        form.get("client_secret", ""),
    )
    given = identities.log_in(client_id, secret)
    known = {
        "access_token": given,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFE_S,
        "scope": form.get("scope", "all-apis"),
    }
    return Outgoing(200, dumps(known).encode())


def refused(error: errors.WarehouseError) -> Outgoing:
    """Say an error as RFC 6749 has it."""
    body = {"error": error.condition.name, "error_description": error.detail}
    return Outgoing(error.condition.http, dumps(body).encode())


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return client_id, secret
