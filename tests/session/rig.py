"""A unit on a bench: the session machine, capture workers that obey it, crashes, power cuts, and one true time axis.

Everything is simulated by time stamps. ``coverage_holes`` then asks the journal alone whether every moment of every
shift is in a segment, a standby interval, a gap or a ``unit-down`` event.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

from recorder.channel import messages
from recorder.evidence import records as rec
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.state import JournalState
from recorder.session import events as ev
from recorder.session.effects import (
    Effect,
    Indicate,
    KillWorker,
    RecoverSegment,
    Refused,
    SendStart,
    SendStop,
    ShutdownComplete,
    WriteRecord,
)
from recorder.session.machine import MachineSettings, SessionMachine, State
from recorder.session.previous import previous_of

DIGEST = "A" * 43
SECOND = 1_000_000
FRAME = 33_333
FRAGMENT = SECOND // 2
SEGMENT = 3 * SECOND
ENTRY = 1000
"""Bytes of each entry."""


def uid(number: int) -> str:
    return str(uuid.UUID(int=number, version=4))


def settings(**changes: Any) -> MachineSettings:
    values: dict[str, Any] = {
        "cameras": ("cam0",),
        "auto_shift": True,
        "resume_open_recording": True,
        "resume_within_us": 3600 * SECOND,
        "standby_interval_us": 2 * SECOND,
        "post_event_us": 0,
    }
    return MachineSettings(**(values | changes))


@dataclass(slots=True)
class Line:
    """One journal record with when it was written: true time, and the unit's own boot-time."""

    true_us: int
    boot: str
    uptime_us: int
    record: rec.Record


@dataclass(slots=True)
class Worker:
    """``frames_us`` is the end of the newest frame, ``durable_us`` the end of the newest durable one."""

    camera_id: str
    phase: Literal["off", "starting", "ready"] = "off"
    ready_at_us: int = 0
    session_id: str | None = None
    fresh: bool = False
    """It was just told to record: what it has is to be durable at once, not when a fragment is full."""
    segment_id: str | None = None
    start_us: int = 0
    durable_us: int = 0
    index: int = 0
    first_frame_us: int = 0
    stalled_us: int | None = None
    ignores_stop: bool = False
    immortal: bool = False
    stop_at_us: int | None = None
    n: int = 0


@dataclass
class Bench:
    settings: MachineSettings = field(default_factory=settings)
    reporting_delay_us: int = 100_000
    launch_us: int = SECOND // 2
    true_us: int = 0
    lines: list[Line] = field(default_factory=list)
    payloads: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    looked_at: int = 0
    """So many of them have been looked at for workers to be killed."""
    workers: dict[str, Worker] = field(default_factory=dict)
    state: JournalState = field(default_factory=JournalState)
    numbers: int = 1000
    boot_number: int = 1
    boot_began_us: int = -5 * SECOND
    recovered: list[str] = field(default_factory=list)
    finished: bool = False
    unkillable: bool = False
    vouched: bool = True
    """Whether anything stands behind the wall clock when the unit starts."""
    signed: dict[str, int] = field(default_factory=dict)
    """Segment id → entries in heads so far."""

    def __post_init__(self) -> None:
        self.workers = {camera: Worker(camera) for camera in self.settings.cameras}
        self.machine = self._start_unit()

    # --- clocks and ids ----------------------------------------------------------------------------------------------

    @property
    def boot(self) -> str:
        return uid(self.boot_number)

    @property
    def now(self) -> int:
        """Boot-time."""
        return self.true_us - self.boot_began_us

    @property
    def wall(self) -> int:
        return 1_800_000_000 * SECOND + self.true_us

    def new_id(self) -> str:
        self.numbers += 1
        return uid(self.numbers)

    # --- the unit process --------------------------------------------------------------------------------------------

    def _start_unit(self) -> SessionMachine:
        self.machine, self.looked_at = SessionMachine(self.settings, self.new_id), len(self.effects)
        for segment in list(self.state.open_segments.values()):
            self._recover(segment.session_id, segment.segment_id, segment.camera_id)
        self.handle(ev.UnitStarted(self.now, self.wall, self.boot, previous_of(self.state), self.vouched))
        for worker in self.workers.values():
            self._launch(worker, self.launch_us)
        return self.machine

    def handle(self, event: ev.Event) -> list[Effect]:
        effects = self.machine.handle(event)
        self.effects += effects
        for effect in effects:
            self._carry_out(effect)
        return effects

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case WriteRecord(record):
                self.write(record)
            case SendStart(camera_id, session_id, next_index, _):
                worker = self.workers[camera_id]
                assert worker.phase == "ready", "a start was sent to a worker that is not there"
                worker.session_id, worker.index, worker.stop_at_us = session_id, next_index, None
                worker.fresh = True
            case SendStop(camera_id, session_id, reason):
                worker = self.workers[camera_id]
                if worker.session_id == session_id and not worker.ignores_stop:
                    post = 0 if reason == "shutdown" else self.settings.post_event_us
                    worker.stop_at_us = self.now + post
            case RecoverSegment(session_id, segment_id, camera_id):
                assert self.workers[camera_id].segment_id != segment_id, "recovered under a living worker's hands"
                self._recover(session_id, segment_id, camera_id)
            case ShutdownComplete():
                self.finished = True
            case _:
                pass

    def write(self, record: rec.Record) -> None:
        payload = record.model_dump(mode="json") | {
            "journal_id": uid(1),
            "seq": len(self.lines),
            "iat": self.wall / SECOND,
            "uptime_us": self.now,
            "bootcount": self.boot_number,
            "bootseed": self.boot,
        }
        self.lines.append(Line(self.true_us, self.boot, self.now, record))
        self.payloads.append((record.TYP, payload))
        self.state.apply(record.TYP, payload, DIGEST)

    def forget_from(self, line: int) -> None:
        """The power goes before the record of this number is on the card."""
        del self.lines[line:], self.payloads[line:]
        self.state = JournalState()
        for typ, payload in self.payloads:
            self.state.apply(typ, payload, DIGEST)

    def _recover(self, session_id: str, segment_id: str, camera_id: str) -> None:
        self.recovered.append(segment_id)
        self.write(
            rec.Recovery(
                subject="segment",
                reason="worker-exit",
                session_id=session_id,
                segment_id=segment_id,
                camera_id=camera_id,
                outcome="kept",
            )
        )

    # --- the workers -------------------------------------------------------------------------------------------------

    def _launch(self, worker: Worker, after_us: int) -> None:
        self.workers[worker.camera_id] = Worker(worker.camera_id, "starting", self.true_us + after_us)

    def _work(self, worker: Worker) -> None:
        if worker.phase == "starting" and self.true_us >= worker.ready_at_us:
            worker.phase, worker.first_frame_us = "ready", self.now
            self.handle(ev.WorkerReady(self.now, worker.camera_id))
        if worker.phase != "ready" or worker.session_id is None or self.now < worker.first_frame_us:
            return
        frames_end = self.now if worker.stalled_us is None else min(self.now, worker.stalled_us)
        if worker.segment_id is None:
            self._open(worker, max(worker.first_frame_us, frames_end - SECOND // 3))
        if worker.stop_at_us is not None and self.now >= worker.stop_at_us:
            self._durable(worker, frames_end)
            self._close(worker, "stop", last=True)
            return
        if worker.fresh and frames_end > worker.durable_us:
            worker.fresh = False
            self._durable(worker, frames_end)
        while frames_end - worker.durable_us >= FRAGMENT + self.reporting_delay_us:
            self._durable(worker, worker.durable_us + FRAGMENT)
            if worker.durable_us - worker.start_us >= SEGMENT:
                self._split(worker)

    def _open(self, worker: Worker, start_us: int) -> None:
        assert worker.session_id is not None
        worker.segment_id = self.new_id()
        worker.start_us = worker.durable_us = start_us
        worker.n += 1
        message = messages.Opened(
            camera_id=worker.camera_id,
            at_us=self.now,
            n=worker.n,
            session_id=worker.session_id,
            segment_id=worker.segment_id,
            segment_index=worker.index,
            role="live",
            media_start_us=start_us,
            codecs="avc1.640028",
            width=640,
            height=360,
            frame_rate=30.0,
            audio_rate=None,
            recipients=(),
            officers=(),
        )
        worker.index += 1
        self.handle(ev.SegmentOpened(self.now, message, self.wall))

    def _durable(self, worker: Worker, end_us: int) -> None:
        assert worker.segment_id is not None
        worker.durable_us = max(worker.durable_us, end_us)
        number = self.signed.get(worker.segment_id, 0)
        self.signed[worker.segment_id] = number + 1
        stored = sha256_b64u(f"{worker.segment_id}/{number}".encode())
        entry = (number * ENTRY, ENTRY, stored, DIGEST, worker.durable_us)
        self.handle(ev.MediaDurable(self.now, worker.camera_id, worker.segment_id, worker.durable_us))
        self.write(rec.Head(segment_id=worker.segment_id, first=number, entries=(entry,)))

    def _split(self, worker: Worker, hole_us: int = 0) -> None:
        """The old segment is closed, the next one opened. With a hole, media was lost between them."""
        end = worker.durable_us
        self._close(worker, "split", last=False)
        self._open(worker, end + hole_us)

    def _close(self, worker: Worker, reason: Any, last: bool) -> None:
        closing = worker.segment_id
        if last:
            session_id = worker.session_id
            self._close_message(worker, reason, last, clear=True)
            if worker.session_id == session_id:
                worker.session_id = None
            worker.stop_at_us = None
        else:
            self._close_message(worker, reason, last, clear=True)
        assert worker.segment_id != closing or closing is None

    def _close_message(self, worker: Worker, reason: Any, last: bool, clear: bool = False) -> None:
        assert worker.segment_id is not None and worker.session_id is not None
        worker.n += 1
        message = messages.Closed(
            camera_id=worker.camera_id,
            at_us=self.now,
            n=worker.n,
            session_id=worker.session_id,
            segment_id=worker.segment_id,
            reason=reason,
            last_of_session=last,
            entries=1,
            size=1,
            sha256=DIGEST,
            plaintext_size=1,
            plaintext_sha256=DIGEST,
            media_start_us=worker.start_us,
            media_end_us=worker.durable_us,
            frames=1,
            dropped_frames=0,
            audio_gaps_us=0,
            fix_seconds=0,
        )
        if clear:
            worker.segment_id = None
            if last:
                worker.session_id = None
        self.handle(ev.SegmentClosed(self.now, message))

    # --- what happens to the unit ------------------------------------------------------------------------------------

    def run(self, duration_us: int, step_us: int = 50_000) -> None:
        end = self.true_us + duration_us
        while self.true_us < end and not self.finished:
            self.true_us += step_us
            for worker in list(self.workers.values()):
                if worker.stalled_us is not None and self.now - worker.stalled_us > 2 * SECOND:
                    self.lose(worker.camera_id, "camera-stall")
                else:
                    self._work(worker)
            self.handle(ev.Tick(self.now))
            # Also those a step of the test brought about between two runs.
            told, self.looked_at = self.effects[self.looked_at :], len(self.effects)
            for effect in told:
                if isinstance(effect, KillWorker) and not self.workers[effect.camera_id].immortal:
                    self.lose(effect.camera_id, effect.cause)

    def start(self) -> list[Effect]:
        return self.handle(ev.StartRequested(self.now, "button"))

    def stop(self) -> list[Effect]:
        return self.handle(ev.StopRequested(self.now, "button"))

    def mark(self) -> list[Effect]:
        return self.handle(ev.MarkRequested(self.now))

    def lose(self, camera_id: str, cause: rec.InterruptionCause = "worker-crash", away_us: int = SECOND) -> None:
        worker = self.workers[camera_id]
        if worker.phase == "off":
            return
        self._launch(worker, away_us)
        self.handle(ev.WorkerLost(self.now, camera_id, cause, "test"))

    def stall(self, camera_id: str) -> None:
        self.workers[camera_id].stalled_us = self.now

    def camera_fault(self, camera_id: str) -> None:
        """The worker itself gives up the segment and opens another when frames come again."""
        worker = self.workers[camera_id]
        if worker.phase == "ready" and worker.segment_id is not None:
            worker.first_frame_us = self.now + SECOND
            self._close(worker, "camera-fault", last=False)

    def hole(self, camera_id: str, hole_us: int) -> None:
        """Media is lost between two segments, and the worker does not say so."""
        worker = self.workers[camera_id]
        if worker.segment_id is None or worker.stop_at_us is not None or worker.stalled_us is not None:
            return
        worker.stalled_us = self.now
        self.run(min(hole_us, SECOND))
        if self.workers[camera_id] is not worker or worker.segment_id is None:
            return
        self._durable(worker, worker.stalled_us)
        worker.stalled_us = None
        self._split(worker, self.now - worker.durable_us)

    def give_up(self, camera_id: str, vain: int = 0, code: str = "storage-io-error") -> None:
        """A write failed: the worker never touches that file again and begins another. ``vain`` times the disk takes the
        new file and none of its media; meanwhile the camera, too, is said to have stalled and to be back."""
        worker = self.workers[camera_id]
        if worker.segment_id is None or worker.phase != "ready":
            return
        for _ in range(vain + 1):
            self.handle(ev.WorkerFault(self.now, camera_id, code, "onset"))
            for phase in ("onset", "end"):
                self.handle(ev.WorkerFault(self.now, camera_id, "camera-stall", phase))
            worker.segment_id, worker.first_frame_us = None, self.now
            if vain:
                self.true_us += SECOND // 2
                self._open(worker, self.now - SECOND // 10)
                self._durable(worker, worker.start_us)  # the file's header, entry 0: signed, and no media
            vain -= 1
        worker.segment_id = None
        self.run(SECOND // 10)
        self.handle(ev.WorkerFault(self.now, camera_id, code, "end"))

    def crash(self, away_us: int) -> None:
        """The unit process dies; its workers end with it."""
        for worker in self.workers.values():
            self.workers[worker.camera_id] = Worker(worker.camera_id)
        self.true_us += away_us
        self.machine = self._start_unit()

    def power_cut(self, away_us: int) -> None:
        for worker in self.workers.values():
            self.workers[worker.camera_id] = Worker(worker.camera_id)
        self.true_us += away_us
        self.boot_number += 1
        self.boot_began_us = self.true_us - 3 * SECOND
        self.machine = self._start_unit()

    def power_off(self) -> None:
        self.handle(ev.PowerOff(self.now))
        self.run(60 * SECOND)

    # --- what the journal says ---------------------------------------------------------------------------------------

    def records(self, *types: type[rec.Record]) -> list[rec.Record]:
        return [line.record for line in self.lines if isinstance(line.record, types)]

    def refused(self) -> list[Refused]:
        return [effect for effect in self.effects if isinstance(effect, Refused)]

    def indications(self) -> list[str]:
        return [effect.state for effect in self.effects if isinstance(effect, Indicate)]

    def true_of(self, boot: str, at_us: int) -> int:
        """The true time of a boot-time, from any line of that boot."""
        line = next(line for line in self.lines if line.boot == boot)
        return line.true_us + at_us - line.uptime_us


__all__ = ["FRAME", "SECOND", "Bench", "Line", "State", "settings", "uid"]
