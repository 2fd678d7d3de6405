"""HTTP/1.1 on a socket of 127.0.0.1, with or without TLS: reads whole requests, writes answers or parts of them."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import unquote, urlsplit

_IN_MEMORY = 1 << 20
_BLOCK = 1 << 16
_HANDSHAKE_S = 10


@dataclass
class Incoming:
    """A whole request. `body` stands at its beginning; `principal` is filled in once it is known."""

    method: str
    path: str
    query: str
    headers: Message
    body: IO[bytes]
    size: int
    principal: str = ""


@dataclass(frozen=True)
class Outgoing:
    """An answer. `cut`: how many bytes of the body are sent before the connection is cut; None, all and no cut."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    cut: int | None = None


Answering = Callable[[Incoming], Outgoing | None]


class HttpServer:
    """Listens at once; `close` ends every connection."""

    def __init__(self, answering: Answering, tls: ssl.SSLContext | None, port: int = 0) -> None:
        self._server = _Server(answering, tls, port)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, cut what is connected, wait for what is being answered."""
        self._server.shutdown()
        self._thread.join()
        self._server.cut_all()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them
    request_queue_size = 128

    def __init__(self, answering: Answering, tls: ssl.SSLContext | None, port: int) -> None:
        self.answering, self.tls = answering, tls
        self.connections: set[socket] = set()
        self.closing = False
        super().__init__(("127.0.0.1", port), _Connection)

    def cut_all(self) -> None:
        self.closing = True
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave a client that hung up, or distrusts the certificate, to itself."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        if self.server.tls:
            # Here and not where connections are accepted: a client that stalls its handshake stalls nobody else.
            self.request.settimeout(_HANDSHAKE_S)
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            self.request.settimeout(None)
        self.server.connections.add(self.request)
        super().setup()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.server.connections.discard(self.request)
        self.request.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Write nothing: the record has it."""

    def answer(self) -> None:
        """Answer one request; whatever the method, the one who answers decides."""
        split = urlsplit(self.path)
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
            size = self._read(body)
            if size is None:  # the client went away in the middle
                self.close_connection = True
                return
            body.seek(0)
            incoming = Incoming(self.command, unquote(split.path), split.query, self.headers, body, size)
            outgoing = self.server.answering(incoming)
        if outgoing is None or self.server.closing:
            self.close_connection = True
            return
        self._write(outgoing)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - names that the base class calls

    def _read(self, body: IO[bytes]) -> int | None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks(body)
        length = int(self.headers.get("Content-Length") or 0)
        return length if self._copy(body, length) else None

    def _read_chunks(self, body: IO[bytes]) -> int | None:
        total = 0
        while True:
            line = self.rfile.readline().split(b";")[0].strip()
            if not line:
                return None
            length = int(line, 16)
            if not self._copy(body, length):
                return None
            self.rfile.readline()
            total += length
            if length == 0:
                return total

    def _copy(self, body: IO[bytes], length: int) -> bool:
        while length:
            block = self.rfile.read(min(_BLOCK, length))
            if not block:
                return False
            body.write(block)
            length -= len(block)
        return True

    def _write(self, outgoing: Outgoing) -> None:
        self.send_response(outgoing.status)
        self.send_header("Content-Type", outgoing.content_type)
        headers = {"Content-Length": str(len(outgoing.body)), **outgoing.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(outgoing.body[: outgoing.cut])
        self.wfile.flush()
        if outgoing.cut is not None:
            self.close_connection = True
