"""The capture path beside the encoder, driven with given packets: packet log → session → mux → seal → file → reports.

No camera, no encoder, no threads: the packets are pushed and the writer's steps are taken one after the other, as fast as
they go. Everything from the packet log on is the product's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import Clock, EncodedFrame, SensorInfo
from recorder.capture.mux import audio_template
from recorder.capture.packet_log import PacketLog
from recorder.capture.packets import Packet
from recorder.capture.session import Session
from recorder.capture.settings import Camera, Capture
from recorder.capture.stream import Report, SegmentTerms, StreamContext
from recorder.capture.telemetry import TelemetryBook
from recorder.channel.messages import Position, Start, Telemetry
from recorder.evidence.age import AgeEncryptor
from recorder.evidence.files import Files
from tools.bench.footage import AUDIO_RATE, FRAME_RATE
from tools.bench.unit_side import CAMERA, new_id

TELEMETRY_US = 500_000
FIX_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """``recipients`` empty: unsealed. ``segment_s`` as in the configuration."""

    data_dir: Path
    camera: Camera
    recipients: Sequence[str]
    segment_s: float = 60.0


def camera(width: int, height: int, kbps: int) -> Camera:
    return Camera(width=width, height=height, frame_rate=FRAME_RATE, bitrate_kbps=kbps)


class Recording:
    """One session. ``feed`` packets in order of time, the first a keyframe; then ``finish``."""

    def __init__(
        self, setting: Setting, clock: Clock, files: Files, report: Callable[[Report], None], session_id: str
    ) -> None:
        self._telemetry = TelemetryBook(60_000_000)
        self._next_telemetry_us = 0
        self._log = PacketLog(0, 64 << 20)
        self._clock = clock
        self._session_id = session_id
        self._session: Session | None = None
        self._end_us = 0
        self._setting = setting
        self._context = StreamContext(
            clock=clock,
            files=files,
            segments_dir=setting.data_dir / "segments",
            camera_id=CAMERA,
            camera=setting.camera,
            reserve_bytes=16 << 20,
            telemetry=self._telemetry,
            report=report,
            new_id=new_id,
            terms=self._terms,
            tags=lambda session, segment, base: {
                "session_id": session,
                "segment_id": segment,
                "boottime_us": str(base),
            },
            dropped_frames=lambda: 0,
        )

    def feed(self, packets: Iterable[Packet]) -> None:
        """In order of time; the first is a keyframe."""
        for packet in packets:
            self._push(packet)
            if isinstance(packet, EncodedFrame):
                self._end_us = packet.timestamp_us

    def finish(self) -> int:
        """End with the last frame; returns its time stamp."""
        assert self._session is not None
        self._session.stop(self._end_us, "stop")
        # The end is decided by a frame behind it, and that one has to be older than the interleaver's patience with sound.
        for later_us in (200_000, 600_000):
            self._push(EncodedFrame(b"", True, self._end_us + later_us, SensorInfo()))
        while self._session.step(0.01):
            continue
        return self._end_us

    def _push(self, packet: Packet) -> None:
        now_us = packet.timestamp_us
        if now_us >= self._next_telemetry_us:
            self._next_telemetry_us = now_us + TELEMETRY_US
            self._telemetry.add(_telemetry(now_us))
        self._log.push(packet)
        if self._session is None:
            self._begin(now_us)
        assert self._session is not None
        self._session.step(0.0)

    def _begin(self, at_us: int) -> None:
        capture = Capture(
            segment_s=self._setting.segment_s,
            gop_s=1,
            pre_event_s=0,
            pre_event_audio=False,
            post_event_s=0,
            buffer_mb=64,
        )
        start = Start(camera_id=CAMERA, at_us=at_us, session_id=self._session_id, next_index=0, preroll=False)
        self._session = Session(self._context, self._log, capture, start, audio_template(AUDIO_RATE, 64_000))

    def _terms(self) -> SegmentTerms:
        recipients = tuple(self._setting.recipients)
        return SegmentTerms(recipients, AgeEncryptor(recipients) if recipients else None, ())


def _telemetry(at_us: int) -> Telemetry:
    """What a unit tells its worker twice a second, with a fix each second."""
    position = Position(
        received_us=at_us // FIX_US * FIX_US,
        latitude=38.0428,
        longitude=114.5149,
        altitude_m=71.2,
        speed_mps=1.4,
        course_deg=93.0,
        quality=1,
        satellites=11,
        hdop=0.9,
    )
    return Telemetry(
        camera_id=CAMERA,
        at_us=at_us,
        position=position,
        lux=210.0,
        night=False,
        lamp=False,
        battery_percent=81.0,
        temperature_c=44.0,
    )
