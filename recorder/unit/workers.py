"""The workers' side of the loop: what they report is signed, then acknowledged; one that hangs or dies is replaced."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from recorder.channel import messages
from recorder.channel.exits import EXIT_INCOMPLETE
from recorder.config.models import RecorderConfig
from recorder.session import events as ev
from recorder.session.restart import as_cause
from recorder.session.supervision import KillWorker, Launch
from recorder.unit.heads import ChannelOrderError, HeadBook
from recorder.unit.parts import CameraParts

if TYPE_CHECKING:
    from recorder.unit.process import UnitProcess

log = logging.getLogger("recorder.unit")

Reported = (
    messages.Opened | messages.EntryWritten | messages.Closed | messages.Speech | messages.Qr | messages.FaultReport
)


class WorkerDesk:
    """``stopping``: the unit is being switched off, no worker is launched any more."""

    def __init__(self, unit: UnitProcess) -> None:
        self._unit = unit
        self.p = unit.p
        self.stopping = False
        self._generation = 0
        """Counts the configurations running workers could not take up."""

    def send(self, message: messages.Message) -> None:
        if not self.p.cameras[message.camera_id].link.send(message):
            log.warning("worker.unreachable", extra={"fields": {"camera_id": message.camera_id}})

    def send_overlay(self) -> None:
        for camera_id, camera in self.p.cameras.items():
            if camera.connected:
                self.send(self._overlay(camera_id))

    def send_telemetry(self, now: int) -> None:
        for camera_id, camera in self.p.cameras.items():
            if camera.connected:
                self.send(self.p.sensors.telemetry(camera_id, now))

    def _overlay(self, camera_id: str) -> messages.Overlay:
        return messages.Overlay(
            camera_id=camera_id,
            at_us=self._unit.now_us(),
            device_id=self.p.config.device.id,
            officers=self.p.officers.certificate_numbers,
        )

    def announce(self, config: RecorderConfig) -> None:
        now = self._unit.now_us()
        for camera_id, camera in self.p.cameras.items():
            if not camera.connected:
                continue
            self.send(self._recipients(camera_id, config))
            length = round(config.capture.segment_s * 1e6)
            self.send(messages.SegmentLength(camera_id=camera_id, at_us=now, segment_us=length))

    def restart_all(self) -> None:
        """New workers for a configuration running ones cannot take up. Only while nothing is recorded."""
        self._generation += 1
        self._end_outdated()

    def _end_outdated(self) -> None:
        """One that was launched and had not said hello yet has the old configuration, too, and can be told only once it
        has. Should a recording have begun by then, that comes first: its pictures are better than none."""
        if self.p.machine.session_id is not None:
            return
        for camera in self.p.cameras.values():
            alive = camera.connected and not camera.exited
            if alive and camera.generation != self._generation and not camera.told_to_end:
                camera.told_to_end = True
                camera.link.drop()

    def _recipients(self, camera_id: str, config: RecorderConfig) -> messages.Recipients:
        recipients = config.sealing.recipients if config.sealing.enabled else ()
        return messages.Recipients(camera_id=camera_id, at_us=self._unit.now_us(), recipients=recipients)

    # --- events ------------------------------------------------------------------------------------------------------

    def connected(self, camera_id: str) -> None:
        camera = self.p.cameras[camera_id]
        now = self._unit.now_us()
        camera.connected = True
        self._unit.fault("worker-late", camera_id, False, {"from_us": camera.supervisor.launched_us, "to_us": now})
        camera.inherited = self.p.faults.of(camera_id)
        camera.heads = HeadBook(round(self.p.config.signing.head_interval_s * 1e6))
        self.send(self._recipients(camera_id, self.p.config))
        self.send(self._overlay(camera_id))
        self.send(self.p.sensors.telemetry(camera_id, now))
        camera.supervisor.hello(now)

    def disconnected(self, camera_id: str, detail: str) -> None:
        camera = self.p.cameras[camera_id]
        camera.connected = False
        if not camera.exited and detail != "closed":
            log.error("worker.channel", extra={"fields": {"camera_id": camera_id, "detail": detail}})
            self.p.launcher.kill(camera_id)
        self._maybe_lost(camera_id)

    def exited(self, camera_id: str, status: int | None) -> None:
        camera = self.p.cameras[camera_id]
        camera.exited = True
        known = any(as_cause(code) is not None for code in self.p.faults.of(camera_id))
        camera.in_order = (status == EXIT_INCOMPLETE and known) or (camera.told_to_end and status == 0)
        detail = "ended without a word" if status is None else f"exit status {status}"
        if camera.told_to_end:
            detail += ", told to start anew with another configuration"
        camera.told_to_end = False
        camera.supervisor.note_exit(detail)
        self._maybe_lost(camera_id)

    def message(self, camera_id: str, message: messages.FromWorker) -> None:
        camera = self.p.cameras[camera_id]
        now = self._unit.now_us()
        if isinstance(message, messages.Progress):
            self._progress(camera, message, now)
            return
        if isinstance(message, messages.Hello) or not camera.heads.is_new(message.n):
            return
        try:
            self._report(camera, message, now)
        except ChannelOrderError as error:
            log.error("worker.order", extra={"fields": {"camera_id": camera_id, "detail": str(error)}})
            camera.supervisor.condemn("worker-crash", str(error))
            self.p.launcher.kill(camera_id)

    def _progress(self, camera: CameraParts, message: messages.Progress, now: int) -> None:
        camera_id = message.camera_id
        camera.last = message
        if self._waits_for_room(camera_id):
            # It is well and writes as soon as it can. Its frames are judged, its entries are not.
            message = replace(message, recording=False)
        if camera.supervisor.progress(message, now):
            camera.ready = True
            for fault in self.p.faults.end_all(camera_id, camera.inherited, now):
                self._unit.write(fault)
            camera.inherited.clear()
            self._unit.decide(ev.WorkerReady(at_us=now, camera_id=camera_id))

    def _waits_for_room(self, camera_id: str) -> bool:
        """A full or read-only card, and the gap it makes is recorded already: killing the worker again would only cost
        records."""
        refuses = any(self.p.faults.is_open(code, camera_id) for code in ("storage-full", "storage-read-only"))
        return refuses and camera_id in self.p.machine.gaps

    def _report(self, camera: CameraParts, message: Reported, now: int) -> None:
        camera.heads.arrived(message.n)
        if isinstance(message, messages.EntryWritten):
            camera.heads.add(message, now)
            if self.p.machine.settles_gap(message.camera_id, message.segment_id, message.media_end_us):
                self.sign_heads(message.camera_id)
            return
        if isinstance(message, messages.Opened):
            # What was durable before it has to be known first, or a seam is taken for a gap.
            self.sign_heads(message.camera_id)
            overlay = self.p.custody.sealed({"device_id": self.p.config.device.id, "officers": list(message.officers)})
            wall_us = self._unit.wall_us()
            self._unit.decide(ev.SegmentOpened(at_us=now, message=message, wall_us=wall_us, overlay=overlay))
        elif isinstance(message, messages.Closed):
            self.sign_heads(message.camera_id)
            camera.heads.forget(message.segment_id)
            self._unit.decide(ev.SegmentClosed(at_us=now, message=message))
        elif isinstance(message, messages.FaultReport):
            present = message.phase == "onset"
            camera.inherited.discard(message.code)
            evidence = {"component": message.component, **message.evidence}
            self._unit.fault(message.code, message.camera_id, present, evidence)
            self._unit.decide(ev.WorkerFault(now, message.camera_id, message.code, message.phase))
        self._settle(camera, message.camera_id, [message.n])

    # --- signing -----------------------------------------------------------------------------------------------------

    def sign_heads(self, camera_id: str) -> None:
        """Append a head for every segment with waiting entries."""
        camera = self.p.cameras[camera_id]
        now = self._unit.now_us()
        for head, reports in camera.heads.take():
            # First what the media shows (a gap that it ends), then the media: see CameraTrack.durable.
            end_us = max(entry[4] for entry in head.entries)
            self._unit.decide(ev.MediaDurable(now, camera_id, head.segment_id, end_us))
            self._unit.write(head)
            self._settle(camera, camera_id, reports)

    def _settle(self, camera: CameraParts, camera_id: str, reports: list[int]) -> None:
        """After the commit: these reports are signed and durable, so the worker may forget them."""
        book = camera.heads

        def acknowledge() -> None:
            book.settled(reports)
            n = book.acknowledgeable()
            if n and camera.connected and camera.heads is book:
                self.send(messages.Ack(camera_id=camera_id, at_us=self._unit.now_us(), n=n))

        self._unit.after_commit(acknowledge)

    # --- the end of a worker, and the next one -----------------------------------------------------------------------

    def _maybe_lost(self, camera_id: str) -> None:
        """A worker is lost when its process is gone *and* everything it still said has been read."""
        camera = self.p.cameras[camera_id]
        if not camera.exited or camera.connected or camera.supervisor.is_waiting:
            return
        now = self._unit.now_us()
        self.sign_heads(camera_id)
        camera.ready = False
        cause, detail = camera.supervisor.cause, camera.supervisor.detail
        if cause == "storage-fault" and self.p.faults.is_open("storage-full", camera_id):
            cause = "storage-full"
        log.error("worker.lost", extra={"fields": {"camera_id": camera_id, "cause": cause, "detail": detail}})
        if not camera.in_order and (not self.stopping or self.p.machine.session_id is not None):
            evidence: dict[str, Any] = {"detail": detail}
            if camera.last is not None:
                said = camera.last
                evidence |= {"last_frame_us": said.last_frame_us, "frames": said.frames, "entries": said.entries}
            self._unit.fault(cause, camera_id, True, evidence)
        self._unit.decide(ev.WorkerLost(at_us=now, camera_id=camera_id, cause=cause, detail=detail))
        if all(other.exited for other in self.p.cameras.values()):
            # Another camera's worker may just have made a file it has not reported yet; then the next start looks.
            self.p.custody.recover_orphans()
        camera.supervisor.exited(now)

    def tick(self, now: int) -> None:
        self._end_outdated()
        for camera_id, camera in self.p.cameras.items():
            due = camera.heads.due_us()
            if due is not None and now >= due:
                self.sign_heads(camera_id)
            self._supervise(camera_id, camera, now)

    def _supervise(self, camera_id: str, camera: CameraParts, now: int) -> None:
        order = camera.supervisor.tick(now)
        if camera.supervisor.is_late(now):
            threshold_us = round(self.p.config.supervision.late_start_s * 1e6)
            evidence = {"from_us": camera.supervisor.launched_us, "threshold_us": threshold_us}
            self._unit.fault("worker-late", camera_id, True, evidence)
        if isinstance(order, KillWorker):
            log.error("worker.killed", extra={"fields": {"camera_id": camera_id, "cause": order.cause}})
            self.p.launcher.kill(camera_id)
        elif isinstance(order, Launch) and not self.stopping:
            camera.exited = False
            camera.generation = self._generation
            try:
                self.p.launcher.launch(camera_id, camera.socket)
            except OSError as error:
                camera.exited = True
                camera.supervisor.note_exit(str(error))
                camera.supervisor.exited(now)
