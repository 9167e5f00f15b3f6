"""A TCP proxy that resets each connection after so many bytes from the client, at a limited rate: a bad line, below TLS."""

from __future__ import annotations

import socket
import struct
import threading

from firmware_bridge.ports import Clock

BLOCK = 16 * 1024
PATH_BUFFER = 64 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with time 0: close sends RST


class CutProxy:
    """Listens on ``port``; ``cuts`` counts resets. ``rate``: bytes a second from the client. For one connection at a time,
    which is what an uplink makes."""

    def __init__(self, target_port: int, clock: Clock, *, cut_after: int, rate: float) -> None:
        self._target = target_port
        self._clock = clock
        self._cut_after = cut_after
        self._rate = rate
        self._pause = threading.Event()
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Set before a connection exists, so that the window never opens further: a path's buffers, not loopback's.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PATH_BUFFER)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="cut-proxy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            with client, socket.create_connection(("127.0.0.1", self._target)) as server:
                for sock in (client, server):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                if self._forward(client, server):
                    self.cuts += 1
                    for sock in (client, server):
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                _shut(client)
                _shut(server)
                back.join(5)

    def _forward(self, client: socket.socket, server: socket.socket) -> bool:
        """True when the connection is to be cut; False when it ended by itself."""
        moved, begin_us = 0, self._clock.boottime_us()
        while moved < self._cut_after:
            try:
                data = client.recv(BLOCK)
                if not data:
                    return False
                server.sendall(data)
            except OSError:
                return False
            moved += len(data)
            early_s = moved / self._rate - (self._clock.boottime_us() - begin_us) / 1e6
            if early_s > 0:
                self._pause.wait(early_s)
        return True


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(BLOCK):
            target.sendall(data)
    except OSError:
        return  # the other direction was cut: that is what this proxy is for
    _shut(target)


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # gone already
