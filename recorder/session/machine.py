"""The session machine: STANDBY → RECORDING → STOPPING (post-event) → STANDBY, and the accounting of the shift's time.

Pure: :meth:`SessionMachine.handle` takes one event and returns the effects, in order. What it guarantees, whatever the
order of events: at most one session; a start is refused only because one runs already or power goes off; every
``interruption`` is followed by one ``resumption`` or by the end of its session; and standby intervals, media, gaps and
``unit-down`` events together cover every moment from ``shift-start`` to ``shift-end`` (promise 3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from recorder.channel import messages
from recorder.evidence.matter import Matter, Mode, StopReason
from recorder.evidence.records import Mark, Record, SessionStart
from recorder.session import events as ev
from recorder.session import restart
from recorder.session.agenda import NEEDS_REASON, Agenda
from recorder.session.camera_track import CameraTrack
from recorder.session.conversion import segment_close, segment_open
from recorder.session.effects import (
    Effect,
    Indicate,
    KillWorker,
    RecoverSegment,
    Refused,
    Rotate,
    SendStart,
    SendStop,
    ShutdownComplete,
    WriteRecord,
)
from recorder.session.session_state import Camera, EndedBy, Session
from recorder.session.session_state import MachineSettings as MachineSettings
from recorder.session.session_state import State as State
from recorder.session.shift_account import ShiftAccount

BaseIndication = Literal["standby", "recording", "interrupted"]

STOP_GRACE_US = 5_000_000
"""After stop and post-event a worker has so long to close; then it is killed, and after as long again it is given up."""

IDLE_STOP_US = 4_000_000
"""A camera that is in a gap when the session stops may still report a segment that was on its way: a worker whose disk
refuses tries for three seconds to write what it holds (``capture.session``), and reports it after that."""


class SessionMachine:
    """``new_id`` makes lower-case UUIDs. Feed events from one thread; call with ``Tick`` at ``next_deadline_us``."""

    def __init__(self, settings: MachineSettings, new_id: Callable[[], str]) -> None:
        self._settings = settings
        self._new_id = new_id
        self._now = 0
        self._bootseed = ""
        self._shift = ShiftAccount(settings.standby_interval_us, new_id)
        self._session: Session | None = None
        self._pending: ev.StartRequested | None = None
        self._agenda = Agenda(settings.default_mode)
        self._power_off = False
        self._off = False
        self._base: BaseIndication | None = None
        self._cameras = {camera_id: Camera() for camera_id in settings.cameras}

    # --- what others may look at -------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        if self._off:
            return State.OFF
        if self._session is None:
            return State.STANDBY
        return State.RECORDING if self._session.stop_reason is None else State.STOPPING

    @property
    def shift_id(self) -> str | None:
        return self._shift.shift_id

    @property
    def session_id(self) -> str | None:
        return None if self._session is None else self._session.session_id

    @property
    def mode(self) -> Mode:
        """Of the session that runs, or else of the next one."""
        return self._agenda.mode(self._session)

    @property
    def matter(self) -> Matter | None:
        """Of the session that runs, or else of the next one."""
        return self._agenda.matter(self._session)

    @property
    def gaps(self) -> dict[str, str]:
        """Camera id → gap id of the interruptions that are open now."""
        if self._session is None:
            return {}
        return {name: track.gap.gap_id for name, track in self._session.tracks.items() if track.gap is not None}

    def settles_gap(self, camera_id: str, segment_id: str, media_end_us: int) -> bool:
        """Durable media of this segment up to there would end a gap of the session that runs."""
        track = None if self._session is None else self._session.tracks.get(camera_id)
        return track is not None and track.settles(segment_id, media_end_us)

    def next_deadline_us(self) -> int | None:
        """When the next ``Tick`` is needed (boot-time); None when only another event can change anything."""
        if self._off or not self._bootseed:
            return None
        times = [self._shift.next_us] if self._in_standby() else []
        if self._session is not None and self._session.stop_reason is not None:
            times += [t for name, t in self._session.deadlines.items() if name not in self._session.finished]
        return min(times, default=None)

    # --- events ------------------------------------------------------------------------------------------------------

    def handle(self, event: ev.Event) -> list[Effect]:
        """The effects of ``event``. A time stamp behind an earlier one counts as the earlier one; after the end of the
        shift by ``PowerOff`` only what the workers still report is written."""
        if isinstance(event, ev.Tick) and event.at_us < self._now:
            return []
        self._now = max(self._now, event.at_us)
        effects: list[Effect] = []
        match event:
            case ev.UnitStarted():
                effects += self._unit_started(event)
            case ev.StartRequested():
                effects += self._start(event)
            case ev.StopRequested():
                effects += self._stop(event)
            case ev.ContextGiven():
                effects += self._agenda.given(event, self._session, self._now)
            case ev.MarkRequested():
                effects += self._mark(event)
            case ev.PowerOff():
                effects += self._power_goes_off()
            case ev.HandOver():
                effects += self._standby_to(self._now) if self._in_standby() else []
            case ev.ShiftStartRequested() | ev.ShiftEndRequested():
                effects += self._shift_request(event)
            case ev.WorkerReady():
                effects += self._worker_ready(event.camera_id)
            case ev.WorkerLost():
                effects += self._worker_lost(event)
            case ev.WorkerFault():
                effects += self._worker_fault(event)
            case ev.SegmentOpened():
                effects += self._segment_opened(event)
            case ev.SegmentClosed():
                effects += self._segment_closed(event.message)
            case ev.MediaDurable():
                if self._session is not None and event.camera_id in self._session.tracks:
                    track = self._session.tracks[event.camera_id]
                    effects += _writes(track.durable(event.segment_id, event.media_end_us))
            case ev.Tick():
                pass
        effects += self._advance()
        return effects

    def reconfigure(self, settings: MachineSettings) -> None:
        """Other times and defaults from here on. The cameras stay the ones it was made with."""
        self._settings = replace(settings, cameras=self._settings.cameras)
        self._shift.interval_us = settings.standby_interval_us
        self._agenda.default_mode = settings.default_mode

    def _advance(self) -> list[Effect]:
        """What follows from the state alone, whatever the event was."""
        if self._off or not self._bootseed:
            return []
        effects = self._check_deadlines()
        effects += self._finish_when_done()
        if self._in_standby() and self._now >= self._shift.next_us:
            effects += self._standby_to(self._now)
        base = self._base_indication()
        if base != self._base:
            self._base = base
            effects.append(Indicate(base))
        if self._power_off and self._session is None:
            effects += self._end_of_power()
        return effects

    # --- start of the unit, shift, standby ---------------------------------------------------------------------------

    def _unit_started(self, event: ev.UnitStarted) -> list[Effect]:
        self._bootseed = event.bootseed
        previous = event.previous
        self._shift.resume(self._now, previous.shift_id if previous is not None else None)
        effects: list[Effect] = []
        if previous is not None:
            self._agenda.resume(previous)
            plan = restart.plan(event, self._now, self._settings, self._new_id)
            effects += [WriteRecord(record) for record in plan.records]
            if plan.tracks is not None and previous.session is not None:
                self._session = Session(
                    session_id=previous.session.session_id,
                    tracks=plan.tracks,
                    segment_count=previous.session.segment_count,
                    mode=previous.session.mode,
                    matter=previous.session.matter,
                )
        if self._shift.shift_id is None and self._settings.auto_shift:
            effects += self._shift_start("auto")
        return effects

    def _shift_start(self, trigger: Literal["auto", "officer", "remote"]) -> list[Effect]:
        return [Rotate(), WriteRecord(self._shift.start(trigger))]

    def _shift_request(self, event: ev.ShiftStartRequested | ev.ShiftEndRequested) -> list[Effect]:
        if self._power_off:
            return [_POWERING_OFF]
        if isinstance(event, ev.ShiftStartRequested):
            if self._shift.shift_id is not None:
                return [Refused("shift-open", "班次已经开始", "a shift is open already")]
            effects = self._standby_to(self._now) if self._in_standby() else []
            return effects + self._shift_start(event.trigger)
        if self._shift.shift_id is None:
            return [Refused("no-shift", "没有进行中的班次", "no shift is open")]
        if self._session is not None:
            return [Refused("recording", "正在记录，不能结束班次", "recording: the shift cannot end")]
        return self._standby_to(self._now) + _writes(self._shift.end(event.trigger))

    def _in_standby(self) -> bool:
        """On and not recording: no session, or one whose first media is still to come."""
        return self._session is None or self._session.waiting

    def _standby_to(self, to_us: int) -> list[Effect]:
        records = self._shift.standby_to(to_us)
        if self._session is not None:
            for track in self._session.tracks.values():
                track.owed_us = max(track.owed_us, self._shift.covered_us)
        return _writes(records)

    def _power_goes_off(self) -> list[Effect]:
        if self._power_off:
            return []
        self._power_off = True
        self._pending = None
        return [] if self._session is None else self._stop_session("shutdown")

    def _end_of_power(self) -> list[Effect]:
        self._off = True
        return [*self._standby_to(self._now), *_writes(self._shift.end("power-off")), ShutdownComplete()]

    # --- start, stop, mark -------------------------------------------------------------------------------------------

    def _start(self, event: ev.StartRequested) -> list[Effect]:
        if self._power_off:
            return [_POWERING_OFF]
        if self._session is None:
            return self._begin(event)
        if self._session.stop_reason is None or self._pending is not None:
            return [Refused("already-recording", "已经在记录", "recording already")]
        # During the post-event time the old session is still being closed; media goes on, so nothing is missed.
        self._pending = event
        return []

    def _begin(self, event: ev.StartRequested) -> list[Effect]:
        session_id = self._new_id()
        # One record at the boundary, so that a crash right after the press leaves no unaccounted second.
        effects = self._standby_to(self._now)
        if self._shift.shift_id is None:
            effects += self._shift_start("auto")
        tracks = {
            name: CameraTrack(name, session_id, self._bootseed, self._new_id, owed_us=self._now, fault=camera.fault)
            for name, camera in self._cameras.items()
        }
        mode, matter = self._agenda.take(event)
        self._session = Session(session_id, tracks, mode=mode, matter=matter)
        start = SessionStart(
            session_id=session_id,
            shift_id=self._shift.shift_id,
            trigger=event.trigger,
            resumes=None,
            at_us=self._now,
            cameras=self._settings.cameras,
            officers=event.officers,
            mode=mode,
            matter=matter,
            last_receipt=event.last_receipt,
        )
        effects.append(WriteRecord(start))
        for name, camera in self._cameras.items():
            if camera.ready:
                effects += self._command(self._session, name)
                # Whatever else is wrong since: without a camera there is nothing to record.
                if "camera-unplugged" in camera.present:
                    effects += _writes(tracks[name].interrupt("camera-unplugged", "no camera at the start"))
            elif camera.down is not None:
                effects += _writes(tracks[name].interrupt(*camera.down))
        return effects

    def _command(self, session: Session, camera_id: str) -> list[Effect]:
        """Tell a ready worker to record. Pre-roll only before the session's first media: after a gap the ring of the new
        worker holds nothing older than the live segment."""
        track = session.tracks[camera_id]
        session.commanded.add(camera_id)
        fresh = not track.started and track.gap is None
        return [SendStart(camera_id, session.session_id, track.next_index, preroll=fresh)]

    def _stop(self, event: ev.StopRequested) -> list[Effect]:
        if self._pending is not None:
            self._pending = None
            return [Indicate("stopped")]
        if self._session is None or self._session.stop_reason is not None:
            return [Refused("not-recording", "没有在记录", "not recording")]
        if self.mode == "全程" and event.stated is None:
            return [NEEDS_REASON]
        return self._stop_session(event.reason, event.stated)

    def _stop_session(self, reason: EndedBy, stated: StopReason | None = None) -> list[Effect]:
        session = self._session
        assert session is not None
        effects: list[Effect] = []
        if session.stop_reason is None:
            session.stop_reason, session.stop_us, session.stated = reason, self._now, stated
            effects.append(Indicate("stopped"))
        shutdown = reason == "shutdown"
        for name, track in session.tracks.items():
            camera = self._cameras.get(name)
            if name not in session.commanded or camera is None:
                session.finished.add(name)
            elif name not in session.finished:
                effects.append(SendStop(name, session.session_id, "shutdown" if shutdown else "stop"))
                patience = IDLE_STOP_US if track.gap is not None and not camera.open else STOP_GRACE_US
                session.deadlines[name] = self._now + patience + (0 if shutdown else self._settings.post_event_us)
        return effects

    def _check_deadlines(self) -> list[Effect]:
        session = self._session
        if session is None or session.stop_reason is None:
            return []
        effects: list[Effect] = []
        for name in [n for n, t in session.deadlines.items() if t <= self._now and n not in session.finished]:
            idle = session.tracks[name].gap is not None and not self._cameras[name].open
            if idle or name in session.killed:
                session.finished.add(name)
                continue
            session.killed.add(name)
            session.deadlines[name] = self._now + STOP_GRACE_US
            effects.append(KillWorker(name, "camera-stall", "stop was not answered in time"))
        return effects

    def _finish_when_done(self) -> list[Effect]:
        session = self._session
        if session is None or not session.done:
            return []
        records, uncovered_us = session.end()
        self._session = None
        self._shift.session_ended(uncovered_us)
        effects = _writes(records) + self._standby_to(self._now)
        if self._pending is not None:
            pending, self._pending = self._pending, None
            effects += self._begin(pending)
        return effects

    def _mark(self, event: ev.MarkRequested) -> list[Effect]:
        session = self._session
        if session is None:
            return [Refused("not-recording", "没有在记录，不能标记", "not recording: nothing to mark")]
        open_now = [s for c in self._cameras.values() for s, owner in c.open.items() if owner == session.session_id]
        mark = Mark(
            mark_id=self._new_id(),
            session_id=session.session_id,
            kind=event.kind,
            at_us=self._now,
            segment_ids=tuple(open_now),
        )
        return [WriteRecord(mark), Indicate("marked")]

    # --- workers -----------------------------------------------------------------------------------------------------

    def _worker_ready(self, camera_id: str) -> list[Effect]:
        camera = self._cameras[camera_id]
        camera.ready, camera.down = True, None
        camera.present.clear()
        session = self._session
        if session is None or camera_id not in session.tracks or camera_id in session.commanded:
            return []
        session.tracks[camera_id].fault = None
        return self._command(session, camera_id) if session.stop_reason is None else []

    def _worker_lost(self, event: ev.WorkerLost) -> list[Effect]:
        camera = self._cameras[event.camera_id]
        # What the worker said of its device before it ended is more precise than how it ended.
        cause = camera.fault if camera.fault and event.cause in ("worker-crash", "camera-stall") else event.cause
        camera.ready, camera.down = False, (cause, event.detail)
        camera.present.clear()
        effects: list[Effect] = [RecoverSegment(owner, s, event.camera_id) for s, owner in camera.open.items()]
        camera.open.clear()
        session = self._session
        if session is None or event.camera_id not in session.tracks:
            return effects
        track = session.tracks[event.camera_id]
        session.commanded.discard(event.camera_id)
        if session.stop_reason is None:
            return effects + _writes(track.lost(cause, event.detail))
        if event.camera_id not in session.finished:
            session.finished.add(event.camera_id)
            if session.is_short(track):
                effects += _writes(track.lost(cause, event.detail))
        return effects

    def _worker_fault(self, event: ev.WorkerFault) -> list[Effect]:
        camera = self._cameras[event.camera_id]
        cause = restart.as_cause(event.code)
        camera.present.pop(event.code, None)
        if event.phase == "onset" and cause is not None:
            camera.present[event.code] = cause
        if self._session is not None and event.camera_id in self._session.tracks:
            self._session.tracks[event.camera_id].fault = camera.fault
        if camera.ready or camera.fault not in ("camera-unplugged", "camera-fault"):
            return []
        # The worker lives and looks for its camera: what it lacks is known before it ever was ready.
        camera.down = camera.fault, event.code
        session = self._session
        if session is None or session.stop_reason is not None or event.camera_id not in session.tracks:
            return []
        return _writes(session.tracks[event.camera_id].interrupt(camera.fault, event.code))

    def _segment_opened(self, event: ev.SegmentOpened) -> list[Effect]:
        message = event.message
        camera = self._cameras[message.camera_id]
        camera.open[message.segment_id] = message.session_id
        record = WriteRecord(segment_open(message, event.overlay))
        session = self._session_of(message)
        if session is not None:
            session.segment_count += 1
        effects: list[Effect] = []
        if session is None or message.camera_id in session.finished:
            # Data of a session that is over: recorded all the same (promise 2), and the worker is told again.
            again = [SendStop(message.camera_id, message.session_id, "stop")] if camera.ready else []
            if session is None or not self._await_again(session, message.camera_id):
                return [record, *again]
            effects += again
        if message.role != "preroll" and self._in_standby():
            effects += self._standby_to(message.media_start_us)
        session.tracks[message.camera_id].opened(message, self._now, event.wall_us)
        return [*effects, record]

    def _await_again(self, session: Session, camera_id: str) -> bool:
        """A camera that was silent in its gap was given up, while the session still waits for another: its worker may have
        heard of start and stop late, because the journal was refused. What it reports ends the gap like any media, so its
        close is awaited after all. Not of one that was to be killed: that one has had its time."""
        if not self._cameras[camera_id].ready or camera_id in session.killed:
            return False
        session.finished.discard(camera_id)
        session.deadlines[camera_id] = self._now + STOP_GRACE_US
        return True

    def _segment_closed(self, message: messages.Closed) -> list[Effect]:
        camera = self._cameras[message.camera_id]
        camera.open.pop(message.segment_id, None)
        effects: list[Effect] = [WriteRecord(segment_close(message))]
        session = self._session_of(message)
        if session is None:
            return effects
        stopping = session.stop_reason is not None
        effects += _writes(session.tracks[message.camera_id].closed(message, stopping))
        if message.last_of_session and stopping:
            # A file the worker gave up after a failed write gets no close: it is recovered like a torn one.
            left = [s for s, owner in camera.open.items() if owner == session.session_id]
            for segment_id in left:
                del camera.open[segment_id]
                effects.append(RecoverSegment(session.session_id, segment_id, message.camera_id))
            session.finished.add(message.camera_id)
        return effects

    def _session_of(self, message: messages.Opened | messages.Closed) -> Session | None:
        """The running session, if the message belongs to it."""
        session = self._session
        if session is None or message.session_id != session.session_id or message.camera_id not in session.tracks:
            return None
        return session

    def _base_indication(self) -> BaseIndication:
        if self._session is None:
            return "standby"
        tracks: Sequence[CameraTrack] = tuple(self._session.tracks.values())
        if any(track.gap is not None for track in tracks):
            return "interrupted"
        return "recording" if any(track.started for track in tracks) else "standby"


_POWERING_OFF = Refused("powering-off", "设备正在关机", "the unit is powering off")


def _writes(records: list[Record]) -> list[Effect]:
    return [WriteRecord(record) for record in records]
