"""A capture worker without threads, camera and encoder: the real segment files, sealing and messages, invented media.

It follows ``recorder.capture``: live media begins at the newest keyframe, what is there at a start is made durable at once,
a write that fails ends the file for ever and what was not durable goes into the next one, a channel that closes ends file
and process. Each camera delivers a keyframe a second; fragments end at keyframes.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from msgspec.structs import replace

from hw_sim.deterministic.camera import FRAME_US, GOP_US, Camera
from hw_sim.deterministic.disk import SimulatedDisk
from hw_sim.deterministic.timeline import SECOND, Life, Timeline
from hw_sim.deterministic.truth import DurableEntry, SegmentTruth, Truth
from recorder.capture.segment_writer import SealerFactory, SegmentFile, WrittenEntry
from recorder.channel import messages
from recorder.evidence.files import Files
from recorder.faults.errno_code import storage_code

CHUNK = 65536
MARK = b"PLAIN-MEDIA-OF-THE-SIMULATION"
"""Begins every plain entry: nowhere on a unit that seals may it be found."""

_FILLER = bytes(range(256)) * (CHUNK // 256)
_PROGRESS_US = SECOND // 2
_STALL_US = SECOND // 2
_BUFFER_US = 20 * SECOND
_TRAIL_US = 300_000
_PREROLL_AFTER_US = 350_000
_RETRY_US = (200_000, 700_000)
_PATIENCE_US = 3 * SECOND
_GOPS_LOST = 3

CloseReason = Literal["split", "stop", "preroll-complete", "camera-fault", "shutdown", "overflow"]
Role = Literal["live", "preroll", "postroll"]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    segments_dir: Path
    camera_id: str
    segment_us: int
    pre_event_us: int
    post_event_us: int
    reserve_bytes: int


@dataclass(slots=True)
class _Open:
    truth: SegmentTruth
    file: SegmentFile
    start_us: int
    end_us: int
    entries: int = 0


@dataclass(slots=True)
class _Session:
    session_id: str
    index: int
    preroll: bool
    began_us: int
    role: Role = "live"
    next_us: int = 0
    stop_us: int | None = None
    end_us: int | None = None
    reason: Literal["stop", "shutdown"] = "stop"
    preroll_span: tuple[int, int] | None = None


@dataclass(slots=True)
class Faults:
    """What this worker does wrong on the world's order."""

    ignores_stop: bool = False
    immortal_until_us: int = 0


class SimulatedWorker:
    """One worker process. ``say`` sends to the unit; ``ended`` is called once, with the exit status, when it is gone.

    All times inside are true time; messages carry boot-time.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        timeline: Timeline,
        boot_began_us: int,
        rnd: random.Random,
        disk: SimulatedDisk,
        files: Files,
        sealer: SealerFactory,
        camera: Camera,
        truth: Truth,
        new_id: Callable[[], str],
        say: Callable[[messages.FromWorker], None],
        ended: Callable[[int], None],
    ) -> None:
        self._s = settings
        self._timeline = timeline
        self._boot_us = boot_began_us
        self._rnd = rnd
        self._disk = disk
        self._files = files
        self._sealer = sealer
        self._camera = camera
        self._truth = truth
        self._new_id = new_id
        self._say = say
        self._ended = ended
        self.life = Life()
        self.faults = Faults()
        self._n = 0
        self._connected = False
        self._first_frame_us: int | None = None
        self._refused = False
        self._entries = 0
        self._recipients: tuple[str, ...] = ()
        self._officers: tuple[str, ...] = ()
        self._session: _Session | None = None
        self._open: _Open | None = None
        self._storage: str | None = None
        self._retry_us = 0
        self._retry_after_us = 0
        self._busy_us = 0
        self._finishing = False
        self._preroll: _Open | None = None
        self._unacked: dict[int, DurableEntry | None] = {}
        timeline.after(rnd.randint(80_000, 500_000), self._hello, self.life)

    # --- for the world -----------------------------------------------------------------------------------------------

    @property
    def camera_id(self) -> str:
        return self._s.camera_id

    @property
    def busy_us(self) -> int:
        """Until when the card keeps it waiting."""
        return self._busy_us

    @property
    def media_end_us(self) -> int | None:
        """How far its durable media reaches; None when it is not recording."""
        if self._session is None:
            return None
        return self._session.next_us or None

    @property
    def recorded_us(self) -> int:
        """How much media it has made durable itself, from its first frame on; a worker whose camera shows one frame and
        hangs records nothing."""
        end = self.media_end_us
        return 0 if end is None or self._first_frame_us is None else end - self._first_frame_us

    def frames_end_us(self) -> int:
        return self._camera.frames_until(self._timeline.now_us)

    def crash(self, status: int = -11) -> None:
        """The process is gone at once; what it said before still arrives."""
        if self.life.alive:
            self.life.alive = False
            self._ended(status)

    def stutter(self) -> None:
        """On a busy board frames come late: the camera seems to have stalled and is back at once."""
        if self.life.alive and self._first_frame_us is not None:
            self._fault("camera-stall", "onset", {})
            self._fault("camera-stall", "end", {})

    def vanish(self) -> None:
        """The power is gone: nothing ends, nothing is said."""
        self.life.alive = False

    # --- messages ----------------------------------------------------------------------------------------------------

    def receive(self, message: messages.Message) -> None:
        if not self.life.alive:
            return
        match message:
            case messages.Start():
                self._begin(message)
            case messages.Stop():
                self._stop(message)
            case messages.Recipients(recipients=recipients):
                self._recipients = recipients
            case messages.Overlay(officers=officers):
                self._officers = officers

    def hears(self, begin_us: int, level_dbfs: float) -> None:
        """Somebody has spoken since ``begin_us`` and stops now."""
        if self.life.alive and self._session is not None:
            self._report(
                messages.Speech(
                    camera_id=self._s.camera_id,
                    at_us=self._now(),
                    n=0,
                    start_us=self._boot(max(begin_us, self._session.began_us)),
                    end_us=self._now(),
                    final=True,
                    level_dbfs=level_dbfs,
                )
            )

    def channel_closed(self) -> None:
        """The unit process is gone: close the file, then go. What is said now nobody hears."""
        if not self.life.alive or self._finishing:
            return
        self._connected = False
        self._finishing = True
        self._timeline.after(self._rnd.randint(20_000, 600_000), self._finish, self.life)

    def _finish(self) -> None:
        if self._open is not None:
            self._guarded(self._flush)
        if self._open is not None:
            self._guarded(lambda: self._close("shutdown", last=True))
        self.crash(0)

    def acknowledged(self, n: int) -> None:
        """From here on the unit answers for these reports, whether or not the message arrives."""
        for number in [number for number in self._unacked if number <= n]:
            entry = self._unacked.pop(number)
            if entry is not None:
                entry.acked = True

    def _report(self, message: Any, entry: DurableEntry | None = None) -> None:
        if not self._connected:
            return
        self._n += 1
        self._unacked[self._n] = entry
        self._say(replace(message, n=self._n))

    def _boot(self, true_us: int) -> int:
        return max(0, true_us - self._boot_us)

    def _now(self) -> int:
        return self._boot(self._timeline.now_us)

    # --- start of the process ----------------------------------------------------------------------------------------

    def _hello(self) -> None:
        self._connected = True
        self._say(messages.Hello(camera_id=self._s.camera_id, at_us=self._now(), pid=1000))
        self._timeline.after(self._rnd.randint(60_000, 350_000), self._start_camera, self.life)
        self._progress()

    def _start_camera(self) -> None:
        if self._camera.unplugged:
            if not self._refused:
                self._refused = True
                self._fault("camera-fault", "onset", {"error": "no device", "errno": errno.ENODEV})
            self._timeline.after(SECOND, self._start_camera, self.life)
            return
        if self._refused:
            self._refused = False
            self._fault("camera-fault", "end", {})
        self._first_frame_us = self._timeline.now_us
        self._progress_now()
        self._work()

    def _fault(self, code: str, phase: Literal["onset", "end"], evidence: dict[str, Any]) -> None:
        self._report(
            messages.FaultReport(
                camera_id=self._s.camera_id,
                at_us=self._now(),
                n=0,
                code=code,
                phase=phase,
                component=self._s.camera_id,
                evidence=evidence,
            )
        )

    def _progress(self) -> None:
        self._progress_now()
        self._timeline.after(_PROGRESS_US, self._progress, self.life)

    def _progress_now(self) -> None:
        if not self._connected:
            return
        first, last, frames = self._first_frame_us, 0, 0
        if first is not None:
            end = max(first, self.frames_end_us())
            frames, last = 1 + (end - first) // FRAME_US, self._boot(end)
        self._say(
            messages.Progress(
                camera_id=self._s.camera_id,
                at_us=self._now(),
                frames=frames,
                entries=self._entries,
                recording=self._session is not None,
                last_frame_us=last,
                dropped_frames=0,
                buffer_bytes=0,
                lux=None,
            )
        )

    # --- a session ---------------------------------------------------------------------------------------------------

    def _keyframe(self, at_us: int) -> int:
        """The newest keyframe not after ``at_us``."""
        assert self._first_frame_us is not None
        return self._first_frame_us + max(0, at_us - self._first_frame_us) // GOP_US * GOP_US

    def _begin(self, message: messages.Start) -> None:
        now = self._timeline.now_us
        if self._first_frame_us is None:
            return
        base = self._keyframe(self.frames_end_us())
        session = _Session(message.session_id, message.next_index, message.preroll, now, next_us=base)
        if message.preroll and self._s.pre_event_us:
            oldest = max(self._first_frame_us, self._keyframe(max(self._first_frame_us, base - self._s.pre_event_us)))
            if oldest < base:
                session.preroll_span = (oldest, base)
                self._timeline.after(_PREROLL_AFTER_US, self._write_preroll, self.life)
        self._session = session
        self._work()

    def _stop(self, message: messages.Stop) -> None:
        session = self._session
        if session is None or session.session_id != message.session_id or self.faults.ignores_stop:
            return
        post = self._s.post_event_us if message.reason == "stop" else 0
        now = self._timeline.now_us
        end = now + post
        session.stop_us = session.stop_us if session.stop_us is not None else now
        session.end_us = end if session.end_us is None else min(end, session.end_us)
        session.reason = message.reason
        self._timeline.at(session.end_us + _TRAIL_US, self._work, self.life)
        self._work()

    def _work(self) -> None:
        """Write what is due, then plan the next look."""
        if self._finishing:
            return
        now = self._timeline.now_us
        session = self._session
        if session is None:
            return
        if now < max(self._busy_us, self._retry_us):
            if session.end_us is not None and now > session.end_us + _PATIENCE_US:
                self._give_up()
                return
            self._timeline.at(max(self._busy_us, self._retry_us), self._work, self.life)
            return
        self._guarded(self._write_due)
        if self._session is not None:
            self._timeline.at(self._next_look(), self._work, self.life)

    def _next_look(self) -> int:
        session, now = self._session, self._timeline.now_us
        assert session is not None
        due = max(now + 20_000, self._busy_us, self._retry_us, session.next_us + GOP_US)
        if session.end_us is not None:
            due = min(due, max(now + 20_000, session.end_us + 10_000))
        if self._camera.frozen_us is not None:
            due = min(due, max(now + 20_000, self._camera.frozen_us + _STALL_US))
        return due

    def _write_due(self) -> None:
        session = self._session
        assert session is not None
        frames = self.frames_end_us()
        self._overflow(session, frames)
        self._hole(session)
        if self._open is None and (session.end_us is None or session.next_us < session.end_us):
            if frames <= session.next_us:
                return self._maybe_end(session, frames)
            self._open_segment(session, session.role, session.next_us)
            if frames < session.next_us + GOP_US:
                self._fragment(session, frames)  # the press is answered by durable media at once
        limit = frames if session.end_us is None else min(frames, session.end_us)
        while session.next_us + GOP_US <= limit and self._disk_is_quick():
            boundary = self._keyframe(session.next_us + GOP_US)
            self._fragment(session, boundary)
            self._split_when_due(session, boundary)
        frozen = self._camera.frozen_us
        if frozen is not None and self._timeline.now_us - frozen >= _STALL_US and session.next_us < limit:
            self._fragment(session, limit)
        self._maybe_end(session, frames)

    def _hole(self, session: _Session) -> None:
        """The camera is back after a pause: what it delivered before is one segment, what comes now another."""
        hole = self._camera.hole_at(session.next_us)
        if hole is None or hole[0] > session.next_us + GOP_US:
            return
        if self._open is not None:
            if session.next_us < hole[0]:
                self._fragment(session, hole[0])
            self._close("camera-fault", last=False)
        session.next_us = max(session.next_us, self._keyframe(hole[1] + GOP_US))

    def _disk_is_quick(self) -> bool:
        return self._busy_us <= self._timeline.now_us + 50_000

    def _split_when_due(self, session: _Session, at_us: int) -> None:
        segment = self._open
        if segment is None:
            return
        post = session.stop_us is not None and at_us > session.stop_us and session.role == "live"
        if post:
            session.role = "postroll"
        if post or at_us - segment.start_us >= self._s.segment_us - GOP_US // 2:
            self._close("split", last=False)
            self._open_segment(session, session.role, at_us)

    def _maybe_end(self, session: _Session, frames: int) -> None:
        end = session.end_us
        if end is None or self._timeline.now_us < end:
            return
        if frames >= end or self._timeline.now_us >= end + _TRAIL_US:
            last = min(frames, end)
            if self._open is not None and session.next_us < last:
                self._fragment(session, last)
            if session.preroll_span is not None:
                self._write_preroll()
            if self._open is not None:
                self._close(session.reason, last=True)
                self._session = None
            elif session.next_us >= last or self._timeline.now_us > end + _PATIENCE_US:
                self._give_up()

    def _give_up(self) -> None:
        """A session that ends without a last ``closed``: the worker has to end, and the unit recovers what there is."""
        self._session = None
        self.crash(74)

    def _overflow(self, session: _Session, frames: int) -> None:
        """More waits than memory holds: whole GOPs are dropped."""
        if frames - session.next_us > _BUFFER_US:
            session.next_us = self._keyframe(frames - _BUFFER_US // 2)
            if self._open is not None:
                self._close("overflow", last=False)

    # --- files -------------------------------------------------------------------------------------------------------

    def _open_segment(self, session: _Session, role: Role, start_us: int) -> None:
        segment_id = self._new_id()
        sealed = bool(self._recipients)
        name = f"{segment_id}.mp4.age" if sealed else f"{segment_id}.mp4"
        path = self._s.segments_dir / session.session_id / name
        sealer = self._sealer(self._recipients) if sealed else None
        file = SegmentFile(self._files, path, sealer, self._s.reserve_bytes, lambda act: act())
        truth = SegmentTruth(segment_id, session.session_id, self._s.camera_id, role, sealed)
        self._truth.segments[segment_id] = truth
        opened = _Open(truth, file, start_us, start_us)
        if role == "preroll":
            self._preroll = opened
        else:
            self._open = opened
        self._report(
            messages.Opened(
                camera_id=self._s.camera_id,
                at_us=self._now(),
                n=0,
                session_id=session.session_id,
                segment_id=segment_id,
                segment_index=session.index,
                role=role,
                media_start_us=self._boot(start_us),
                codecs="avc1.64001f,mp4a.40.2",
                width=640,
                height=360,
                frame_rate=30.0,
                audio_rate=48000,
                recipients=self._recipients,
                officers=self._officers,
            )
        )
        session.index += 1
        self._append(opened, start_us)

    def _fragment(self, session: _Session, end_us: int) -> None:
        assert self._open is not None
        self._append(self._open, end_us)
        session.next_us = end_us
        self._retry_after_us = 0
        if self._storage is not None:
            code, self._storage = self._storage, None
            self._fault(code, "end", {"segment_id": self._open.truth.segment_id})

    def _append(self, segment: _Open, end_us: int) -> None:
        head = MARK + segment.truth.segment_id.encode() + segment.entries.to_bytes(4, "big")
        written = segment.file.append(head + _FILLER[len(head) :])
        self._durable(segment, written, end_us)

    def _durable(self, segment: _Open, written: WrittenEntry, end_us: int) -> None:
        spent = self._disk.take_spent_us()
        self._busy_us = self._timeline.now_us + spent
        truth = DurableEntry(
            segment.truth.segment_id,
            written.entry,
            written.offset,
            written.length,
            written.sha256_stored,
            (segment.end_us, end_us),
            self._timeline.now_us,
        )
        segment.truth.entries.append(truth)
        segment.end_us = max(segment.end_us, end_us)
        segment.entries += 1
        if written.entry > 0:
            self._entries += 1
        report = messages.EntryWritten(
            camera_id=self._s.camera_id,
            at_us=self._now(),
            n=0,
            segment_id=segment.truth.segment_id,
            entry=written.entry,
            offset=written.offset,
            length=written.length,
            sha256_stored=written.sha256_stored,
            sha256_plain=written.sha256_plain,
            media_end_us=self._boot(segment.end_us),
        )
        self._report(report, truth)

    def _flush(self) -> None:
        session = self._session
        if session is not None and self._open is not None and session.next_us < self.frames_end_us():
            self._fragment(session, self.frames_end_us())

    def _close(self, reason: CloseReason, *, last: bool, segment: _Open | None = None) -> None:
        closing = segment or self._open
        assert closing is not None and self._session is not None
        written, totals = closing.file.finish()
        if closing is self._open:
            self._open = None
        self._durable(closing, written, closing.end_us)
        self._report(
            messages.Closed(
                camera_id=self._s.camera_id,
                at_us=self._now(),
                n=0,
                session_id=self._session.session_id,
                segment_id=closing.truth.segment_id,
                reason=reason,
                last_of_session=last,
                entries=totals.entries,
                size=totals.size,
                sha256=totals.sha256,
                plaintext_size=totals.plaintext_size,
                plaintext_sha256=totals.plaintext_sha256,
                media_start_us=self._boot(closing.start_us),
                media_end_us=self._boot(closing.end_us),
                frames=(closing.end_us - closing.start_us) // FRAME_US,
                dropped_frames=0,
                audio_gaps_us=0,
                fix_seconds=0,
            )
        )

    def _write_preroll(self) -> None:
        session = self._session
        if session is None or session.preroll_span is None or self._finishing:
            return
        start, end = session.preroll_span
        session.preroll_span = None
        try:
            self._open_segment(session, "preroll", start)
            segment = self._preroll
            assert segment is not None
            while segment.end_us < end:
                self._append(segment, min(end, segment.end_us + 2 * GOP_US))
            self._close("preroll-complete", last=False, segment=segment)
        except OSError as error:
            code = storage_code(error.errno)
            self._fault(code, "onset", {"errno": error.errno, "error": str(error)})
            self._fault(code, "end", {})
        finally:
            self._preroll = None

    def _guarded(self, act: Callable[[], object]) -> None:
        """A disk that refuses ends the open file, never the session."""
        try:
            act()
        except OSError as error:
            self._storage_failed(error)
        self._busy_us = max(self._busy_us, self._timeline.now_us + self._disk.take_spent_us())

    def _skip_to_keyframe(self, given_up: _Open) -> None:
        """The next file begins at a keyframe. Behind media that ended within a group of pictures the rest of that is lost,
        and a busy board encodes few frames a second: the next keyframe may be seconds away."""
        if self._session is not None and given_up.end_us > given_up.start_us:
            at = self._session.next_us
            self._session.next_us = self._keyframe(at) + self._rnd.randint(0, _GOPS_LOST) * GOP_US

    def _storage_failed(self, error: OSError) -> None:
        segment, self._open = self._open, None
        code = storage_code(error.errno)
        evidence: dict[str, Any] = {"errno": error.errno, "error": str(error)}
        if segment is not None:
            segment.file.abandon()
            evidence["segment_id"] = segment.truth.segment_id
            self._skip_to_keyframe(segment)
        if segment is not None or self._storage != code:
            if self._storage not in (None, code):
                self._fault(str(self._storage), "end", {"became": code})
            self._storage = code
            self._fault(code, "onset", evidence)
        self._retry_us = self._timeline.now_us + self._retry_after_us
        self._retry_after_us = min(_RETRY_US[1], max(_RETRY_US[0], 2 * self._retry_after_us))
