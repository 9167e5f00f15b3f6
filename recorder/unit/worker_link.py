"""The unit process's end of the channel: one listening Unix socket and one connection per camera."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from pathlib import Path

from recorder.channel.messages import Hello, Message, MessageError, decode_from_worker, encode
from recorder.unit.events import UnitEvent, WorkerConnected, WorkerDisconnected, WorkerMessage

MAX_LINE = 1 << 20
HELLO_S = 3.0
"""Connections are served one after the other: one that says nothing must not keep the worker out for ever."""


class WorkerLink:
    """Accepts the worker of one camera; what it says is enqueued, what it is told is sent."""

    def __init__(self, camera_id: str, path: Path, events: queue.Queue[UnitEvent]) -> None:
        self._camera_id = camera_id
        self._path = path
        self._events = events
        path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._server.bind(str(path))
        path.chmod(0o660)
        self._server.listen(1)
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"link-{camera_id}", daemon=True)
        self._thread.start()

    def send(self, message: Message) -> bool:
        """False when there is no worker or it does not read. Never waits: the socket buffer holds a minute of what is
        said to a worker, so one that let it fill up is hung. It is dropped, and supervision does the rest."""
        with self._lock:
            connection = self._connection
        if connection is None:
            return False
        try:
            connection.sendall(encode(message), socket.MSG_DONTWAIT)
        except OSError:
            self.drop()
            return False
        return True

    def drop(self) -> None:
        """Close the connection: the worker closes its file and exits."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):  # already closed by the other side
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed.set()
        self.drop()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(2)
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            connection.settimeout(HELLO_S)
            detail = self._talk(connection)
            with self._lock:
                if self._connection is connection:
                    self._connection = None
            connection.close()
            self._events.put(WorkerDisconnected(self._camera_id, detail))

    def _talk(self, connection: socket.socket) -> str:
        """Read messages until the end; returns why it ended."""
        greeted = False
        with connection.makefile("rb") as reader:
            while True:
                try:
                    line = reader.readline(MAX_LINE)
                except OSError as error:
                    return f"read: {error}"
                if not line:
                    return "closed"
                if not line.endswith(b"\n"):
                    return "torn or oversized message"
                try:
                    message = decode_from_worker(line)
                except MessageError as error:
                    return f"message not understood: {error}"
                if message.camera_id != self._camera_id:
                    return f"camera {message.camera_id} on the socket of {self._camera_id}"
                if not greeted:
                    if not isinstance(message, Hello):
                        return "no hello"
                    greeted = True
                    connection.settimeout(None)
                    with self._lock:
                        self._connection = connection
                    self._events.put(WorkerConnected(self._camera_id, message.pid))
                    continue
                self._events.put(WorkerMessage(self._camera_id, message))
