"""One TLS connection to the store: our socket options, and an end to every wait.

Five time-outs, because each of them alone leaves a way to hang: ``connect_s`` for TCP and TLS together, over all addresses
of the store; ``io_s`` without a byte; ``TCP_USER_TIMEOUT`` for bytes nobody acknowledges (half-open: the kernel alone would
try for a quarter of an hour); ``answer_s`` for a whole answer, which a peer could otherwise give byte by byte; ``idle_s``
after which a kept connection is not trusted any more.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from recorder.uplink.sending import BLOCK

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it: 13 MB this process has no use for

SEND_BUFFER = 128 * 1024

AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
Resolve: TypeAlias = Callable[[str, int], list[AddressInfo]]


def resolve(host: str, port: int) -> list[AddressInfo]:
    """Addresses of the store; raises socket.gaierror. How long that takes is the resolver's affair (resolv.conf): it cannot
    be interrupted."""
    return cast(list[AddressInfo], socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Seconds. ``dscp``: 0–63 (RFC 2474), set on every packet; bulk is CS1 (8), so that a network that looks at it lets
    everything else pass first."""

    connect_s: float
    io_s: float
    idle_s: float = 60.0
    answer_s: float = 120.0
    dscp: int = 0


class Connection(http.client.HTTPConnection):
    """``connect`` is called by ``http.client`` when there is no socket."""

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        options: ConnectionOptions,
        clock: Clock,
        resolver: Resolve = resolve,
    ) -> None:
        super().__init__(host, port, timeout=options.connect_s, blocksize=BLOCK)
        self._context = context
        self._options = options
        self._clock = clock
        self._resolve = resolver
        self._used_us = 0
        self.peer: str | None = None
        """The store's address, once connected."""

    def connect(self) -> None:
        deadline_us = self._clock.boottime_us() + round(self._options.connect_s * 1e6)
        raw = self._tcp(deadline_us)
        try:
            raw.settimeout(self._left_s(deadline_us))
            wrapped = self._context.wrap_socket(raw, server_hostname=self.host)
        except BaseException:
            raw.close()
            raise
        wrapped.settimeout(self._options.io_s)
        self.sock = wrapped
        self.peer = str(wrapped.getpeername()[0])
        self.touch()

    def _tcp(self, deadline_us: int) -> socket.socket:
        """The first address that answers. Raises the last one's error."""
        last: OSError = TimeoutError(f"no address of {self.host}")
        for family, kind, protocol, _, address in self._resolve(self.host, self.port):
            raw = socket.socket(family, kind, protocol)
            try:
                set_options(raw, self._options)
                raw.settimeout(self._left_s(deadline_us))
                raw.connect(address)
            except OSError as error:
                raw.close()
                last = error
                continue
            except BaseException:
                raw.close()
                raise
            return raw
        raise last

    def _left_s(self, deadline_us: int) -> float:
        """Raises TimeoutError when nothing is left."""
        left = (deadline_us - self._clock.boottime_us()) / 1e6
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def touch(self) -> None:
        """It is in use now."""
        self._used_us = self._clock.boottime_us()

    def stale(self) -> bool:
        """Unused for so long that a box on the way may have forgotten it: what is sent on it may vanish without a reset."""
        return self._clock.boottime_us() - self._used_us > self._options.idle_s * 1e6

    def secure_socket(self) -> ssl.SSLSocket:
        return cast(ssl.SSLSocket, self.sock)

    def answer(self) -> http.client.HTTPResponse:
        """The answer to the request sent; the deadline for all of it begins now."""
        self.response_class = functools.partial(self._response, b"")  # type: ignore[assignment]  # a factory serves too
        return self.getresponse()

    def early_answer(self, first: bytes, method: str) -> http.client.HTTPResponse:
        """An answer whose ``first`` bytes came while the request was still being sent. The connection is of no use then."""
        response = self._response(first, self.secure_socket(), method=method)
        response.begin()
        return response

    def _response(
        self, first: bytes, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> http.client.HTTPResponse:
        deadline_us = self._clock.boottime_us() + round(self._options.answer_s * 1e6)
        timed = _Timed(first, sock, self._options.io_s, lambda: self._left_s(deadline_us))
        # HTTPResponse only calls makefile
        return http.client.HTTPResponse(cast(socket.socket, timed), debuglevel, method, url)


def set_options(raw: socket.socket, options: ConnectionOptions) -> None:
    """Before ``connect``: the first packet is marked too, and the window is negotiated with the buffer."""
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(options.io_s * 1000))
    # The six upper bits of the former TOS octet; the lower two are the kernel's (ECN).
    tos = options.dscp << 2
    if raw.family == socket.AF_INET6:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    else:
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)


class _Timed(io.RawIOBase):
    """Bytes already taken from the socket, then the socket, until ``left_s`` raises TimeoutError."""

    def __init__(self, first: bytes, sock: socket.socket, io_s: float, left_s: Callable[[], float]) -> None:
        self._first = first
        self._sock = sock
        # Holds the descriptor open: http.client closes the socket of an answer that says so before its body is read.
        self._raw = sock.makefile("rb", buffering=0)
        self._io_s = io_s
        self._left_s = left_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]  # Buffer is 3.12+
        if self._first:
            count = min(len(self._first), len(buffer))
            buffer[:count], self._first = self._first[:count], self._first[count:]
            return count
        self._sock.settimeout(min(self._io_s, self._left_s()))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)
