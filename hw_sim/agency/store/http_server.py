"""The ingest HTTP server: a thread for each request under way, a time-out on everything that waits, and one of two doors.

``TlsDoor``: TCP with mutual TLS of its own. ``ProxyDoor``: a Unix socket that only nginx may enter, which has verified the
client and passes its certificate on (docs/adr/0009, 0019). On the standard library's ``http.server``, because throwing a
stale connection off needs its socket.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import ssl
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, Protocol

from firmware_bridge.ports import Clock
from hw_sim.agency.certificates import common_name
from hw_sim.agency.store.bodies import Bodies
from hw_sim.agency.store.http_handler import Handler, Timeouts
from hw_sim.agency.store.idle import Address, IdleConnections
from hw_sim.agency.store.proxy_identity import ProxyIdentity
from hw_sim.agency.store.routes import Route
from hw_sim.agency.store.tls import AgencyTrust, TlsContexts, TlsIdentity, peer_certificate

log = logging.getLogger("agency.store")

RECEIVE_BUFFER = 128 * 1024
"""What a killed store throws away and the unit sends twice. A unit's own send buffer is no larger."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """``total``: of all together; ``unit``: of one certificate's name, where the handshake is ours (behind nginx they are
    nginx's): twice the uploads a unit may have under way (``UnitLimits.requests``), so its journal always finds one. When
    full, the one that has been silent for longest between two requests yields."""

    total: int = 512
    unit: int = 16


class Identity(Protocol):
    def name(self, connection: socket.socket, headers: Message) -> str:
        """The common name the client's certificate proves. Raises Problem 403."""
        ...


class Door(Protocol):
    """Where connections come from and how their sender is known."""

    identity: Identity

    def listener(self) -> socket.socket: ...

    def welcome(self, accepted: socket.socket, handshake_s: float) -> socket.socket:
        """What is to be spoken over. Raises OSError, ssl.SSLError."""
        ...

    def holder(self, connection: socket.socket) -> str:
        """The unit whose connection this is; empty: it may carry requests of any."""
        ...


class TlsDoor:
    def __init__(self, address: tuple[str, int], contexts: TlsContexts, clock: Clock) -> None:
        self._address = address
        self._contexts = contexts
        self.identity: Identity = TlsIdentity(contexts.trust.current, clock)

    def listener(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)  # inherited by connections
        made.bind(self._address)
        return made

    def welcome(self, accepted: socket.socket, handshake_s: float) -> socket.socket:
        accepted.settimeout(handshake_s)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._contexts.current().wrap_socket(accepted, server_side=True)

    def holder(self, connection: socket.socket) -> str:
        certificate = peer_certificate(connection)
        return "" if certificate is None else common_name(certificate.subject) or ""


class ProxyDoor:
    """``path``: the socket. Its folder is the lock on this door: whoever can reach the socket may name any unit whose
    certificate he has, so others must not be let into the folder. Raises PermissionError when they are."""

    def __init__(self, path: Path, trust: AgencyTrust, clock: Clock) -> None:
        self._path = path
        self.identity: Identity = ProxyIdentity(trust.current, clock)
        mode = stat.S_IMODE(path.parent.stat().st_mode)
        if mode & stat.S_IRWXO:
            raise PermissionError(
                f"{path.parent}: 权限 {mode:04o}：其他用户可进入套接字目录（应为 0750，属组只有 nginx）"
                f" mode {mode:04o} lets others reach the socket; it has to be 0750 with nginx alone in its group"
            )

    def listener(self) -> socket.socket:
        self._path.unlink(missing_ok=True)  # of an instance that was killed; the caller holds the instance's lock
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.bind(str(self._path))
        self._path.chmod(0o660)
        return made

    def welcome(self, accepted: socket.socket, handshake_s: float) -> socket.socket:
        return accepted

    def holder(self, connection: socket.socket) -> str:
        return ""


class IngestServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """``start`` serves on threads of its own; ``port`` (0 behind a proxy) is known from the constructor on."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        door: Door,
        routes: Sequence[Route],
        clock: Clock,
        timeouts: Timeouts,
        bodies: Bodies | None = None,
        limits: ConnectionLimits = ConnectionLimits(),
    ) -> None:
        self.bodies = bodies or Bodies()
        self.routes = tuple(routes)
        self.identity = door.identity
        self.clock = clock
        self.timeouts = timeouts
        self._door = door
        self._limits = limits
        self._connections: dict[socket.socket, str] = {}
        """And whose each is, once that is known."""
        self._crowded: set[str] = set()
        """Units of which it has been said that they have as many connections as they may."""
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = door.listener()
        self.server_activate()
        name = self.socket.getsockname()
        self.port = int(name[1]) if isinstance(name, tuple) else 0
        self._between: IdleConnections
        """From ``start`` on."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="accept", daemon=True)

    def start(self) -> None:
        self._between = IdleConnections(self.clock, self.timeouts.idle_s, self._resume, self._let_go)
        self._between.start()
        self._thread.start()

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
        self._between.stop(timeout_s)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if self._seat(request, "") or (self._between.drop_longest() and self._seat(request, "")):
            return True
        log.warning("too many connections: %s refused", client_address)
        return False

    def shutdown_request(self, request: Any) -> None:
        """The base class's way out for what never came to a thread: refused, or there was none to be had."""
        self._let_go(request, None)

    def _seat(self, connection: socket.socket, unit: str) -> bool:
        with self._lock:
            others = [holder for it, holder in self._connections.items() if it is not connection]
            if len(others) >= self._limits.total or (unit and others.count(unit) >= self._limits.unit):
                return False
            self._connections[connection] = unit
        return True

    def _admitted(self, connection: socket.socket) -> bool:
        """Whether its unit may have it. Of a unit that lost its connections without our hearing of it, the longest silent
        one makes room."""
        unit = self._door.holder(connection)
        while not self._seat(connection, unit):
            if not self._between.drop_longest(lambda it: self._connections.get(it) == unit):
                with self._lock:
                    said = unit in self._crowded
                    self._crowded.add(unit)
                if not said:
                    log.warning(
                        "%s: 连接数已达上限，多余的连接被关闭 has %d connections, further ones are closed",
                        unit,
                        self._limits.unit,
                    )
                return False
        with self._lock:
            self._crowded.discard(unit)
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The handshake happens here, on the connection's own thread: a slow one must not stop the others."""
        accepted: socket.socket = request
        try:
            connection = self._door.welcome(accepted, self.timeouts.handshake_s)
        except (ssl.SSLError, OSError) as error:
            log.info("connection of %s: %s", client_address, error)
            self._let_go(accepted, client_address)
            return
        except BaseException:
            self._let_go(accepted, client_address)
            raise
        self._replace(accepted, connection)
        try:
            admitted = self._admitted(connection)
        except BaseException:
            self._let_go(connection, client_address)
            raise
        if admitted:
            self._converse(connection, client_address)
        else:
            self._let_go(connection, client_address)

    def _converse(self, connection: socket.socket, client_address: Address) -> None:
        """Requests as long as they come one after the other; then the connection waits for the next without a thread."""
        silent = False
        try:
            silent = Handler(connection, client_address, self).silent
        except (ssl.SSLError, OSError) as error:
            log.info("connection of %s: %s", client_address, error)
        finally:
            if not silent:
                self._let_go(connection, client_address)
        if silent:
            self._between.wait(connection, client_address)

    def _resume(self, connection: socket.socket, client_address: Address) -> None:
        try:
            threading.Thread(target=self._converse, args=(connection, client_address), daemon=True).start()
        except RuntimeError as error:  # no more threads are to be had: the unit comes again
            log.warning("connection of %s: %s", client_address, error)
            self._let_go(connection, client_address)

    def _let_go(self, connection: socket.socket, _client_address: Address) -> None:
        connection.close()
        self._replace(connection, None)

    def _replace(self, old: socket.socket, new: socket.socket | None) -> None:
        with self._idle:
            self._connections.pop(old, None)
            if new is not None:
                self._connections[new] = ""
            self._idle.notify_all()


def _shut(connection: socket.socket) -> None:
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # closed by its own thread meanwhile
