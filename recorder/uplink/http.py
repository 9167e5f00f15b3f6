"""HTTPS to the store on http.client and ssl: mutual TLS, time-outs everywhere, no whole file in memory.

Of the Python clients measured only this one gives the socket away: SO_SNDBUF and TCP_USER_TIMEOUT bound what a dead link
swallows (bytes sent twice per fault = send buffer + path), and the answer that arrives while a body is still being sent
is seen between two blocks instead of after the rest of the file went into a closed door.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from recorder.uplink.connection import Connection, ConnectionOptions, Resolve, resolve
from recorder.uplink.faults import (
    PROTOCOL,
    SEGMENT_SIZE,
    SEGMENT_UNREADABLE,
    STORE_NOT_CONFIGURED,
    STORE_URL_INVALID,
    TLS_CREDENTIALS,
    Stopped,
    UplinkFault,
)
from recorder.uplink.link_faults import link_fault
from recorder.uplink.sending import BLOCK, Sending
from recorder.uplink.tls_socket import use_tls_socket

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it: 13 MB this process has no use for

MAX_ANSWER = 1 << 20
CREDENTIAL_FILES = ("ca.pem", "client-cert.pem", "client-key.pem")


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, body read whole (at most 1 MiB). Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class StoreAddress:
    host: str
    port: int
    path: str


def parse_store_url(url: str) -> StoreAddress:
    """Raises UplinkFault ``store-not-configured`` or ``store-url-invalid``."""
    if not url:
        raise UplinkFault(STORE_NOT_CONFIGURED)
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise UplinkFault(STORE_URL_INVALID, f"{url!r}: {error}") from error
    if parts.scheme != "https" or not parts.hostname:
        raise UplinkFault(STORE_URL_INVALID, f"{url!r}: 必须是 must be https://host[:port]")
    return StoreAddress(parts.hostname, port, parts.path.rstrip("/"))


def tls_context(tls_dir: Path, key_file: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2+, the store's CA from ``ca.pem``, our certificate and key (``key_file``: where it is when not
    in ``tls_dir``). Raises UplinkFault ``tls-credentials``."""
    ca, certificate, key = (tls_dir / name for name in CREDENTIAL_FILES)
    key = key_file or key
    for path in (ca, certificate, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise UplinkFault(TLS_CREDENTIALS, f"{path}: {error.strerror}", subject=path.name) from error
    context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(ca)
        # An encrypted key would otherwise ask for its password on the terminal and hang the process.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise UplinkFault(TLS_CREDENTIALS, f"{tls_dir}: {error}") from error
    return context


def credentials_stamp(tls_dir: Path) -> tuple[tuple[int, int], ...]:
    """Changes whenever one of the credential files does: an enrolment need not wait for the back-off to end."""
    stamp = []
    for name in CREDENTIAL_FILES:
        try:
            state = (tls_dir / name).stat()
            stamp.append((state.st_ino, state.st_mtime_ns))
        except OSError:
            stamp.append((0, 0))
    return tuple(stamp)


class StoreClient:
    """Requests to one store over one kept-alive connection. One thread uses it; ``abort`` may come from another."""

    def __init__(
        self,
        url: str,
        tls_dir: Path,
        options: ConnectionOptions,
        clock: Clock,
        key_file: Path | None = None,
        resolver: Resolve = resolve,
    ) -> None:
        self._key_file = key_file
        self._url = url
        self._tls_dir = tls_dir
        self._options = options
        self._clock = clock
        self._resolver = resolver
        self._connection: Connection | None = None
        self._aborted = False
        self.peer: str | None = None
        """The store's address at the last connection: what the way to it is looked up by."""
        self.body_bytes_sent = 0
        """Bytes of PATCH bodies handed to the kernel since the start: what a fault may cost is measured with it."""

    # --- life of the connection --------------------------------------------------------------------------------------

    def close(self) -> None:
        """Drop the connection; the next request makes a new one with the credentials of that moment."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abort(self) -> None:
        """From another thread: fail the request under way at once, and every later one, with ``Stopped``."""
        self._aborted = True
        connection = self._connection
        sock = connection.sock if connection is not None else None
        if sock is not None:
            try:
                # Not SSLSocket.shutdown: that drops the TLS state under the other thread, whose next write would go
                # out in the clear.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                return  # already gone: that is all that was wanted

    def _connected(self) -> tuple[Connection, bool]:
        """(connection, freshly made)."""
        if self._aborted:
            raise Stopped
        known = self._connection
        if known is not None and known.sock is not None and not known.stale():
            known.touch()
            return known, False
        self.close()
        address = parse_store_url(self._url)
        context = tls_context(self._tls_dir, self._key_file)
        connection = Connection(address.host, address.port, context, self._options, self._clock, self._resolver)
        self._connection = connection
        try:
            connection.connect()
        except (OSError, ssl.SSLError, UnicodeError) as error:  # UnicodeError: a label no resolver is asked for
            self.close()
            raise self._fault(error, connecting=True) from error
        self.peer = connection.peer
        return connection, True

    def _fault(self, error: Exception, *, connecting: bool = False) -> UplinkFault | Stopped:
        return Stopped() if self._aborted else link_fault(error, connecting=connecting)

    # --- requests ----------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """One exchange. ``path`` is appended to the store URL's. Every request here is idempotent by contract, so one
        on a connection that had been idle is repeated once: the store may have closed it meanwhile.

        Raises LinkFault or UplinkFault (connection, TLS), Stopped.
        """
        connection, fresh = self._connected()
        try:
            return self._exchange(connection, method, path, headers, body)
        except (OSError, ssl.SSLError, http.client.HTTPException) as error:
            self.close()
            if fresh or self._aborted or isinstance(error, TimeoutError):
                raise self._fault(error) from error
        connection, _ = self._connected()
        try:
            return self._exchange(connection, method, path, headers, body)
        except (OSError, ssl.SSLError, http.client.HTTPException) as error:
            self.close()
            raise self._fault(error) from error

    def _exchange(
        self, connection: Connection, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        prefix = parse_store_url(self._url).path
        connection.request(method, prefix + path, body=body, headers=dict(headers))
        return self._answer(connection.answer())

    def send_file(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        file: io.FileIO,
        length: int,
        between_blocks: Callable[[], None],
    ) -> Answer:
        """Send ``length`` bytes of ``file`` from where it stands, in 64 KiB blocks. ``between_blocks`` may raise.

        An answer that arrives early ends the sending and is returned; the connection is not used again then.
        """
        connection, _ = self._connected()
        try:
            return self._send_file(connection, method, path, headers, file, length, between_blocks)
        except (OSError, ssl.SSLError, http.client.HTTPException) as error:
            self.close()
            raise self._fault(error) from error
        except BaseException:
            self.close()
            raise

    def _send_file(
        self,
        connection: Connection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        file: io.FileIO,
        length: int,
        between_blocks: Callable[[], None],
    ) -> Answer:
        connection.putrequest(method, parse_store_url(self._url).path + path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        sending = Sending(connection.secure_socket(), self._options.io_s)
        buffer = memoryview(bytearray(BLOCK))
        left = length
        while left > 0:
            try:
                count = file.readinto(buffer[: min(BLOCK, left)])
            except OSError as error:
                raise UplinkFault(SEGMENT_UNREADABLE, f"{file.name}: {error}") from error
            if not count:
                raise UplinkFault(SEGMENT_SIZE, f"{file.name}: {left} 字节缺失 bytes missing")
            early = sending.send(buffer[:count])
            if early is not None:
                try:
                    return self._answer(connection.early_answer(early, method))
                finally:
                    self.close()
            self.body_bytes_sent += count
            left -= count
            between_blocks()
        return self._answer(connection.answer())

    def _answer(self, response: http.client.HTTPResponse) -> Answer:
        body = response.read(MAX_ANSWER + 1)
        if len(body) > MAX_ANSWER:
            self.close()
            raise UplinkFault(PROTOCOL, f"answer longer than {MAX_ANSWER} bytes")
        headers = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            self.close()
        return Answer(response.status, headers, body)
