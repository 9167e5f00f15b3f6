"""The unit process's main loop: one thread, one queue. Events in, decisions by pure machines, effects out, one commit.

Devices, sockets and timers only enqueue; everything that decides or writes evidence happens here, in order.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Clock, DeviceError, UnitBoard
from recorder.channel import messages
from recorder.config.models import RecorderConfig
from recorder.evidence.journal_loader import Finding
from recorder.evidence.records import Record, ShiftEnd, ShiftStart
from recorder.officer.indicators import Indicators
from recorder.session import effects as fx
from recorder.session import events as ev
from recorder.session.gestures import GestureRecogniser
from recorder.session.machine import SessionMachine
from recorder.session.supervision import KillWorker, Launch, WorkerSupervisor
from recorder.unit.control import ControlCommands
from recorder.unit.custody import Custody
from recorder.unit.devices import Guarded
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
from recorder.unit.fault_book import FaultBook
from recorder.unit.heads import ChannelOrderError, HeadBook
from recorder.unit.launcher import WorkerLauncher
from recorder.unit.ledger import Ledger
from recorder.unit.officers import Officers
from recorder.unit.sensors import Sensors
from recorder.unit.worker_link import WorkerLink

log = logging.getLogger("recorder.unit")

TICK_S = 0.05
POLL_US = 200_000
TELEMETRY_US = 500_000
BATCH = 256


@dataclass(slots=True)
class CameraParts:
    """What belongs to one camera's worker."""

    link: WorkerLink
    supervisor: WorkerSupervisor
    heads: HeadBook
    connected: bool = False
    exited: bool = True
    ready: bool = False
    last: messages.Progress | None = None
    socket: Path = field(default_factory=Path)


@dataclass(slots=True)
class Parts:
    """Everything the loop works with, built by the composition root."""

    config: RecorderConfig
    clock: Clock
    board: UnitBoard
    events: queue.Queue[UnitEvent]
    machine: SessionMachine
    gestures: GestureRecogniser
    cameras: dict[str, CameraParts]
    launcher: WorkerLauncher
    ledger: Ledger
    custody: Custody
    officers: Officers
    indicators: Indicators
    sensors: Sensors
    faults: FaultBook
    guarded: tuple[Guarded, ...] = ()


class UnitProcess:
    def __init__(self, parts: Parts) -> None:
        self.p = parts
        self.finished = False
        self._shutting_down = False
        self._next_poll_us = 0
        self._next_telemetry_us = 0
        self._control = ControlCommands(self)

    # --- the loop ----------------------------------------------------------------------------------------------------

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
        evidence: dict[str, Any] = {"error": str(error)} if error else {}
        self._fault("storage-fault", "journal", not committed, evidence)

    def decide(self, event: ev.Event) -> list[fx.Effect]:
        """Let the session machine decide and carry its effects out, in order."""
        effects = self.p.machine.handle(event)
        for effect in effects:
            self._carry_out(effect)
        return effects

    def now_us(self) -> int:
        return self.p.clock.boottime_us()

    # --- effects -----------------------------------------------------------------------------------------------------

    def _carry_out(self, effect: fx.Effect) -> None:
        match effect:
            case fx.WriteRecord(record):
                self._write(record)
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
                self._send_after_commit(start)
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

    def _write(self, record: Record) -> None:
        self.p.ledger.write(record)
        if isinstance(record, ShiftStart | ShiftEnd):
            # Whoever signed in did so for that shift; the next one's watermark must not name them.
            self.p.officers.clear()

    def _send_after_commit(self, message: messages.Message) -> None:
        self.p.ledger.after_commit(lambda: self.send(message))

    def send(self, message: messages.Message) -> None:
        if not self.p.cameras[message.camera_id].link.send(message):
            log.warning("worker.unreachable", extra={"fields": {"camera_id": message.camera_id}})

    # --- events ------------------------------------------------------------------------------------------------------

    def handle(self, event: UnitEvent) -> None:
        match event:
            case ButtonEdge(button, pressed, at_us):
                for name in self.p.gestures.edge(button, pressed, at_us, self.p.machine.state):
                    self._command(name)
            case FixReceived(fix):
                self.p.sensors.readings.fix = fix
            case ControlRequest(message, reply):
                self._answer(message, reply)
            case JournalAltered(finding):
                self.found(finding)
            case WorkerConnected(camera_id, _):
                self._connected(camera_id)
            case WorkerMessage(camera_id, message):
                self._message(camera_id, message)
            case WorkerDisconnected(camera_id, detail):
                camera = self.p.cameras[camera_id]
                camera.connected = False
                if not camera.exited and detail != "closed":
                    log.error("worker.channel", extra={"fields": {"camera_id": camera_id, "detail": detail}})
                    self.p.launcher.kill(camera_id)
                self._maybe_lost(camera_id)
            case WorkerExited(camera_id, _, status):
                camera = self.p.cameras[camera_id]
                camera.exited = True
                camera.supervisor.note_exit(f"exit status {status}")
                self._maybe_lost(camera_id)
            case Shutdown():
                if not self._shutting_down:
                    self._shutting_down = True
                    self.decide(ev.PowerOff(at_us=self.now_us()))

    def _answer(self, message: dict[str, Any], reply: Callable[[dict[str, Any]], None]) -> None:
        """What changes something is answered when its record is durable: a mark that was confirmed is in the journal."""
        answer = self._control.answer(message)
        if self._control.changes(message):
            self.p.ledger.after_commit(lambda: reply(answer))
        else:
            reply(answer)

    def found(self, finding: Finding) -> None:
        """Something is wrong with the evidence on the disk: a fault that lasts as long as this process."""
        code = "journal-altered" if finding.code.startswith("journal-") else finding.code
        evidence = {"finding": finding.code, "zh": finding.zh, "en": finding.en}
        self._fault(code, finding.subject, True, evidence)

    def _command(self, name: str) -> None:
        """A gesture's command; the officer's hand is never answered with a question."""
        now = self.now_us()
        if name == "start":
            self.decide(self.start_request("button"))
        elif name == "stop":
            self.decide(ev.StopRequested(at_us=now, reason="button"))
        elif name == "mark":
            self.decide(ev.MarkRequested(at_us=now))

    def start_request(self, trigger: ev.StartTrigger) -> ev.StartRequested:
        return ev.StartRequested(
            at_us=self.now_us(),
            trigger=trigger,
            officers=self.p.officers.count,
            last_receipt=self.p.custody.session_anchor(),
        )

    # --- workers -----------------------------------------------------------------------------------------------------

    def _connected(self, camera_id: str) -> None:
        camera = self.p.cameras[camera_id]
        camera.connected = True
        camera.heads = HeadBook(round(self.p.config.signing.head_interval_s * 1e6))
        now = self.now_us()
        sealing = self.p.config.sealing
        recipients = sealing.recipients if sealing.enabled else ()
        self.send(messages.Recipients(camera_id=camera_id, at_us=now, recipients=recipients))
        self.send(self.overlay(camera_id))
        self.send(self.p.sensors.telemetry(camera_id, now))
        camera.supervisor.hello(now)

    def overlay(self, camera_id: str) -> messages.Overlay:
        return messages.Overlay(
            camera_id=camera_id,
            at_us=self.now_us(),
            device_id=self.p.config.device.id,
            officers=self.p.officers.certificate_numbers,
        )

    def _message(self, camera_id: str, message: messages.FromWorker) -> None:
        camera = self.p.cameras[camera_id]
        now = self.now_us()
        if isinstance(message, messages.Progress):
            camera.last = message
            if self._waits_for_room(camera_id):
                # It is well and writes as soon as it can. Its frames are judged, its entries are not.
                message = message.model_copy(update={"recording": False})
            if camera.supervisor.progress(message, now):
                camera.ready = True
                for fault in self.p.faults.end_all(camera_id, now):
                    self.p.ledger.write(fault)
                self.decide(ev.WorkerReady(at_us=now, camera_id=camera_id))
            return
        if isinstance(message, messages.Hello) or not camera.heads.is_new(message.n):
            return
        try:
            self._report(camera, message, now)
        except ChannelOrderError as error:
            log.error("worker.order", extra={"fields": {"camera_id": camera_id, "detail": str(error)}})
            camera.supervisor.condemn("worker-crash", str(error))
            self.p.launcher.kill(camera_id)

    def _waits_for_room(self, camera_id: str) -> bool:
        """A full card, and the gap it makes is recorded already: killing the worker again would only cost records."""
        return self.p.faults.is_open("storage-full", camera_id) and camera_id in self.p.machine.gaps

    def _report(
        self,
        camera: CameraParts,
        message: messages.Opened | messages.EntryWritten | messages.Closed | messages.Speech | messages.FaultReport,
        now: int,
    ) -> None:
        camera.heads.arrived(message.n)
        if isinstance(message, messages.EntryWritten):
            camera.heads.add(message, now)
            return
        if isinstance(message, messages.Opened):
            overlay = self.p.custody.sealed({"device_id": self.p.config.device.id, "officers": list(message.officers)})
            self.decide(ev.SegmentOpened(at_us=now, message=message, wall_us=self.p.clock.wall_us(), overlay=overlay))
        elif isinstance(message, messages.Closed):
            self.sign_heads(message.camera_id)
            camera.heads.forget(message.segment_id)
            self.decide(ev.SegmentClosed(at_us=now, message=message))
        elif isinstance(message, messages.FaultReport):
            present = message.phase == "onset"
            self._fault(message.code, message.camera_id, present, {"component": message.component, **message.evidence})
            self.decide(ev.WorkerFault(now, message.camera_id, message.code, message.phase))
        self._settle(camera, message.camera_id, [message.n])

    def sign_heads(self, camera_id: str) -> None:
        """Append a head for every segment with waiting entries."""
        camera = self.p.cameras[camera_id]
        now = self.now_us()
        for head, reports in camera.heads.take():
            self.p.ledger.write(head)
            self._settle(camera, camera_id, reports)
            end_us = max(entry[4] for entry in head.entries)
            self.decide(ev.MediaDurable(now, camera_id, head.segment_id, end_us))

    def _settle(self, camera: CameraParts, camera_id: str, reports: list[int]) -> None:
        """After the commit: these reports are signed and durable, so the worker may forget them."""
        book = camera.heads

        def acknowledge() -> None:
            book.settled(reports)
            n = book.acknowledgeable()
            if n and camera.connected and camera.heads is book:
                self.send(messages.Ack(camera_id=camera_id, at_us=self.now_us(), n=n))

        self.p.ledger.after_commit(acknowledge)

    def _maybe_lost(self, camera_id: str) -> None:
        """A worker is lost when its process is gone *and* everything it still said has been read."""
        camera = self.p.cameras[camera_id]
        if not camera.exited or camera.connected or camera.supervisor.is_waiting:
            return
        now = self.now_us()
        self.sign_heads(camera_id)
        camera.ready = False
        cause, detail = camera.supervisor.cause, camera.supervisor.detail
        if cause == "storage-fault" and self.p.faults.is_open("storage-full", camera_id):
            cause = "storage-full"
        log.error("worker.lost", extra={"fields": {"camera_id": camera_id, "cause": cause, "detail": detail}})
        if not self._shutting_down or self.p.machine.session_id is not None:
            self._fault(cause, camera_id, True, {"detail": detail})
        self.decide(ev.WorkerLost(at_us=now, camera_id=camera_id, cause=cause, detail=detail))
        if all(other.exited for other in self.p.cameras.values()):
            # Another camera's worker may just have made a file it has not reported yet; then the next start looks.
            self.p.custody.recover_orphans()
        camera.supervisor.exited(now)

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        now = self.now_us()
        for name in self.p.gestures.tick(now, self.p.machine.state):
            self._command(name)
        self.decide(ev.Tick(at_us=now))
        for camera_id, camera in self.p.cameras.items():
            due = camera.heads.due_us()
            if due is not None and now >= due:
                self.sign_heads(camera_id)
            self._supervise(camera_id, camera, now)
        self.p.indicators.step(now)
        if now >= self._next_poll_us:
            self._next_poll_us = now + POLL_US
            self._poll()
        if now >= self._next_telemetry_us:
            self._next_telemetry_us = now + TELEMETRY_US
            for camera_id, camera in self.p.cameras.items():
                if camera.connected:
                    self.send(self.p.sensors.telemetry(camera_id, now))

    def _supervise(self, camera_id: str, camera: CameraParts, now: int) -> None:
        order = camera.supervisor.tick(now)
        if isinstance(order, KillWorker):
            log.error("worker.killed", extra={"fields": {"camera_id": camera_id, "cause": order.cause}})
            self.p.launcher.kill(camera_id)
        elif isinstance(order, Launch) and not self._shutting_down:
            camera.exited = False
            try:
                self.p.launcher.launch(camera_id, camera.socket)
            except OSError as error:
                camera.exited = True
                camera.supervisor.note_exit(str(error))
                camera.supervisor.exited(now)

    def _poll(self) -> None:
        now, wall = self.now_us(), self.p.clock.wall_us()
        for record in self.p.sensors.poll(now, wall):
            self.p.ledger.write(record)
        gnss = self.p.board.gnss
        failure = gnss.failure() if gnss is not None else None
        self._fault("gnss-lost", "gnss", failure is not None, _device_evidence(failure))
        self._fault("clock-not-set", "clock", not self.p.sensors.clock_is_set(wall), {})
        self.p.custody.poll(now, wall)
        for place in ("data", "receipts", "release"):
            problem = self.p.custody.problems.get(place)
            self._fault("storage-fault", place, problem is not None, {"error": problem} if problem else {})
        for device in self.p.guarded:
            failure = device.failure
            self._fault("output-fault", device.name, failure is not None, _device_evidence(failure))
        low = self.p.custody.reserve_is_short()
        self._fault("storage-full", "storage", low, {"free_bytes": self.p.custody.free_bytes})
        present = set(self.p.faults.present())
        self.p.indicators.alarm("clock-not-set", "clock-not-set" in present, now)
        self.p.indicators.alarm("fault", bool(present - {"clock-not-set"}), now)

    def _fault(self, code: str, component: str, present: bool, evidence: dict[str, Any]) -> None:
        record = self.p.faults.report(code, component, present, self.now_us(), evidence)
        if record is not None:
            self.p.ledger.write(record)
            log.warning("fault", extra={"fields": {"code": code, "phase": record.phase, "component": component}})


def _device_evidence(failure: DeviceError | None) -> dict[str, Any]:
    return {} if failure is None else {"error": str(failure), "errno": failure.errno}
