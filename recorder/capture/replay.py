"""The capture path beside the encoder, on packets that are already encoded: for the bench, and for nothing else.

Everything between the encoders and the report is the worker's own code; only threads, socket and devices are left out.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from av.audio.stream import AudioStream

from firmware_bridge.ports import Clock, EncodedFrame
from recorder.capture.packet_log import PacketLog
from recorder.capture.packets import Packet
from recorder.capture.segment_writer import SealerFactory
from recorder.capture.session import Session
from recorder.capture.settings import Camera, Capture
from recorder.capture.stream import Report, SegmentTerms, StreamContext
from recorder.capture.telemetry import TelemetryBook
from recorder.channel.messages import Closed, EntryWritten, Opened, Start
from recorder.evidence.files import Files
from recorder.units import MB


@dataclass(frozen=True, slots=True)
class Replayed:
    """``payload``: bytes of all packets; ``stored``: bytes of all files, so ``stored / payload - 1`` is the whole overhead.
    ``longest_us``: media of the longest entry."""

    segments: int
    entries: int
    frames: int
    payload: int
    stored: int
    longest_us: int

    @property
    def overhead(self) -> float:
        return self.stored / self.payload - 1


def replay(
    packets: Iterable[Packet],
    directory: Path,
    *,
    clock: Clock,
    files: Files,
    camera: Camera,
    capture: Capture,
    audio: AudioStream | None = None,
    recipients: tuple[str, ...] = (),
    sealer: SealerFactory | None = None,
) -> Replayed:
    """Write ``packets`` (in order of arrival, beginning with a keyframe) as one session below ``directory``."""
    reports: list[Report] = []
    log = PacketLog(0, capture.buffer_mb * MB)
    context = StreamContext(
        clock=clock,
        files=files,
        segments_dir=directory,
        camera_id="cam0",
        camera=camera,
        reserve_bytes=0,
        telemetry=TelemetryBook(10_000_000),
        report=reports.append,
        new_id=lambda: str(uuid.uuid4()),
        terms=lambda: SegmentTerms(recipients, sealer(recipients) if sealer is not None else None, ()),
        tags=lambda session, segment, base_us: {
            "session_id": session,
            "segment_id": segment,
            "boottime_us": str(base_us),
        },
        dropped_frames=lambda: 0,
    )
    session: Session | None = None
    payload = frames = last_us = 0
    for packet in packets:
        log.push(packet)
        payload += len(packet.data)
        if isinstance(packet, EncodedFrame):
            frames += 1
            last_us = packet.timestamp_us
        if session is None:
            start = Start(camera_id="cam0", at_us=last_us, session_id=str(uuid.uuid4()), next_index=0, preroll=False)
            session = Session(context, log, capture, start, audio)
        session.step(0.0)
    if session is None:
        raise ValueError("no packets to replay")
    while log.state().bytes:
        session.step(0.0)
    session.finish_now()
    ends: dict[str, int] = {
        report.segment_id: report.media_start_us for report in reports if isinstance(report, Opened)
    }
    longest_us = 0
    for report in reports:
        if isinstance(report, EntryWritten):
            longest_us = max(longest_us, report.media_end_us - ends[report.segment_id])
            ends[report.segment_id] = report.media_end_us
    closed = [report for report in reports if isinstance(report, Closed)]
    return Replayed(
        len(closed),
        sum(each.entries for each in closed),
        frames,
        payload,
        sum(each.size for each in closed),
        longest_us,
    )
