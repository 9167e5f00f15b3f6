"""开机自检: says once after the unit was switched on that it is ready, or which part is not. A new process in the same boot
says nothing: nobody has switched anything on."""

from __future__ import annotations

from recorder.evidence.state import JournalState
from recorder.session.power_on import PowerOn
from recorder.unit.duty import Duty


class PowerOnDesk(Duty):
    name = "power-on"

    _power_on: PowerOn | None = None

    def started(self, before: JournalState) -> None:
        if before.last is None or before.last.bootseed != self._unit.p.clock.boot_id():
            self._power_on = PowerOn()

    def tick(self, now_us: int) -> None:
        if self._power_on is None:
            return
        parts = self._unit.p
        wrong = self._power_on.look(
            now_us,
            recording=parts.machine.session_id is not None,
            cameras_ready=all(camera.ready for camera in parts.cameras.values()),
            faults=parts.faults.present(),
        )
        if wrong is None:
            return
        self._power_on = None
        if not wrong:
            self._unit.say("ready")
        for part in wrong:
            self._unit.say("self-test-failed", part=part)
