"""The session machine: standby, recording, stopping; shifts; and which gap begins and ends when. Pure.

Time comes in as a :class:`Moment`, events as method calls, results go out as a list of effects. Nothing here reads a
clock, a file or a device, so a shift of any shape can be replayed from its events (promise 3: every second of a shift is
in a segment, in a signed standby interval, or in a gap with a cause).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeAlias

from recorder.channel.messages import Closed, Opened
from recorder.evidence.records import (
    Encryption,
    Event,
    Interruption,
    InterruptionCause,
    Mark,
    Media,
    Resumption,
    SealedField,
    SegmentClose,
    SegmentOpen,
    SessionStart,
    SessionStop,
    ShiftEnd,
    ShiftStart,
    Standby,
)
from recorder.session.effects import Effect, Indicate, StartCamera, StopCamera, Write

SEAM_US = 40_000
"""Adjacent segments may be this far apart (GA/T 947: one frame at 25/s); anything more is a gap and is recorded."""

Trigger: TypeAlias = Literal["button", "command", "remote", "resume"]
StopReason: TypeAlias = Literal["button", "command", "remote", "shutdown"]


class State(Enum):
    STANDBY = "standby"
    RECORDING = "recording"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: CLOCK_BOOTTIME in this boot, and the wall clock's claim."""

    boot_us: int
    wall_us: int


@dataclass(frozen=True, slots=True)
class Settings:
    cameras: tuple[str, ...]
    preroll: bool
    standby_interval_us: int
    post_event_us: int


@dataclass(frozen=True, slots=True)
class OpenGap:
    gap_id: str
    from_us: int
    from_bootseed: str
    from_wall_us: int


@dataclass(slots=True)
class Camera:
    """One camera within the running session."""

    ready: bool = False
    started: bool = False
    finished: bool = False
    next_index: int = 0
    open_segments: dict[str, str] = field(default_factory=dict)
    last_segment_id: str | None = None
    last_end_us: int | None = None
    gap: OpenGap | None = None


@dataclass(frozen=True, slots=True)
class OldCamera:
    """What the journal knows of a camera of a session that was open when the unit process ended."""

    next_index: int
    last_segment_id: str | None
    last_end_us: int
    gap: OpenGap | None


@dataclass(frozen=True, slots=True)
class Past:
    """What the journal says of the time before this start (times in the boot ``bootseed``)."""

    bootseed: str
    last_us: int
    wall_offset_us: int
    shift_id: str | None
    session_id: str | None
    segment_count: int
    cameras: dict[str, OldCamera]
    covered_us: int
    """End of the last interval that is accounted for: the last standby, media or session stop."""


class SessionMachine:
    """One per unit process. ``new_id`` makes UUIDs; ``bootseed`` is this boot's id."""

    def __init__(self, settings: Settings, bootseed: str, new_id: Callable[[], str]) -> None:
        self._settings = settings
        self._bootseed = bootseed
        self._new_id = new_id
        self.state = State.STANDBY
        self.shift_id: str | None = None
        self.session_id: str | None = None
        self.segment_count = 0
        self.cameras = {camera_id: Camera() for camera_id in settings.cameras}
        self._stop_reason: StopReason = "button"
        self._stop_at_us = 0
        self._covered_us = 0

    # --- start, shift, power off -------------------------------------------------------------------------------------

    def begin(self, now: Moment, past: Past | None, auto_shift: bool, resume: bool) -> list[Effect]:
        """First call. With an open session in ``past``: go on with it (or end it as abandoned); else account for the
        time in which nobody signed anything."""
        effects: list[Effect] = []
        self._covered_us = now.boot_us
        if past is not None and past.shift_id is not None:
            self.shift_id = past.shift_id
            if past.session_id is None:
                effects.append(self._unit_down(now, past))
        elif auto_shift:
            effects += self.start_shift("auto")
        if past is not None and past.session_id is not None:
            effects += self._take_up(now, past, resume)
        effects.append(Indicate(self._indication()))
        return effects

    def start_shift(self, trigger: Literal["auto", "officer", "remote"]) -> list[Effect]:
        if self.shift_id is not None:
            return []
        self.shift_id = self._new_id()
        return [Write(ShiftStart(shift_id=self.shift_id, trigger=trigger))]

    def end_shift(self, now: Moment, trigger: Literal["power-off", "officer", "remote"]) -> list[Effect]:
        """Only in standby; the last standby interval is closed first."""
        if self.shift_id is None or self.state is not State.STANDBY:
            return []
        effects = self._standby_until(now.boot_us)
        effects.append(Write(ShiftEnd(shift_id=self.shift_id, trigger=trigger)))
        self.shift_id = None
        return effects

    def _unit_down(self, now: Moment, past: Past) -> Effect:
        same_boot = past.bootseed == self._bootseed
        detail = {
            "from_us": past.covered_us,
            "from_bootseed": past.bootseed,
            "to_us": now.boot_us,
            "cause": "process-crash" if same_boot else "power-loss",
            "duration_us": self._duration(past.covered_us, past.bootseed, past.covered_us + past.wall_offset_us, now),
            "duration_basis": "boottime" if same_boot else "wall",
        }
        return Write(Event(event="unit-down", at_us=now.boot_us, detail=detail))

    def _take_up(self, now: Moment, past: Past, resume: bool) -> list[Effect]:
        cause: InterruptionCause = "process-crash" if past.bootseed == self._bootseed else "power-loss"
        self.session_id = past.session_id
        self.segment_count = past.segment_count
        effects: list[Effect] = []
        for camera_id, camera in self.cameras.items():
            old = past.cameras.get(camera_id)
            camera.next_index = old.next_index if old else 0
            camera.last_segment_id = old.last_segment_id if old else None
            camera.gap = old.gap if old else None
            if camera.gap is None:
                from_us = old.last_end_us if old else past.last_us
                effects.append(
                    self._interrupt(camera_id, cause, "", from_us, past.bootseed, from_us + past.wall_offset_us)
                )
        if resume:
            self.state = State.RECORDING
            return effects
        self.state = State.STOPPING
        self._stop_at_us = now.boot_us
        for camera in self.cameras.values():
            camera.finished = True
        return effects + self._finish(now, "abandoned")

    # --- the officer -------------------------------------------------------------------------------------------------

    def start(
        self,
        now: Moment,
        trigger: Trigger,
        officers: int,
        matter: SealedField | None = None,
        last_receipt: str | None = None,
    ) -> list[Effect]:
        """开始记录. Never refused for a lesser reason: without a ready camera the session begins with a gap."""
        if self.state is not State.STANDBY:
            return []
        effects: list[Effect] = self.start_shift("auto") if self.shift_id is None else []
        effects += self._standby_until(now.boot_us)
        self.session_id = self._new_id()
        self.segment_count = 0
        self.state = State.RECORDING
        effects.append(
            Write(
                SessionStart(
                    session_id=self.session_id,
                    shift_id=self.shift_id,
                    trigger=trigger,
                    resumes=None,
                    at_us=now.boot_us,
                    cameras=tuple(self.cameras),
                    officers=officers,
                    matter=matter,
                    last_receipt=last_receipt,
                )
            )
        )
        for camera_id, camera in self.cameras.items():
            # Evidence is owed from the press on: media that begins later than that leaves a gap, not a silence.
            self.cameras[camera_id] = fresh = Camera(ready=camera.ready, last_end_us=now.boot_us)
            if fresh.ready:
                effects.append(self._start_camera(camera_id, self._settings.preroll))
            else:
                effects.append(
                    self._interrupt(camera_id, "camera-fault", "not ready", now.boot_us, self._bootseed, now.wall_us)
                )
        effects.append(Indicate(self._indication()))
        return effects

    def stop(self, now: Moment, reason: StopReason) -> list[Effect]:
        """停止记录. The session ends when every camera has closed its last segment."""
        if self.state is not State.RECORDING:
            return []
        assert self.session_id is not None
        self.state = State.STOPPING
        self._stop_reason = reason
        self._stop_at_us = now.boot_us
        effects: list[Effect] = []
        for camera_id, camera in self.cameras.items():
            if camera.ready and camera.started:
                effects.append(StopCamera(camera_id, self.session_id, "shutdown" if reason == "shutdown" else "stop"))
            else:
                camera.finished = True
        return effects + self._finish_when_done(now)

    def mark(self, now: Moment, kind: str) -> list[Effect]:
        """重点标记: only within a session (there is nothing to mark outside one)."""
        if self.session_id is None:
            return []
        segments = [segment for camera in self.cameras.values() for segment in camera.open_segments]
        record = Mark(
            mark_id=self._new_id(),
            session_id=self.session_id,
            kind=kind,
            at_us=now.boot_us,
            segment_ids=tuple(segments),
        )
        return [Write(record), Indicate("marked", momentary=True)]

    # --- the workers -------------------------------------------------------------------------------------------------

    def worker_ready(self, camera_id: str, now: Moment) -> list[Effect]:
        camera = self.cameras[camera_id]
        camera.ready = True
        if self.state is not State.RECORDING or camera.started:
            return []
        # After a gap there is no pre-roll: the ring of the new worker is empty, and what it would add is the live part.
        return [self._start_camera(camera_id, preroll=False)]

    def worker_lost(self, camera_id: str, now: Moment, cause: InterruptionCause, detail: str) -> list[Effect]:
        """The worker is gone and its open segments have been recovered."""
        camera = self.cameras[camera_id]
        was_recording = self.session_id is not None and not camera.finished
        camera.ready = camera.started = False
        camera.open_segments.clear()
        if not was_recording:
            return []
        effects: list[Effect] = []
        if camera.gap is None:
            from_us = camera.last_end_us if camera.last_end_us is not None else self._covered_us
            effects.append(
                self._interrupt(
                    camera_id, cause, detail, from_us, self._bootseed, now.wall_us - (now.boot_us - from_us)
                )
            )
        if self.state is State.STOPPING:
            camera.finished = True
            effects += self._finish_when_done(now)
        else:
            effects.append(Indicate(self._indication()))
        return effects

    def opened(self, message: Opened, now: Moment, overlay: SealedField | None) -> list[Effect]:
        camera = self.cameras[message.camera_id]
        camera.next_index = max(camera.next_index, message.segment_index + 1)
        camera.open_segments[message.segment_id] = message.role
        self.segment_count += 1
        effects: list[Effect] = [Write(_segment_open(message, overlay))]
        if message.role == "preroll":
            return effects
        late = camera.last_end_us is not None and message.media_start_us - camera.last_end_us > SEAM_US
        if camera.gap is None and late:
            assert camera.last_end_us is not None
            from_us = camera.last_end_us
            wall = now.wall_us - (now.boot_us - from_us)
            effects.append(self._interrupt(message.camera_id, "unknown", "", from_us, self._bootseed, wall))
        gap = camera.gap
        if gap is not None:
            at = Moment(message.media_start_us, now.wall_us - (now.boot_us - message.media_start_us))
            effects.append(
                Write(
                    Resumption(
                        gap_id=gap.gap_id,
                        session_id=message.session_id,
                        camera_id=message.camera_id,
                        segment_id=message.segment_id,
                        to_us=message.media_start_us,
                        duration_us=self._duration(gap.from_us, gap.from_bootseed, gap.from_wall_us, at),
                        duration_basis="boottime" if gap.from_bootseed == self._bootseed else "wall",
                    )
                )
            )
            camera.gap = None
            effects.append(Indicate(self._indication()))
        camera.last_segment_id = message.segment_id
        camera.last_end_us = message.media_start_us
        return effects

    def media_durable(self, camera_id: str, segment_id: str, media_end_us: int) -> None:
        """A signed entry: media up to ``media_end_us`` is safe. Pre-roll lies before the live media and is left out."""
        camera = self.cameras[camera_id]
        if camera.open_segments.get(segment_id) in ("live", "postroll") and camera.last_end_us is not None:
            camera.last_end_us = max(camera.last_end_us, media_end_us)

    def closed(self, message: Closed, now: Moment) -> list[Effect]:
        camera = self.cameras[message.camera_id]
        role = camera.open_segments.pop(message.segment_id, None)
        effects: list[Effect] = [Write(_segment_close(message))]
        if role in ("live", "postroll"):
            camera.last_end_us = message.media_end_us
            if self.state is State.RECORDING and message.reason in ("camera-fault", "overflow"):
                cause: InterruptionCause = "buffer-overflow" if message.reason == "overflow" else "camera-fault"
                wall = now.wall_us - (now.boot_us - message.media_end_us)
                effects.append(
                    self._interrupt(
                        message.camera_id, cause, message.reason, message.media_end_us, self._bootseed, wall
                    )
                )
                effects.append(Indicate(self._indication()))
        if message.last_of_session:
            camera.finished = True
            camera.started = False
            effects += self._finish_when_done(now)
        return effects

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self, now: Moment) -> list[Effect]:
        """Call at least once a second: standby intervals at their rhythm."""
        if self.state is State.STANDBY and now.boot_us - self._covered_us >= self._settings.standby_interval_us:
            return self._standby_until(now.boot_us)
        return []

    # --- inside ------------------------------------------------------------------------------------------------------

    def _indication(self) -> str:
        if self.state is State.STANDBY:
            return "standby"
        return "interrupted" if any(camera.gap for camera in self.cameras.values()) else "recording"

    def _start_camera(self, camera_id: str, preroll: bool) -> Effect:
        camera = self.cameras[camera_id]
        camera.started = True
        assert self.session_id is not None
        return StartCamera(camera_id, self.session_id, camera.next_index, preroll)

    def _interrupt(
        self, camera_id: str, cause: InterruptionCause, detail: str, from_us: int, bootseed: str, from_wall_us: int
    ) -> Effect:
        camera = self.cameras[camera_id]
        gap = OpenGap(self._new_id(), from_us, bootseed, from_wall_us)
        camera.gap = gap
        assert self.session_id is not None
        return Write(
            Interruption(
                gap_id=gap.gap_id,
                session_id=self.session_id,
                camera_id=camera_id,
                cause=cause,
                detail=detail,
                from_us=from_us,
                from_bootseed=bootseed,
                last_segment_id=camera.last_segment_id,
            )
        )

    def _duration(self, from_us: int, from_bootseed: str, from_wall_us: int, to: Moment) -> int:
        """Exact within a boot; across boots the wall clock's claim, never negative (the clock may have been wrong)."""
        if from_bootseed == self._bootseed:
            return max(0, to.boot_us - from_us)
        return max(0, to.wall_us - from_wall_us)

    def _standby_until(self, to_us: int) -> list[Effect]:
        if self.shift_id is None or to_us <= self._covered_us:
            return []
        record = Standby(shift_id=self.shift_id, from_us=self._covered_us, to_us=to_us)
        self._covered_us = to_us
        return [Write(record)]

    def _finish_when_done(self, now: Moment) -> list[Effect]:
        if self.state is not State.STOPPING or not all(camera.finished for camera in self.cameras.values()):
            return []
        return self._finish(now, self._stop_reason)

    def _finish(self, now: Moment, reason: StopReason | Literal["abandoned"]) -> list[Effect]:
        assert self.session_id is not None
        at_us = self._session_end(self.cameras.values(), now)
        record = SessionStop(session_id=self.session_id, reason=reason, at_us=at_us, segment_count=self.segment_count)
        self.state = State.STANDBY
        self.session_id = None
        self._covered_us = at_us
        for camera_id, camera in self.cameras.items():
            self.cameras[camera_id] = Camera(ready=camera.ready)
        return [Write(record), Indicate("stopped", momentary=True), Indicate("standby")]

    def _session_end(self, cameras: Iterable[Camera], now: Moment) -> int:
        """Where media ends the session ends. With a gap still open nobody filmed up to the stop: it ends there."""
        ends = [camera.last_end_us for camera in cameras if camera.gap is None and camera.last_end_us is not None]
        if len(ends) < len(self.cameras):
            ends.append(self._stop_at_us)
        return min(max(ends), now.boot_us)


def _segment_open(message: Opened, overlay: SealedField | None) -> SegmentOpen:
    return SegmentOpen(
        session_id=message.session_id,
        segment_id=message.segment_id,
        segment_index=message.segment_index,
        camera_id=message.camera_id,
        role=message.role,
        media_start_us=message.media_start_us,
        media=Media(
            mime="video/mp4",
            codecs=message.codecs,
            width=message.width,
            height=message.height,
            frame_rate=message.frame_rate,
            audio_rate=message.audio_rate,
        ),
        encryption=Encryption(format="age-v1" if message.recipients else "none", recipients=message.recipients),
        overlay=overlay,
    )


def _segment_close(message: Closed) -> SegmentClose:
    fields = message.model_dump(exclude={"v", "kind", "n", "at_us", "last_of_session"})
    return SegmentClose.model_validate(fields)
