"""The ingest HTTP server: threads, mutual TLS, a time-out on everything that waits.

On the standard library's ``http.server`` and ``ssl``, because the unit is known by its client certificate and the usual
ASGI servers do not hand that to the application (they leave mutual TLS to a proxy in front and a header to trust), and
because throwing a stale connection off needs its socket.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import ssl
import threading
from typing import Any

from firmware_bridge.ports import Clock
from hw_sim.agency.store.admin import FleetDesk
from hw_sim.agency.store.http_handler import Handler, Timeouts
from hw_sim.agency.store.journals import JournalDesk
from hw_sim.agency.store.segments import SegmentDesk
from hw_sim.agency.store.tls import TlsContexts

log = logging.getLogger("agency.store")

MAX_CONNECTIONS = 512
RECEIVE_BUFFER = 128 * 1024
"""What a killed store throws away and the unit sends twice. A unit's own send buffer is no larger."""


class IngestServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """``start`` serves on threads of its own; ``port`` is known from the constructor on."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        contexts: TlsContexts,
        journals: JournalDesk,
        segments: SegmentDesk,
        clock: Clock,
        timeouts: Timeouts,
        admin: FleetDesk,
    ) -> None:
        self.journals = journals
        self.segments = segments
        self.clock = clock
        self.timeouts = timeouts
        self.admin = admin
        self._contexts = contexts
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        super().__init__(address, Handler)
        self.port = int(self.server_address[1])
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="accept", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)  # inherited by connections
        super().server_bind()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Accept no more, break what is open (partial uploads are synced by their threads), wait for the threads."""
        self.shutdown()
        self.server_close()
        deadline = self.clock.boottime_us() + round(timeout_s * 1e6)
        with self._idle:
            for connection in self._connections:
                _shut(connection)
            while self._connections and (left := deadline - self.clock.boottime_us()) > 0:
                self._idle.wait(left / 1e6)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._lock:
            if len(self._connections) < MAX_CONNECTIONS:
                self._connections.add(request)
                return True
        log.warning("too many connections: %s refused", client_address)
        return False

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The handshake happens here, on the connection's own thread: a slow one must not stop the others."""
        connection: socket.socket = request
        try:
            request.settimeout(self.timeouts.handshake_s)
            request.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection = self._contexts.current().wrap_socket(request, server_side=True)
            self._replace(request, connection)
            Handler(connection, client_address, self)
        except (ssl.SSLError, OSError) as error:
            log.info("connection of %s: %s", client_address, error)
        finally:
            connection.close()
            self._replace(request, None)
            self._replace(connection, None)

    def _replace(self, old: socket.socket, new: socket.socket | None) -> None:
        with self._idle:
            self._connections.discard(old)
            if new is not None:
                self._connections.add(new)
            self._idle.notify_all()


def _shut(connection: socket.socket) -> None:
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # closed by its own thread meanwhile
