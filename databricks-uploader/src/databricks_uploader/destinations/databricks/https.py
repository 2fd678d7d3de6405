"""Requests to a workspace's REST end points, by the environment's proxies and certificate authorities.

TLS is always verified: against the system's authorities, or those of SSL_CERT_FILE or SSL_CERT_DIR, which OpenSSL
reads by itself. Proxies are those of HTTPS_PROXY and NO_PROXY, as for the connector.
"""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO
from urllib.parse import unquote, urlsplit

import urllib3

from databricks_uploader import __version__
from databricks_uploader.errors import TransientError
from databricks_uploader.model.secret import masked
from databricks_uploader.model.workspace import Host

AGENT = f"databricks-uploader/{__version__}"
_TIMEOUT = urllib3.Timeout(connect=20, read=60)  # of one step on the socket, not of a whole upload
# Every request here may be sent again: what it does twice, it did once.
_RETRIES = urllib3.Retry(
    total=2,
    allowed_methods=None,
    status_forcelist=(429, 502, 503, 504),
    backoff_factor=0.2,
    respect_retry_after_header=False,  # it may be minutes; the loop waits, where SIGTERM is heard
    raise_on_status=False,
)


@dataclass(frozen=True)
class Reply:
    """An answer that was read whole."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """What it says of an error: code and message, else the body."""
        try:
            told = json.loads(self.body)
            parts = [told.get(key) for key in ("error_code", "message", "error", "error_description")]
            return ": ".join(str(part) for part in parts if part)
        except (ValueError, AttributeError):
            return self.body[:500].decode(errors="replace")


class Https:
    """One host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._pool = _pool(host.name)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: IO[bytes] | bytes | None = None) -> Reply:
        """Send a request and read the answer. Raises TransientError where none comes."""
        with self.answer(method, path, headers, body) as answer:
            try:
                return Reply(answer.status, answer.read())
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise self._unreachable(error) from error

    def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: IO[bytes] | bytes | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, `path` being encoded already; the answer's body is still to be read, in pieces if one likes.

        A body that is a file must come with its Content-Length: it is streamed then, else it would go in chunks.
        """
        try:
            return self._pool.request(
                method,
                f"https://{self.host}{path}",
                headers={"User-Agent": AGENT, **headers},
                body=body,
                timeout=_TIMEOUT,
                retries=_RETRIES,
                redirect=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Close what is open."""
        self._pool.clear()

    def _unreachable(self, error: Exception) -> TransientError:
        reason = getattr(error, "reason", None) or error
        return TransientError(
            f"no answer from {self.host}: {masked(str(reason))}",
            hint="check the network, proxy (HTTPS_PROXY) and certificate authority (SSL_CERT_FILE); it is tried again",
        )


def _pool(host: str) -> urllib3.PoolManager:
    proxy = urllib.request.getproxies().get("https")
    if not proxy or urllib.request.proxy_bypass(host):
        return urllib3.PoolManager(maxsize=1)
    user = urlsplit(proxy)
    known = f"{unquote(user.username or '')}:{unquote(user.password or '')}"
    login = urllib3.make_headers(proxy_basic_auth=known) if user.username else None
    return urllib3.ProxyManager(proxy, proxy_headers=login, maxsize=1)
