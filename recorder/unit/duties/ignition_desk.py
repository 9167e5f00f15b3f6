"""The vehicle's ignition: each change is an ``event``; what follows from it, ``session.ignition`` decides."""

from __future__ import annotations

from recorder.evidence.records import Event, Mark, Record, SessionStart, SessionStop
from recorder.evidence.state import JournalState
from recorder.session import events as ev
from recorder.session.ignition import IgnitionPolicy, IgnitionSettings
from recorder.unit.duty import Duty, UnitServices
from recorder.unit.events import IgnitionChanged, UnitEvent


class IgnitionDesk(Duty):
    name = "ignition"

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._policy = IgnitionPolicy(IgnitionSettings.of(services.p.config.vehicle))

    def started(self, before: JournalState) -> None:
        booted = before.last is None or before.last.bootseed != self._unit.p.clock.boot_id()
        self._policy = IgnitionPolicy(IgnitionSettings.of(self._unit.p.config.vehicle), may_start=booted)
        if before.session is not None:
            self._policy.session_began(before.session.session_id, before.session.trigger)

    def observe(self, record: Record) -> None:
        match record:
            case SessionStart():
                self._policy.session_began(record.session_id, record.trigger)
            case SessionStop():
                self._policy.session_ended()
            case Mark():
                self._policy.marked()

    def handle(self, event: UnitEvent) -> None:
        if not isinstance(event, IgnitionChanged):
            return
        unit = self._unit
        unit.write(Event(event=f"ignition-{'on' if event.on else 'off'}", at_us=event.since_us, detail={}))
        if self._policy.level(event.on, event.since_us):
            # Refused while a recording runs; one that is just being closed is followed by this one.
            unit.decide(unit.start_request("ignition"))

    def tick(self, now_us: int) -> None:
        if self._policy.due(now_us):
            # Refused in 全程 mode (art. 20): the recording goes on until somebody says why it ends.
            self._unit.decide(ev.StopRequested(at_us=now_us, reason="ignition"))
