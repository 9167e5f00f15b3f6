"""What the session machine remembers: its settings, the workers, and the one session."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from recorder.config.models import RecorderConfig
from recorder.evidence.matter import Matter, Mode, StopReason
from recorder.evidence.records import InterruptionCause, Record, SessionStop
from recorder.session.camera_track import CameraTrack
from recorder.session.context import mode_of

EndedBy = Literal["button", "command", "remote", "ignition", "shutdown"]

STOP_SEAM_US = 500_000
"""Media ending so long before the stop request was cut short by something: a gap, not the latency of stopping."""


class State(Enum):
    STANDBY = "standby"
    RECORDING = "recording"
    STOPPING = "stopping"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """``cameras`` in the order of the configuration; times in microseconds."""

    cameras: tuple[str, ...]
    auto_shift: bool
    resume_open_recording: bool
    resume_within_us: int
    standby_interval_us: int
    post_event_us: int
    default_mode: Mode = "一般"

    @classmethod
    def of(cls, config: RecorderConfig) -> MachineSettings:
        return cls(
            cameras=tuple(config.cameras),
            auto_shift=config.session.auto_shift,
            resume_open_recording=config.session.resume_open_recording,
            resume_within_us=round(config.session.resume_within_h * 3_600_000_000),
            standby_interval_us=round(config.session.standby_interval_s * 1e6),
            post_event_us=round(config.capture.post_event_s * 1e6),
            default_mode=mode_of(config.matter.mode),
        )


@dataclass(slots=True)
class Camera:
    """A worker as the machine sees it, session or not. ``open``: segment id → session id of files not closed yet.
    ``present``: what it says is wrong now and could stop its picture, by code, the newest last."""

    ready: bool = False
    down: tuple[InterruptionCause, str] | None = None
    present: dict[str, InterruptionCause] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)

    @property
    def fault(self) -> InterruptionCause | None:
        """The cause a gap that began now would have: the newest that is not over. What comes and goes meanwhile does not
        take the blame from what stays."""
        return next(reversed(self.present.values()), None)


@dataclass(slots=True)
class Session:
    """``commanded``: cameras whose present worker was told to record. The rest belongs to the stop: ``finished`` cameras
    send nothing more, ``deadlines`` until when the others have time, ``killed`` those that let it pass."""

    session_id: str
    tracks: dict[str, CameraTrack]
    segment_count: int = 0
    mode: Mode | None = None
    matter: Matter | None = None
    commanded: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    stop_reason: EndedBy | None = None
    stated: StopReason | None = None
    stop_us: int = 0
    deadlines: dict[str, int] = field(default_factory=dict)
    killed: set[str] = field(default_factory=set)

    @property
    def waiting(self) -> bool:
        """The first media is still to come, and no gap accounts for the time: its worker is starting."""
        tracks = self.tracks.values()
        return not any(track.started for track in tracks) and any(track.gap is None for track in tracks)

    @property
    def done(self) -> bool:
        return self.stop_reason is not None and len(self.finished) == len(self.tracks)

    def is_short(self, track: CameraTrack) -> bool:
        """The camera's media ends before the stop was asked for."""
        return track.covered_until_us < self.stop_us - STOP_SEAM_US

    def end(self) -> tuple[list[Record], int]:
        """The last records of a session that is done, and from where on it covers the time of some camera no more."""
        assert self.stop_reason is not None
        records: list[Record] = []
        tracks = tuple(self.tracks.values())
        anything = any(track.started for track in tracks)
        for track in tracks:
            if track.gap is None and (self.is_short(track) if track.started else anything):
                records += track.interrupt(track.fault or "unknown", "no media up to the stop")
        at_us = max([self.stop_us, *(track.covered_until_us for track in tracks if track.started)])
        uncovered_us = min(at_us if track.gap is not None else track.covered_until_us for track in tracks)
        records.append(
            SessionStop(
                session_id=self.session_id,
                reason=self.stop_reason,
                at_us=at_us,
                segment_count=self.segment_count,
                stated=self.stated,
            )
        )
        return records, uncovered_us
