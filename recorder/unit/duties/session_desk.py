"""Start, shift and status over the control socket, and the uplink's word that receipts have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from recorder.session import effects as fx
from recorder.session import events as ev
from recorder.session.context import ContextError
from recorder.unit.context_request import context_of
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty


class SessionDesk(Duty):
    name = "session"
    read_only: ClassVar[frozenset[str]] = frozenset({"receipt", "status"})

    def commands(self) -> Mapping[str, Command]:
        return {"start": self._start, "shift": self._shift, "receipt": self._receipt, "status": self._status}

    def orders(self) -> Mapping[str, Command]:
        return {"start": lambda message: self._start(message, "remote")}

    def _decide(self, event: ev.Event) -> Answer:
        for effect in self._unit.decide(event):
            if isinstance(effect, fx.Refused):
                return refusal(effect.code, effect.zh, effect.en)
        machine = self._unit.p.machine
        return {"ok": True, "session_id": machine.session_id, "shift_id": machine.shift_id}

    def _start(self, message: dict[str, Any], trigger: ev.StartTrigger = "command") -> Answer:
        """A recording that nobody can describe is better than none; what was said wrongly is refused before it begins."""
        try:
            mode, matter = context_of(message, self._unit.p.custody.sealed)
        except ContextError as error:
            return refusal("bad-context", error.zh, error.en)
        return self._decide(replace(self._unit.start_request(trigger), mode=mode, matter=matter))

    def _shift(self, message: dict[str, Any]) -> Answer:
        now, action = self._unit.now_us(), message.get("action")
        if action == "start":
            return self._decide(ev.ShiftStartRequested(at_us=now, trigger="officer"))
        if action == "end":
            return self._decide(ev.ShiftEndRequested(at_us=now, trigger="officer"))
        return refusal("bad-action", "action 应为 start 或 end", "action must be start or end")

    def _receipt(self, message: dict[str, Any]) -> Answer:
        self._unit.p.custody.receipts_arrived()
        return {"ok": True}

    def _status(self, message: dict[str, Any]) -> Answer:
        """``boot_id`` and ``at_us``: whoever reads ``status.json`` can tell by them how old it is."""
        machine = self._unit.p.machine
        now = {"boot_id": self._unit.p.clock.boot_id(), "at_us": self._unit.now_us()}
        return {"ok": True, "state": machine.state.value, "session_id": machine.session_id, **now}
