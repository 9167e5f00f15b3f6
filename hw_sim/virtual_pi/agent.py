"""The host's end of the agent in the guest (``guest/root/usr/local/lib/virtual-pi/agent.py``)."""

from __future__ import annotations

import base64
import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hw_sim.virtual_pi.errors import VirtualPiError

GRACE_S = 10.0
"""Beyond the command's own limit: the guest's agent ends what takes too long, and we what does not answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    output: str


class Agent:
    """``guest_end``: the descriptor for the kernel's ``ssl2``. Thread-safe."""

    def __init__(self) -> None:
        self._ours, self.guest_end = socket.socketpair()
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._answers: dict[int, dict[str, Any]] = {}
        self._next_id = 1
        self._closed = False
        self.boot_id: str | None = None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def wait_ready(self, timeout_s: float) -> str | None:
        """The boot id the agent said at its start; None when it has not within ``timeout_s`` or the machine went off."""
        with self._changed:
            self._changed.wait_for(lambda: self.boot_id is not None or self._closed, timeout_s)
            return self.boot_id

    def call(self, command: str, timeout_s: float) -> Answer:
        """Run a line of bash as root in the guest. Raises VirtualPiError: not in time, or the machine is off."""
        with self._changed:
            number = self._next_id
            self._next_id += 1
        request = {"id": number, "command": command, "timeout_s": timeout_s}
        try:
            with self._sending:
                self._ours.sendall(json.dumps(request).encode("ascii") + b"\n")
        except OSError as error:
            raise VirtualPiError(f"虚拟机已关 the machine is off: {command}") from error
        with self._changed:
            self._changed.wait_for(lambda: number in self._answers or self._closed, timeout_s + GRACE_S)
            answer = self._answers.pop(number, None)
        if answer is None:
            why = "虚拟机已关 the machine went off" if self._closed else "没有回答 no answer"
            raise VirtualPiError(f"{why}: {command}")
        output = base64.b64decode(answer["output"]).decode("utf-8", "replace")
        if answer["status"] is None:
            raise VirtualPiError(f"{timeout_s:g} 秒内未结束 did not end in time: {command}\n{output[-3000:]}")
        return Answer(int(answer["status"]), output)

    def close(self) -> None:
        with suppress(OSError):  # the other end went first
            self._ours.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._ours.close()

    def _listen(self) -> None:
        waiting = b""
        while chunk := self._receive():
            *lines, waiting = (waiting + chunk).split(b"\n")
            for line in lines:
                self._take(line)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _receive(self) -> bytes:
        try:
            return self._ours.recv(65536)
        except OSError:
            return b""

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return  # what the line's echo made of it before the agent set it raw
        with self._changed:
            if "hello" in message:
                self.boot_id = str(message["hello"])
            elif "id" in message and "status" in message:
                self._answers[int(message["id"])] = message
            self._changed.notify_all()
