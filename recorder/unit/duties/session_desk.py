"""Start, stop, mark and status over the control socket, and the uplink's word that receipts have come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from recorder.session import effects as fx
from recorder.session import events as ev
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty

MAX_KIND = 64


class SessionDesk(Duty):
    name = "session"
    read_only: ClassVar[frozenset[str]] = frozenset({"receipt", "status"})

    def commands(self) -> Mapping[str, Command]:
        return {
            "start": self._start,
            "stop": self._stop,
            "mark": self._mark,
            "receipt": self._receipt,
            "status": self._status,
        }

    def _decide(self, event: ev.Event) -> Answer:
        for effect in self._unit.decide(event):
            if isinstance(effect, fx.Refused):
                return refusal(effect.code, effect.zh, effect.en)
        return {"ok": True, "session_id": self._unit.p.machine.session_id}

    def _start(self, message: dict[str, Any]) -> Answer:
        return self._decide(self._unit.start_request("command"))

    def _stop(self, message: dict[str, Any]) -> Answer:
        return self._decide(ev.StopRequested(at_us=self._unit.now_us(), reason="command"))

    def _mark(self, message: dict[str, Any]) -> Answer:
        kind = message.get("kind", "key")
        if not isinstance(kind, str) or not 0 < len(kind) <= MAX_KIND:
            return refusal("bad-kind", "标记类别应为 1 至 64 个字符", "kind must be 1 to 64 characters")
        return self._decide(ev.MarkRequested(at_us=self._unit.now_us(), kind=kind))

    def _receipt(self, message: dict[str, Any]) -> Answer:
        self._unit.p.custody.receipts_arrived()
        return {"ok": True}

    def _status(self, message: dict[str, Any]) -> Answer:
        machine = self._unit.p.machine
        return {"ok": True, "state": machine.state.value, "session_id": machine.session_id}
