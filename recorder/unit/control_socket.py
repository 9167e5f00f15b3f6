"""The control socket: one JSON line in, one JSON line out, decided on the main thread. No network port anywhere."""

from __future__ import annotations

import contextlib
import json
import queue
import socketserver
import threading
from pathlib import Path
from typing import Any

from recorder.unit.events import ControlRequest, UnitEvent

MAX_LINE = 1 << 16
ANSWER_TIMEOUT_S = 8.0


def refusal(code: str, zh: str, en: str) -> dict[str, Any]:
    """The form every refusal has."""
    return {"v": 1, "ok": False, "error": {"code": code, "zh": zh, "en": en}}


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    timeout = 10

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client went away: nobody is left to be told
            line = self.rfile.readline(MAX_LINE)
            self.wfile.write(json.dumps(self._answer(line), ensure_ascii=False).encode() + b"\n")

    def _answer(self, line: bytes) -> dict[str, Any]:
        if not line.endswith(b"\n"):
            return refusal("bad-request", "请求不完整或者过长", "torn or oversized request")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):  # deeply nested JSON is a RecursionError, not a ValueError
            return refusal("bad-request", "请求不是 JSON", "not JSON")
        if not isinstance(message, dict) or message.get("v") != 1 or not isinstance(message.get("cmd"), str):
            return refusal("bad-request", "请求缺少 v=1 或者 cmd", "v=1 or cmd is missing")
        done = threading.Event()
        answers: list[dict[str, Any]] = []

        def reply(answer: dict[str, Any]) -> None:
            answers.append({"v": 1, **answer})
            done.set()

        self.server.events.put(ControlRequest(message, reply))
        if not done.wait(ANSWER_TIMEOUT_S):
            return refusal("timeout", "记录单元没有及时应答", "the unit did not answer in time")
        return answers[0]


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64  # with the default 5 a burst of clients is refused at connect (EAGAIN)

    def __init__(self, path: Path, events: queue.Queue[UnitEvent]) -> None:
        self.events = events
        super().__init__(str(path), _Handler)


class ControlSocket:
    """Listens at ``path`` (mode 0660) until closed."""

    def __init__(self, path: Path, events: queue.Queue[UnitEvent]) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        self._server = _Server(path, events)
        path.chmod(0o660)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)
        self._path.unlink(missing_ok=True)
