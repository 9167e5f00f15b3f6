"""What a worker is to the streams that write for it: its seams, its settings, and the faults it is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from firmware_bridge.ports import Clock
from recorder.capture.drops import DropBook
from recorder.capture.segment_writer import Sealer, Timed
from recorder.capture.settings import Camera
from recorder.capture.telemetry import TelemetryBook
from recorder.channel.messages import Closed, EntryWritten, FaultReport, Opened, Qr, Speech
from recorder.evidence.files import Files

Report: TypeAlias = Opened | EntryWritten | Closed | FaultReport | Speech | Qr


@dataclass(frozen=True, slots=True)
class SegmentTerms:
    """What is taken over at segment-open and holds for the whole segment."""

    recipients: tuple[str, ...]
    sealer: Sealer | None
    officers: tuple[str, ...]


@dataclass(slots=True)
class FaultState:
    """The faults that are present. Of the worker, not of a stream: a session that ends in a fault would else leave it
    present for ever, because the stream that could have ended it is gone."""

    storage: str | None = None
    headers: bool = False


def untimed(act: Callable[[], None]) -> None:
    act()


@dataclass(frozen=True, slots=True)
class StreamContext:
    """The worker as a stream sees it. ``report`` only enqueues; ``tags`` gives the moov tags of a segment that begins at
    a boot-time; ``terms`` takes the snapshot at segment-open; ``dropped_frames`` counts since the worker started, and
    ``drops`` knows when; ``timed`` is the stopwatch for the disk."""

    clock: Clock
    files: Files
    segments_dir: Path
    camera_id: str
    camera: Camera
    reserve_bytes: int
    telemetry: TelemetryBook
    report: Callable[[Report], None]
    new_id: Callable[[], str]
    terms: Callable[[], SegmentTerms]
    tags: Callable[[str, str, int], Mapping[str, str]]
    dropped_frames: Callable[[], int]
    timed: Timed = untimed
    drops: DropBook = field(default_factory=DropBook)
    faults: FaultState = field(default_factory=FaultState)

    @property
    def nominal_us(self) -> int:
        """Duration of a frame by the camera's frame rate."""
        return 1_000_000 // self.camera.frame_rate

    def fault(self, code: str, phase: Literal["onset", "end"], evidence: dict[str, Any]) -> None:
        """Report onset or end of a fault of this camera."""
        self.report(
            FaultReport(
                camera_id=self.camera_id,
                at_us=self.clock.boottime_us(),
                n=0,
                code=code,
                phase=phase,
                component=self.camera_id,
                evidence=evidence,
            )
        )

    def storage_failed(self, code: str, evidence: dict[str, Any]) -> None:
        """A code of ``errno_code.storage_code``. One kind at a time: a disk that changes its complaint ends the first."""
        if self.faults.storage not in (None, code):
            self.fault(str(self.faults.storage), "end", {"became": code})
        self.faults.storage = code
        self.fault(code, "onset", evidence)

    def storage_works(self, segment_id: str) -> None:
        """Something was durable."""
        if self.faults.storage is not None:
            self.fault(self.faults.storage, "end", {"segment_id": segment_id})
            self.faults.storage = None

    def media_lost(self, frames: int, why: str, session_id: str) -> None:
        """Frames that were delivered and will never be durable. A moment, not a state: it has its end at once."""
        evidence = {"error": why, "session_id": session_id, "frames_not_durable": frames}
        self.fault("media-lost", "onset", evidence)
        self.fault("media-lost", "end", evidence)

    def headers_missing(self, error: str, keyframe_us: int) -> None:
        """A keyframe no segment can begin with."""
        if not self.faults.headers:
            self.fault("camera-fault", "onset", {"error": error, "keyframe_us": keyframe_us})
        self.faults.headers = True

    def headers_present(self) -> None:
        if self.faults.headers:
            self.fault("camera-fault", "end", {})
        self.faults.headers = False
