"""The unit process at this moment, over its real control socket."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.clock import SystemClock
from recorder.unit.control_socket import ControlSocket, refusal
from recorder.unit.events import ControlRequest, UnitEvent
from recorder.update.unit_view import UnitView


@pytest.mark.parametrize(
    ("answer", "idle"),
    [
        ({"ok": True, "session_id": None}, True),
        ({"ok": True, "session_id": "s"}, False),
        ({"ok": True}, False),
        (refusal("timeout", "没有及时应答", "no answer in time"), False),
    ],
)
def test_only_a_unit_that_says_so_is_idle(tmp_path: Path, answer: dict[str, Any], idle: bool) -> None:
    events: queue.Queue[UnitEvent] = queue.Queue()
    clock = SystemClock()
    socket = ControlSocket(tmp_path / "control.sock", events, clock.boottime_us)

    def serve() -> None:
        event = events.get(timeout=20)
        assert isinstance(event, ControlRequest) and event.message["cmd"] == "status"
        event.reply(answer)

    server = threading.Thread(target=serve)
    server.start()
    try:
        assert UnitView(tmp_path, clock).idle_now() is idle
    finally:
        server.join(20)
        socket.close()


def test_one_that_cannot_be_asked_is_not(tmp_path: Path) -> None:
    assert not UnitView(tmp_path, SystemClock()).idle_now()
