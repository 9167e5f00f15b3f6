"""The world's end of its Unix socket: one thread, all clients, and nobody who reads slowly can hold the others up."""

from __future__ import annotations

import json
import logging
import selectors
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw_sim.world_keys import State, Value, WorldError

LOG = logging.getLogger(__name__)

_MAX_PATH = 107  # sun_path of struct sockaddr_un, without its NUL
_MAX_BACKLOG = 1 << 20
_MAX_LINE = 1 << 16


@dataclass(slots=True, eq=False)
class _Client:
    socket: socket.socket
    name: str = "?"
    greeted: bool = False
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)


class WorldServer:
    """Serves ``state`` and changes of it. ``on_message(client_name, message)`` is called on the server's thread for every
    message after the greeting; it must be quick."""

    def __init__(self, path: Path, on_message: Callable[[str, dict[str, Any]], None]) -> None:
        if len(str(path).encode()) > _MAX_PATH:
            raise WorldError(f"{path}: 套接字路径过长 socket path longer than {_MAX_PATH} bytes")
        self._path = path
        self._on_message = on_message
        self._lock = threading.Lock()
        self._clients: list[_Client] = []
        self._state: State = {}
        self._selector = selectors.DefaultSelector()
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="world", daemon=True)

    def start(self, state: State) -> None:
        self._state = dict(state)
        self._path.unlink(missing_ok=True)
        self._listener.bind(str(self._path))
        self._listener.listen(16)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_r, selectors.EVENT_READ)
        self._thread.start()

    def publish(self, changes: State) -> None:
        """Tell every client, in the order of calls. Never blocks."""
        with self._lock:
            self._state.update(changes)
            for key, value in changes.items():
                line = _line({"set": {key: value}})
                for client in self._clients:
                    if client.greeted:
                        client.outbox += line
        self._wake()

    def disconnect_all(self) -> None:
        """As when the power goes: every connection ends at once."""
        with self._lock:
            clients, self._clients = self._clients, []
            for client in clients:
                self._close(client)
        self._wake()

    def clients(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(client.name for client in self._clients if client.greeted)

    def close(self) -> None:
        self._closing = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(5)
        self.disconnect_all()
        self._selector.close()
        self._listener.close()
        self._wake_r.close()
        self._wake_w.close()
        self._path.unlink(missing_ok=True)

    def _wake(self) -> None:
        try:
            self._wake_w.send(b"\0", socket.MSG_DONTWAIT)
        except BlockingIOError:
            return  # a wake-up is pending already
        except OSError:
            if not self._closing:
                raise

    def _serve(self) -> None:
        while not self._closing:
            for key, events in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._wake_r:
                    self._wake_r.recv(4096)
                else:
                    client: _Client = key.data
                    if events & selectors.EVENT_READ:
                        self._read(client)
            self._flush()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            LOG.warning("accept: %s", error)
            return
        connection.setblocking(False)
        client = _Client(connection)
        with self._lock:
            self._clients.append(client)
            self._selector.register(connection, selectors.EVENT_READ, client)

    def _read(self, client: _Client) -> None:
        try:
            data = client.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.inbox += data
        if not data or len(client.inbox) > _MAX_LINE:
            self._drop(client)
            return
        while (end := client.inbox.find(b"\n")) >= 0:
            raw = bytes(client.inbox[:end])
            del client.inbox[: end + 1]
            try:
                message = json.loads(raw)
                if not isinstance(message, dict):
                    raise ValueError("not an object")
                self._take(client, message)
            except (ValueError, KeyError, TypeError) as error:
                LOG.warning("%s: 无效消息 bad message %r: %s", client.name, raw[:200], error)
                self._drop(client)
                return

    def _take(self, client: _Client, message: dict[str, Any]) -> None:
        if client.greeted:
            self._on_message(client.name, message)
            return
        role = message["hello"]
        client.name = f"worker:{message['camera_id']}" if role == "worker" else str(role)
        with self._lock:
            client.outbox += _line({"state": self._state})
            client.greeted = True

    def _flush(self) -> None:
        with self._lock:
            for client in list(self._clients):
                try:
                    while client.outbox:
                        sent = client.socket.send(client.outbox[:65536])
                        del client.outbox[:sent]
                except BlockingIOError:
                    if len(client.outbox) > _MAX_BACKLOG:
                        LOG.warning("%s: 读取过慢，已断开 reads too slowly, disconnected", client.name)
                        self._clients.remove(client)
                        self._close(client)
                        continue
                except OSError:
                    self._clients.remove(client)
                    self._close(client)
                    continue
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.outbox else 0)
                if self._selector.get_key(client.socket).events != wanted:
                    self._selector.modify(client.socket, wanted, client)

    def _drop(self, client: _Client) -> None:
        with self._lock:
            if client in self._clients:
                self._clients.remove(client)
                self._close(client)

    def _close(self, client: _Client) -> None:
        self._selector.unregister(client.socket)
        client.socket.close()


def _line(message: dict[str, Any] | dict[str, Value]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
