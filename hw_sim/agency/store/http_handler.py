"""One HTTP connection: how a request is read, who it is from, and how the answer goes out (docs/wire.md)."""

from __future__ import annotations

import io
import logging
import socket
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

from hw_sim.agency.store.problem import BAD_REQUEST, INTERNAL, LENGTH_REQUIRED, METHOD, TOO_LARGE, Problem
from hw_sim.agency.store.routes import NUMBER, Reply, answer, problem_reply
from hw_sim.agency.store.segments import Gone

if TYPE_CHECKING:
    from hw_sim.agency.store.http_server import IngestServer

log = logging.getLogger("agency.store")

TUS = "1.0.0"
SMALL_BODY = 64 * 1024
LINGER_BYTES = 12 << 20
"""More than any body that is no upload (a statement sealed: some 8 MiB): who sends one that is refused for its size gets
the answer, not a reset. With 8 MiB the last of such a body lay unread at the close, and now and then the answer
was lost."""
LINGER_S = 2.0
_ENDED = (Gone, ConnectionError, TimeoutError, ssl.SSLError)
"""The client is gone: there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``io_s``: without a byte within a request, its header included; ``idle_s``: before a request of one
    connection, of which its thread waits with it for ``thread_s``."""

    handshake_s: float = 10.0
    io_s: float = 20.0
    idle_s: float = 75.0
    thread_s: float = 0.25


class Handler(BaseHTTPRequestHandler):
    """A ``routes.Exchange`` for whoever answers the request at hand."""

    protocol_version = "HTTP/1.1"
    server_version = "zfy-store"
    sys_version = ""
    disable_nagle_algorithm = False  # a Unix socket has none; the server switches it off for TCP
    server: IngestServer

    def setup(self) -> None:
        super().setup()
        self._peer = ""
        self._left = 0
        self._taken = ExitStack()
        self.silent = False
        """Kept, all that came is answered, and nothing has come since: the next request is for another handler."""

    def handle(self) -> None:
        self.close_connection = False
        while not self.close_connection and self._next_begins():
            self.close_connection = True
            self.handle_one_request()

    def _next_begins(self) -> bool:
        """Whether a request, or the end of the connection, has come before the thread is worth more than the wait."""
        self.connection.settimeout(self.server.timeouts.thread_s)
        try:
            cast(io.BufferedReader, self.rfile).peek(1)
        except TimeoutError:
            self.silent = True  # and nothing is left behind in ``rfile``: it reads only when it is empty
            return False
        except ssl.SSLError as error:
            log.info("%s: %s", self._peer, error)
            return False
        return True

    def handle_one_request(self) -> None:
        self.connection.settimeout(self.server.timeouts.io_s)  # its first byte is here
        self._left = 0
        try:
            super().handle_one_request()
        except ssl.SSLError as error:
            log.info("%s: %s", self._peer, error)
            self.close_connection = True

    # --- the request -------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        self.connection.settimeout(self.server.timeouts.io_s)
        try:
            with ExitStack() as self._taken:
                reply = self._answered()
        except _ENDED as error:
            log.info("%s %s %s: %s", self._peer, self.command, self.path, str(error) or type(error).__name__)
            self.close_connection = True
            return
        self._send(reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _answered(self) -> Reply:
        try:
            self._left = self._content_length()
            self._peer = self.server.identity.name(self.connection, self.headers)
            return answer(self.server.routes, self.command, self.path, self)
        except Problem as problem:
            log.info("%s %s %s: %s", self._peer, self.command, self.path, problem)
            return problem_reply(problem)
        except _ENDED:
            raise
        except Exception as error:
            log.exception("%s %s %s", self._peer, self.command, self.path)
            return problem_reply(Problem(INTERNAL, type(error).__name__))

    @property
    def peer(self) -> str:
        return self._peer

    @property
    def left(self) -> int:
        return self._left

    def query(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query).get(name, [""])[0]

    def _content_length(self) -> int:
        if "Transfer-Encoding" in self.headers:
            raise Problem(LENGTH_REQUIRED, "Transfer-Encoding is not taken")
        text = self.headers.get("Content-Length", "0")
        if not NUMBER.match(text):
            raise Problem(BAD_REQUEST, f"Content-Length {text!r}")
        return int(text)

    def read(self, buffer: memoryview) -> int:
        """Some bytes of the body; 0 when the client is gone, silent for too long, or thrown off by a later request."""
        try:
            count = cast(io.BufferedReader, self.rfile).readinto1(buffer)
        except (OSError, ssl.SSLError) as error:
            log.info("%s: %s", self._peer, error)
            return 0
        self._left -= count
        return count

    def body(self, limit: int) -> bytes:
        if self._left > limit:
            raise Problem(TOO_LARGE, f"{self._left} > {limit}")
        if self._left > SMALL_BODY:
            self._taken.enter_context(self.server.bodies.gate.enter(self._peer))
        data = bytearray()
        buffer = memoryview(bytearray(min(self._left, SMALL_BODY)))
        while self._left:
            count = self.read(buffer[: self._left])
            if count == 0:
                raise Gone("ended in the middle of its body")
            if data:
                # What is declared is only a word: memory is taken, and counted, for what has come. The first piece is
                # free, so that no large bodies keep the small ones out.
                self.server.bodies.take(count)
                self._taken.callback(self.server.bodies.give_back, count)
            data += buffer[:count]
        return bytes(data)

    # --- the answer --------------------------------------------------------------------------------------------------

    def _send(self, reply: Reply, *, unread: bool = False) -> None:
        """``unread``: there may be a body nobody knows the length of."""
        if 0 < self._left <= SMALL_BODY:
            self.body(SMALL_BODY)
        early = unread or self._left > 0
        self.send_response(reply.status)
        for name, value in {"Tus-Resumable": TUS, **reply.headers}.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        if early:
            self.send_header("Connection", "close")
        self.end_headers()
        if reply.body and self.command != "HEAD":
            self.wfile.write(reply.body)
        if early:
            self._linger()

    def _linger(self) -> None:
        """Read on for a moment: closing with unread bytes resets the connection and may destroy the answer on its way."""
        self.close_connection = True
        socket.socket.shutdown(self.connection, socket.SHUT_WR)
        self.connection.settimeout(LINGER_S)
        deadline = self.server.clock.boottime_us() + round(LINGER_S * 1e6)
        buffer = memoryview(bytearray(SMALL_BODY))
        total = 0
        while total < LINGER_BYTES and self.server.clock.boottime_us() < deadline:
            count = self.read(buffer)
            if count == 0:
                return
            total += count

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What ``http.server`` finds malformed before we see it, in our form."""
        self.close_connection = True
        kind = METHOD if code == 501 else BAD_REQUEST
        self._send(problem_reply(Problem(kind, message or str(code))), unread=True)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s %s", self._peer, format % args)
