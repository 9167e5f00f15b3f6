"""The control socket: one JSON line in, one JSON line out, decided on the main thread. No network port anywhere.

Who asks is known by the kernel's word (SO_PEERCRED), not by its own: the uplink faces the network and may connect, but what
it may ask is little (``control``).

A request may bring one open file (SCM_RIGHTS): the unit sees neither /home nor /tmp (systemd), and must not open with its
own rights what somebody else names.
"""

from __future__ import annotations

import contextlib
import io
import json
import queue
import socket
import socketserver
import struct
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recorder.unit.events import ControlRequest, UnitEvent

MAX_LINE = 1 << 16
ANSWER_TIMEOUT_S = 8.0
REQUEST_TIMEOUT_S = 10.0
"""So long a client may take to say all of its request."""
MOST_CONNECTIONS = 32
"""Of one user at a time. Each is a thread and a file or two of the process that records: a taken-over uplink must not use
them up, nor stand in the way of root and the unit's own user."""
PASSED_FILE = "passed_file"
"""Where a command finds the file that came with its request: a ``BinaryIO`` opened for reading. Nothing JSON says can put
something there. It is closed once the request is answered."""


def refusal(code: str, zh: str, en: str) -> dict[str, Any]:
    """The form every refusal has."""
    return {"v": 1, "ok": False, "error": {"code": code, "zh": zh, "en": en}}


def peer_uid(connection: socket.socket) -> int:
    """The user who connected, as the kernel noted it then. Raises OSError."""
    credentials = struct.Struct("=iII")  # pid, uid, gid
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    return int(credentials.unpack(said)[1])


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    timeout = REQUEST_TIMEOUT_S

    def handle(self) -> None:
        # OSError: the client went away, nobody is left to be told.
        with contextlib.suppress(OSError), contextlib.ExitStack() as files:
            uid: int = self.client_address  # ``_Server`` says the user there: a Unix socket's client has no address
            line, passed = _receive(self.connection, files, self.server.now_us)
            self.connection.settimeout(REQUEST_TIMEOUT_S)
            self.wfile.write(json.dumps(self._answer(line, passed, uid), ensure_ascii=False).encode() + b"\n")

    def _answer(self, line: bytes, passed: io.FileIO | None, uid: int) -> dict[str, Any]:
        if not line.endswith(b"\n"):
            return refusal("bad-request", "请求不完整或者过长", "torn or oversized request")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):  # deeply nested JSON is a RecursionError, not a ValueError
            return refusal("bad-request", "请求不是 JSON", "not JSON")
        if not isinstance(message, dict) or message.get("v") != 1 or not isinstance(message.get("cmd"), str):
            return refusal("bad-request", "请求缺少 v=1 或者 cmd", "v=1 or cmd is missing")
        message.pop(PASSED_FILE, None)
        if passed is not None:
            message[PASSED_FILE] = passed
        done = threading.Event()
        answers: list[dict[str, Any]] = []

        def reply(answer: dict[str, Any]) -> None:
            answers.append({"v": 1, **answer})
            done.set()

        self.server.events.put(ControlRequest(message, reply, uid))
        if not done.wait(ANSWER_TIMEOUT_S):
            return refusal("timeout", "记录单元没有及时应答", "the unit did not answer in time")
        return answers[0]


def _receive(
    connection: socket.socket, files: contextlib.ExitStack, now_us: Callable[[], int]
) -> tuple[bytes, io.FileIO | None]:
    """The request's line, at most MAX_LINE bytes, and the first file that came with it. Raises OSError, TimeoutError too:
    a client that says a byte now and then keeps its thread no longer than one that says nothing."""
    line, passed = b"", None
    until_us = now_us() + round(REQUEST_TIMEOUT_S * 1e6)
    while not line.endswith(b"\n") and len(line) < MAX_LINE:
        left_us = until_us - now_us()
        if left_us <= 0:
            raise TimeoutError("request not complete in time")
        connection.settimeout(left_us / 1e6)
        data, descriptors, _, _ = socket.recv_fds(connection, MAX_LINE - len(line), 4)
        for descriptor in descriptors:
            file = files.enter_context(io.FileIO(descriptor, "rb"))
            passed = passed or file
        if not data:
            break
        line += data
    return line, passed


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64  # with the default 5 a burst of clients is refused at connect (EAGAIN)

    def __init__(
        self,
        path: Path,
        events: queue.Queue[UnitEvent],
        now_us: Callable[[], int],
        peer_uid: Callable[[socket.socket], int],
    ) -> None:
        self.events = events
        self.now_us = now_us
        self.peer_uid = peer_uid
        self._served: Counter[int] = Counter()
        self._lock = threading.Lock()
        super().__init__(str(path), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the connection, or a refusal for one of a user who has too many."""
        try:
            uid = self.peer_uid(request)
        except OSError:
            self.shutdown_request(request)  # it went away
            return
        with self._lock:
            room = self._served[uid] < MOST_CONNECTIONS
            self._served[uid] += room
        if not room:
            self._turn_away(request)
            return
        try:
            threading.Thread(target=self._serve, args=(request, uid), daemon=True).start()
        except RuntimeError:  # no more threads
            self._left(uid)
            self._turn_away(request)

    def _serve(self, request: Any, uid: int) -> None:
        try:
            self.process_request_thread(request, uid)
        finally:
            self._left(uid)

    def _left(self, uid: int) -> None:
        with self._lock:
            self._served[uid] -= 1
            if self._served[uid] <= 0:
                del self._served[uid]

    def _turn_away(self, request: Any) -> None:
        answer = {
            "v": 1,
            **refusal("busy", "同时的连接太多，请稍后再试", "too many connections at once, try again later"),
        }
        with contextlib.suppress(OSError):
            request.setblocking(False)  # the thread that accepts waits for nobody
            request.send(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
        self.shutdown_request(request)


class ControlSocket:
    """Listens at ``path`` (mode 0660) until closed. ``now_us``: boot-time, for how long a request may take. ``peer_uid``:
    whose connection it is; raises OSError."""

    def __init__(
        self,
        path: Path,
        events: queue.Queue[UnitEvent],
        now_us: Callable[[], int],
        peer_uid: Callable[[socket.socket], int] = peer_uid,
    ) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        self._server = _Server(path, events, now_us, peer_uid)
        path.chmod(0o660)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)
        self._path.unlink(missing_ok=True)
