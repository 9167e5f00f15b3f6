"""Who answers in place of the store, or stands before it: captive portals, and a gateway whose memory or store fails."""

from __future__ import annotations

import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recorder.uplink.tls_socket import use_tls_socket

HTML = b"<html><body>Please accept our terms to go on.</body></html>"
PATIENCE_S = 5.0


@contextmanager
def listening_on(port: int, handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """``handle`` answers each connection on a thread of its own; its port (0: any that is free)."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(PATIENCE_S)
            try:
                handle(self.request)
            except OSError:
                return  # the unit left: that is its right

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join(5)


def page(status: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(HTML)}\r\n\r\n"
    return head.encode("ascii") + HTML


def portal_in_the_clear(raw: socket.socket) -> None:
    raw.recv(4096)
    raw.sendall(page("200 OK"))


def server_side(certificate: Path, key: Path) -> ssl.SSLContext:
    context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.num_tickets = 0  # nothing comes but what was asked for
    context.load_cert_chain(certificate, key)
    return context


def portal_with_a_certificate(certificate: Path, key: Path) -> Callable[[socket.socket], None]:
    context = server_side(certificate, key)

    def handle(raw: socket.socket) -> None:
        with context.wrap_socket(raw, server_side=True) as link:
            portal_in_the_clear(link)

    return handle


class Gateway:
    """Ends the unit's TLS under the store's own name and passes everything on to the store, as the unit.

    ``flip_at``: at so many bytes on their way up, over all connections, one bit is turned, once: memory between the end of
    TLS and the disk. When the store dies it says 502 and takes what still comes, as proxies do that close gently."""

    def __init__(
        self, front: ssl.SSLContext, back: ssl.SSLContext, store_port: int, flip_at: int | None = None
    ) -> None:
        self._front, self._back, self._store_port = front, back, store_port
        self._flip_at = flip_at
        self._lock = threading.Lock()
        self.bytes_up = self.flipped = self.refused = 0
        self.in_vain = 0
        """Bytes that came after a 502."""

    def __call__(self, raw: socket.socket) -> None:
        with self._front.wrap_socket(raw, server_side=True) as unit:
            try:
                with self._to_the_store() as store:
                    self._pass_on(unit, store)
            except StoreDied:
                self._refuse(unit)

    def _to_the_store(self) -> ssl.SSLSocket:
        try:
            raw = socket.create_connection(("127.0.0.1", self._store_port), PATIENCE_S)
            return self._back.wrap_socket(raw, server_hostname="127.0.0.1")
        except OSError as error:
            raise StoreDied from error

    def _pass_on(self, unit: ssl.SSLSocket, store: ssl.SSLSocket) -> None:
        while True:
            pending = [link for link in (unit, store) if link.pending()]
            for link in pending or select.select([unit, store], [], [], 60)[0]:
                if link is unit:
                    data = unit.recv(65536)
                    if not data:
                        return
                    with of_the_store():
                        store.sendall(self._carried(data))
                else:
                    with of_the_store():
                        data = store.recv(65536)
                    if not data:
                        raise StoreDied
                    unit.sendall(data)

    def _carried(self, data: bytes) -> bytes:
        with self._lock:
            self.bytes_up += len(data)
            if self._flip_at is None or self.flipped or self.bytes_up < self._flip_at:
                return data
            self.flipped += 1
        return data[:-1] + bytes([data[-1] ^ 1])

    def _refuse(self, unit: ssl.SSLSocket) -> None:
        with self._lock:
            self.refused += 1
        unit.sendall(page("502 Bad Gateway"))
        while data := unit.recv(65536):
            with self._lock:
                self.in_vain += len(data)


class StoreDied(Exception):
    """Behind the gateway nobody is left."""


@contextmanager
def of_the_store() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreDied from error
