"""A new unit process without an end of the shift: ``recorder ctl restart`` (the package, after an upgrade) or the agency's
command. It waits until nothing is recorded; the shift, the officers and the faults go on in the new process."""

from __future__ import annotations

from collections.abc import Mapping

from recorder.evidence.command_texts import WHEN_IDLE, texts
from recorder.evidence.records import Event
from recorder.session.idle_restart import IdleRestart
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty, UnitServices


class RestartDesk(Duty):
    name = "restart"

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._restart = IdleRestart()

    def commands(self) -> Mapping[str, Command]:
        return {"restart": lambda message: self._asked("control-socket")}

    def orders(self) -> Mapping[str, Command]:
        return {"restart": lambda message: self._asked("agency")}

    def tick(self, now_us: int) -> None:
        unit = self._unit
        if self._restart.due(now_us, recording=unit.p.machine.session_id is not None):
            unit.write(Event(event="unit-restart", at_us=now_us, detail={"asked_by": self._restart.asked_by}))
            unit.restart()

    def _asked(self, asked_by: str) -> Answer:
        if not self._unit.p.reloading.restarts:
            return refusal("not-supervised", *texts("not-supervised"))
        self._restart.ask(asked_by)
        return {"ok": True, "code": WHEN_IDLE, "recording": self._unit.p.machine.session_id is not None}
