"""The unit process's main loop: one thread, one queue. Events in, decisions by pure machines, effects out, one commit.

Devices, sockets and timers only enqueue; everything that decides or writes evidence happens here, in order. What is done
beside recording is in ``duties``, the workers' side in ``workers``.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Sequence
from typing import Any

from recorder.channel import messages
from recorder.config.models import RecorderConfig
from recorder.evidence.journal import SigningError
from recorder.evidence.journal_loader import Finding
from recorder.evidence.records import Event, Record, ShiftEnd
from recorder.evidence.state import CLEAN_END_EVENT, JournalState
from recorder.faults.catalogue import CATALOGUE
from recorder.officer.indicators import ALARMS
from recorder.session import effects as fx
from recorder.session import events as ev
from recorder.unit.control import ControlCommands, orders_of
from recorder.unit.duty import CALLS, Answer, Duty, DutyFactory, overrides
from recorder.unit.events import (
    ButtonEdge,
    ControlRequest,
    FixReceived,
    JournalAltered,
    Shutdown,
    UnitEvent,
    WorkerConnected,
    WorkerDisconnected,
    WorkerExited,
    WorkerMessage,
)
from recorder.unit.parts import CameraParts as CameraParts
from recorder.unit.parts import Parts as Parts
from recorder.unit.reconfigure import reconfigure
from recorder.unit.workers import WorkerDesk

log = logging.getLogger("recorder.unit")

TICK_S = 0.05
POLL_US = 200_000
TELEMETRY_US = 250_000
"""The worker judges its picture by the light around: what it hears of that must be younger than a fault may be."""
BATCH = 256

Voice = Callable[..., None]
"""``voice(prompt_id, **values)``."""


class UnitProcess:
    """The services of ``duty.UnitServices`` and the loop. ``duties``: in the order in which they are asked."""

    def __init__(self, parts: Parts, duties: Sequence[DutyFactory] = ()) -> None:
        self.p = parts
        self.finished = False
        self.restarting = False
        """It ends so that a new process takes over; nothing of the shift ends."""
        self._clean_end = False
        self.voice: Voice | None = None
        """Set by the duty that speaks; until then a prompt is only logged."""
        self._next_poll_us = 0
        self._next_telemetry_us = 0
        self._workers = WorkerDesk(self)
        self._duties: list[Duty] = []
        self._called: dict[str, list[Duty]] = {call: [] for call in CALLS}
        for make in duties:
            self._add(make)
        self._control = ControlCommands(self, self._duties)
        self._orders = orders_of(self._duties)
        parts.ledger.subscribe(self._observed)

    # --- the loop ----------------------------------------------------------------------------------------------------

    def started(self, before: JournalState, event: ev.UnitStarted) -> None:
        """Take up what the journal says: each duty first, so that it sees every record that follows from it."""
        self._each("started", lambda duty: duty.started(before))
        self.decide(event)

    def turn(self) -> None:
        """Wait a moment for events, handle all there are, let time pass, commit."""
        batch: list[UnitEvent] = []
        try:
            batch.append(self.p.events.get(timeout=TICK_S))
            while len(batch) < BATCH:
                batch.append(self.p.events.get_nowait())
        except queue.Empty:
            pass  # the batch is what there is
        for event in batch:
            self.handle(event)
        self.tick()
        self.commit()

    def commit(self) -> None:
        committed = self.p.ledger.commit()
        error = self.p.ledger.error
        signing = isinstance(error, SigningError)
        evidence: dict[str, Any] = {"error": str(error)} if error else {}
        self.fault("signing-fault", "journal", signing, evidence)
        self.fault("storage-fault", "journal", not committed and not signing, evidence)

    def close(self) -> None:
        """The duties say their last words. In an orderly end the last record of all says that it was one."""
        self._each("close", lambda duty: duty.close())
        if (self.finished or self.restarting) and not self._clean_end:
            self.write(Event(event=CLEAN_END_EVENT, at_us=self.now_us(), detail={}))

    def _add(self, make: DutyFactory) -> None:
        try:
            duty = make(self)
        except Exception as error:  # the recording needs none of them
            name = getattr(make, "name", "duty")
            log.exception("duty.failed", extra={"fields": {"duty": name, "call": "start"}})
            self._duty_fault(name, "start", error)
            return
        self._duties.append(duty)
        for call, called in self._called.items():
            if overrides(duty, call):
                called.append(duty)

    def _each(self, what: str, act: Callable[[Duty], None]) -> None:
        """``what``: of ``CALLS``, the one that ``act`` makes."""
        for duty in self._called[what]:
            self._guarded(duty, what, act)

    def _guarded(self, duty: Duty, what: str, act: Callable[[Duty], None]) -> None:
        try:
            act(duty)
        except Exception as error:  # whatever it is, it is less than the recording (promise 1)
            if not self.p.faults.is_open("duty-fault", duty.name):  # once, not twenty times a second
                log.exception("duty.failed", extra={"fields": {"duty": duty.name, "call": what}})
            self._duty_fault(duty.name, what, error)

    def _duty_fault(self, name: str, what: str, error: Exception) -> None:
        self.fault("duty-fault", name, True, {"call": what, "error": f"{type(error).__name__}: {error}"})

    # --- services ----------------------------------------------------------------------------------------------------

    def now_us(self) -> int:
        return self.p.clock.boottime_us()

    def wall_us(self) -> int:
        return self.p.clock.wall_us()

    def write(self, record: Record) -> None:
        self.p.ledger.write(record)

    def after_commit(self, act: Callable[[], None]) -> None:
        self.p.ledger.after_commit(act)

    def decide(self, event: ev.Event) -> list[fx.Effect]:
        effects = self.p.machine.handle(event)
        for effect in effects:
            self._carry_out(effect)
        return effects

    def start_request(self, trigger: ev.StartTrigger) -> ev.StartRequested:
        return ev.StartRequested(
            at_us=self.now_us(),
            trigger=trigger,
            officers=self.p.officers.count,
            last_receipt=self.p.custody.session_anchor(),
        )

    def fault(self, code: str, component: str, present: bool, evidence: dict[str, Any]) -> None:
        record = self.p.faults.report(code, component, present, self.now_us(), evidence)
        if record is not None:
            self.write(record)
            log.warning("fault", extra={"fields": {"code": code, "phase": record.phase, "component": component}})

    def found(self, finding: Finding) -> None:
        """A fault that lasts as long as this process."""
        code = "journal-altered" if finding.code.startswith("journal-") else finding.code
        evidence = {"finding": finding.code, "zh": finding.zh, "en": finding.en}
        self.fault(code, finding.subject, True, evidence)

    def say(self, prompt_id: str, **values: object) -> None:
        if self.voice is not None:
            self.voice(prompt_id, **values)
        else:
            log.info("prompt", extra={"fields": {"prompt": prompt_id, **values}})

    def set_voice(self, voice: Voice) -> None:
        self.voice = voice

    def order(self, kind: str, message: dict[str, Any]) -> Answer:
        return self._orders[kind](message)

    def send_overlay(self) -> None:
        self._workers.send_overlay()

    def announce(self, config: RecorderConfig) -> None:
        self._workers.announce(config)

    def reconfigure(self, config: RecorderConfig, *, restart_workers: bool) -> None:
        before = self.p.config
        reconfigure(self.p, config)
        self._each("reconfigured", lambda duty: duty.reconfigured(before))
        self._workers.announce(config)
        if restart_workers:
            self._workers.restart_all()

    def restart(self) -> None:
        if not self.restarting:
            self.restarting = True
            self.decide(ev.HandOver(at_us=self.now_us()))

    # --- effects -----------------------------------------------------------------------------------------------------

    def _carry_out(self, effect: fx.Effect) -> None:
        match effect:
            case fx.WriteRecord(record):
                self.write(record)
            case fx.Rotate():
                self.p.ledger.rotate()
            case fx.SendStart(camera_id, session_id, next_index, preroll):
                start = messages.Start(
                    camera_id=camera_id,
                    at_us=self.now_us(),
                    session_id=session_id,
                    next_index=next_index,
                    preroll=preroll,
                )
                self.after_commit(lambda: self._start_unless_over(start))
            case fx.SendStop(camera_id, session_id, reason):
                self._send_after_commit(
                    messages.Stop(camera_id=camera_id, at_us=self.now_us(), session_id=session_id, reason=reason)
                )
            case fx.KillWorker(camera_id, cause, detail):
                self.p.cameras[camera_id].supervisor.condemn(cause, detail)
                self.p.launcher.kill(camera_id)
            case fx.RecoverSegment(session_id, segment_id, camera_id):
                self.p.custody.recover_segment(session_id, segment_id, camera_id)
            case fx.Indicate(state):
                self.p.indicators.show(state, state in ("stopped", "marked"), self.now_us())
            case fx.Refused(code, zh, en):
                log.info("session.refused", extra={"fields": {"code": code, "zh": zh, "en": en}})
            case fx.ShutdownComplete():
                self.finished = True

    def _send_after_commit(self, message: messages.Message) -> None:
        self.after_commit(lambda: self._workers.send(message))

    def _start_unless_over(self, start: messages.Start) -> None:
        """A journal that was refused for long is written late: what the officer has ended meanwhile must not begin."""
        if self.p.machine.session_id == start.session_id:
            self._workers.send(start)

    def _observed(self, record: Record) -> None:
        self._clean_end = isinstance(record, ShiftEnd) or (
            isinstance(record, Event) and record.event == CLEAN_END_EVENT
        )
        self.p.health.observe(record, self.now_us(), self.wall_us())
        self._each("observe", lambda duty: duty.observe(record))

    # --- events ------------------------------------------------------------------------------------------------------

    def handle(self, event: UnitEvent) -> None:
        match event:
            case ButtonEdge(button, pressed, at_us):
                for name in self.p.gestures.edge(button, pressed, at_us, self.p.machine.state):
                    self._gesture(name)
            case FixReceived(fix):
                self.p.sensors.readings.fix = fix
            case ControlRequest(message, reply, peer_uid):
                self._control.request(message, reply, peer_uid)
            case JournalAltered(finding):
                self.found(finding)
            case WorkerConnected(camera_id, _):
                self._workers.connected(camera_id)
            case WorkerMessage(camera_id, message):
                self._workers.message(camera_id, message)
            case WorkerDisconnected(camera_id, detail):
                self._workers.disconnected(camera_id, detail)
            case WorkerExited(camera_id, _, status):
                self._workers.exited(camera_id, status)
            case Shutdown():
                if not self._workers.stopping:
                    self._workers.stopping = True
                    self.decide(ev.PowerOff(at_us=self.now_us()))
        self._each("handle", lambda duty: duty.handle(event))

    def _gesture(self, name: str) -> None:
        """A gesture's command; the officer's hand is never answered with a question."""
        taken: list[Duty] = []

        def offer(duty: Duty) -> None:
            if not taken and duty.gesture(name):
                taken.append(duty)

        self._each("gesture", offer)
        if taken:
            return
        now = self.now_us()
        if name == "start":
            self.decide(self.start_request("button"))
        elif name == "stop":
            self.decide(ev.StopRequested(at_us=now, reason="button"))
        elif name == "mark":
            self.decide(ev.MarkRequested(at_us=now))

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        now = self.now_us()
        for name in self.p.gestures.tick(now, self.p.machine.state):
            self._gesture(name)
        self.decide(ev.Tick(at_us=now))
        self._workers.tick(now)
        self._each("tick", lambda duty: duty.tick(now))
        self.p.indicators.step(now)
        if now >= self._next_poll_us:
            self._next_poll_us = now + POLL_US
            wall = self.wall_us()
            self._each("poll", lambda duty: duty.poll(now, wall))
            self._alarms(now)
        if now >= self._next_telemetry_us:
            self._next_telemetry_us = now + TELEMETRY_US
            self._workers.send_telemetry(now)

    def _alarms(self, now: int) -> None:
        wanted = {CATALOGUE[code].indicator if code in CATALOGUE else "fault" for code in self.p.faults.present()}
        for name in ALARMS:
            self.p.indicators.alarm(name, name in wanted, now)
