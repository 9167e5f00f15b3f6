"""Stand-ins at the worker's seams: a clock set by hand, a disk that fails on demand, a session driven step by step."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from av.audio.stream import AudioStream

from firmware_bridge.ports import ClockQuality, EncodedFrame, SensorInfo
from recorder.capture.packet_log import PacketLog
from recorder.capture.packets import Packet
from recorder.capture.segment_writer import Sealer
from recorder.capture.session import Session
from recorder.capture.settings import Camera, Capture
from recorder.capture.stream import Report, SegmentTerms, StreamContext
from recorder.capture.telemetry import TelemetryBook
from recorder.channel.messages import Closed, EntryWritten, FaultReport, Opened, Start
from recorder.evidence.files import AppendFile, OsFiles
from recorder.units import MB

SESSION = "11111111-1111-4111-8111-111111111111"


class ManualClock:
    def __init__(self, now_us: int = 0) -> None:
        self.now_us = now_us

    def boottime_us(self) -> int:
        return self.now_us

    def wall_us(self) -> int:
        return 1_795_000_000_000_000 + self.now_us

    def boot_id(self) -> str:
        return "00000000-0000-4000-8000-000000000000"

    def quality(self) -> ClockQuality:
        return ClockQuality("gnss", True, 1.0)


class FailingFile:
    """``close`` fails as the kernel's does: the descriptor is gone all the same."""

    def __init__(self, inner: AppendFile, fail: Callable[[str], None]) -> None:
        self._inner = inner
        self._fail = fail

    def write(self, data: bytes | memoryview) -> None:
        self._fail("write")
        self._inner.write(data)

    def sync(self) -> None:
        self._fail("sync")
        self._inner.sync()

    def close(self) -> None:
        try:
            self._fail("close")
        finally:
            self._inner.close()


class FailingFiles(OsFiles):
    """The real disk, but the operations whose running number (per kind, from 0) is in ``plan`` raise OSError."""

    def __init__(self, plan: dict[str, set[int]], number: int = errno.EIO) -> None:
        super().__init__()
        self.plan = plan
        self.errno = number
        self.counts: dict[str, int] = {"create": 0, "write": 0, "sync": 0, "close": 0}
        self.free: int | None = None
        self.broken = False
        """While True every operation fails."""
        self.headers_only = False
        """While True a file takes its first write and no other."""

    def create(self, path: Path) -> AppendFile:
        self._fail("create")
        writes = itertools.count()

        def fail(kind: str) -> None:
            if kind == "write" and next(writes) > 0 and self.headers_only:
                raise OSError(self.errno, os.strerror(self.errno))
            self._fail(kind)

        return FailingFile(super().create(path), fail)

    def free_bytes(self, path: Path) -> int:
        return super().free_bytes(path) if self.free is None else self.free

    def _fail(self, kind: str) -> None:
        count = self.counts[kind]
        self.counts[kind] += 1
        if self.broken or count in self.plan.get(kind, set()):
            raise OSError(self.errno, os.strerror(self.errno))


@dataclass
class Rig:
    """A session without threads: ``run`` pushes packets as their time comes and steps until nothing is left to do."""

    directory: Path
    capture: Capture
    files: OsFiles = field(default_factory=OsFiles)
    audio: AudioStream | None = None
    recipients: tuple[str, ...] = ()
    sealer: Callable[[Sequence[str]], Sealer] | None = None
    width: int = 320
    height: int = 180
    reserve: int = 0

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.reports: list[Report] = []
        self.telemetry = TelemetryBook(60_000_000)
        self.dropped = 0
        self.log = PacketLog(round(self.capture.pre_event_s * 1_000_000), self.capture.buffer_mb * MB)
        numbers = itertools.count(1)
        self.context = StreamContext(
            clock=self.clock,
            files=self.files,
            segments_dir=self.directory,
            camera_id="cam0",
            camera=Camera(width=self.width, height=self.height, frame_rate=30, bitrate_kbps=600),
            reserve_bytes=self.reserve,
            telemetry=self.telemetry,
            report=self.reports.append,
            new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}",
            terms=lambda: SegmentTerms(
                self.recipients, self.sealer(self.recipients) if self.sealer else None, ("13010001",)
            ),
            tags=lambda session, segment, base: {"boottime_us": str(base), "segment_id": segment},
            dropped_frames=lambda: self.dropped,
        )
        self.session: Session | None = None
        self.completed = True
        """Whether the sessions that ended said so in a last ``closed``; else the worker has to end."""

    def start(self, at_us: int, *, preroll: bool = False, session_id: str = SESSION, next_index: int = 0) -> None:
        message = Start(camera_id="cam0", at_us=at_us, session_id=session_id, next_index=next_index, preroll=preroll)
        self.clock.now_us = max(self.clock.now_us, at_us)
        self.session = Session(self.context, self.log, self.capture, message, self.audio)
        self.settle()

    def push(self, packets: Iterable[Packet], *, step: bool = True) -> None:
        """Each packet arrives 5 ms after its time stamp (a frame) or when the caller's order says."""
        for packet in packets:
            self.clock.now_us = max(self.clock.now_us, packet.timestamp_us + 5_000)
            self.log.push(packet)
            if step:
                self.settle()

    def settle(self) -> None:
        """Step until the live queue is empty."""
        while self.session is not None:
            before = self.log.state().bytes
            if not self._step(self.session):
                self.session = None
            elif self.log.state().bytes == before:
                return

    def stop(self, at_us: int) -> None:
        assert self.session is not None
        self.session.stop(at_us, "stop")

    def ended(self) -> bool:
        return self.session is None

    def finish(self, stop_us: int, *, after_us: int = 2_000_000) -> None:
        """Stop and let time run until the session has ended."""
        assert self.session is not None
        self.session.stop(stop_us, "stop")
        end = self.clock.now_us + after_us
        while self.session is not None and self.clock.now_us <= end:
            if not self._step(self.session):
                self.session = None
            self.clock.now_us += 20_000
        assert self.session is None, "the session did not end"

    def _step(self, session: Session) -> bool:
        going_on = session.step(0.0)
        if not going_on:
            self.completed = self.completed and session.completed
        return going_on

    def path(self, opened: Opened) -> Path:
        suffix = ".mp4.age" if self.sealer is not None else ".mp4"
        return self.directory / opened.session_id / f"{opened.segment_id}{suffix}"

    @property
    def opened(self) -> list[Opened]:
        """By media time: the order everything is read in."""
        return sorted((r for r in self.reports if isinstance(r, Opened)), key=lambda report: report.media_start_us)

    @property
    def closed(self) -> list[Closed]:
        return [report for report in self.reports if isinstance(report, Closed)]

    @property
    def faults(self) -> list[FaultReport]:
        return [report for report in self.reports if isinstance(report, FaultReport)]

    def entries(self, segment_id: str) -> list[EntryWritten]:
        return [r for r in self.reports if isinstance(r, EntryWritten) and r.segment_id == segment_id]


def capture_settings(**changes: float | bool | int) -> Capture:
    settings: dict[str, object] = {
        "segment_s": 10,
        "gop_s": 1,
        "pre_event_s": 0,
        "pre_event_audio": False,
        "post_event_s": 0,
        "buffer_mb": 64,
    }
    return msgspec.convert(settings | changes, Capture)


def frame(timestamp_us: int, keyframe: bool, size: int = 1000) -> EncodedFrame:
    """A frame for tests that never decode: one NAL unit of ``size`` bytes."""
    unit = bytes([0x65 if keyframe else 0x41]) * size
    return EncodedFrame(b"\x00\x00\x00\x01" + unit, keyframe, timestamp_us, SensorInfo())
