"""One segment's samples → ``ftyp``+``moov`` and fragments. Holds memory and decides cuts; touches no file.

``ftyp``/``moov`` come from libavformat (``add_mux_stream``, which writes the real encoder's SPS/PPS into ``avcC``: traps T5
and T15), fragments from :mod:`recorder.capture.boxes`. Time stamps are rebased to the segment's first frame (T6); its
absolute place stands in the ``moov`` tags. One video frame and one audio packet are held back until the next one tells
their exact duration.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Final

import av
from av.audio.stream import AudioStream

from firmware_bridge.ports import EncodedFrame, SensorInfo
from recorder.capture.annexb import length_prefixed
from recorder.capture.boxes import VIDEO_TIMESCALE, free_box, moof, moof_size, telemetry_box, walk
from recorder.capture.cutting import CHUNK, Candidate, Cutter
from recorder.capture.packets import AudioPacket, Packet

_TELEMETRY_RESERVE: Final = 640
"""Bytes assumed for the telemetry box when a cut is judged; a larger one costs padding, never correctness."""


class _Sink:
    """libavformat's output. Without seek and tell it is treated as a stream."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def initialization(
    first: EncodedFrame, width: int, height: int, frame_rate: int, audio: AudioStream | None, tags: Mapping[str, str]
) -> bytes:
    """``ftyp`` + ``moov`` of a segment beginning with keyframe ``first``. ``audio``: the session encoder's stream, whose
    AudioSpecificConfig is copied. Raises av.FFmpegError or ValueError when the keyframe has no parameter sets."""
    sink = _Sink()
    options = {
        "movflags": "+empty_moov+default_base_moof+skip_trailer+use_metadata_tags",
        "video_track_timescale": str(VIDEO_TIMESCALE),
    }
    with av.open(sink, "w", format="mp4", options=options, buffer_size=1 << 20) as container:
        container.metadata.update(tags)
        video = container.add_mux_stream("h264", rate=frame_rate, width=width, height=height)
        if audio is not None:
            container.add_stream_from_template(audio)
        packet = av.Packet(first.data)
        packet.time_base = Fraction(1, 1_000_000)
        packet.pts = packet.dts = 0
        packet.duration = 1_000_000 // frame_rate
        packet.is_keyframe = True
        packet.stream = video
        container.mux_one(packet)
    head = b"".join(
        bytes(sink.data[b.offset : b.offset + b.size]) for b in walk(sink.data) if b.kind in (b"ftyp", b"moov")
    )
    if b"avcC" not in head:
        raise ValueError("keyframe without SPS/PPS: the encoder must repeat its headers")
    return head


def audio_template(rate: int, bitrate: int) -> AudioStream:
    """A stream with the session's AAC parameters, living in a container nobody reads."""
    container = av.open(io.BytesIO(), "w", format="mp4", options={"movflags": "empty_moov"})
    stream = container.add_stream("aac", rate=rate, layout="mono", options={"aac_coder": "fast"})
    stream.bit_rate = bitrate
    container.start_encoding()
    return stream


def padded(content: bytes) -> bytes:
    """``content`` and a ``free`` box up to a multiple of 64 KiB (entry 0)."""
    return content + free_box(-(len(content) + 8) % CHUNK + 8)


@dataclass(slots=True)
class _Video:
    frame: EncodedFrame
    duration_us: int
    pieces: list[bytes | memoryview]
    size: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """A cut fragment. ``plain(telemetry)`` gives the bytes of its entry."""

    media_start_us: int
    media_end_us: int
    frames: tuple[EncodedFrame, ...]
    audio: tuple[AudioPacket, ...]
    sensor: SensorInfo
    _head: bytes
    _pieces: list[bytes | memoryview]
    _size: int

    def plain(self, telemetry: bytes) -> bytes:
        """``moof``‖``mdat``‖``uuid``(telemetry)‖``free``: a whole number of 64 KiB."""
        uuid_box = telemetry_box(telemetry)
        padding = -(self._size + len(uuid_box) + 8) % CHUNK + 8
        return b"".join((self._head, *self._pieces, uuid_box, free_box(padding)))

    @property
    def payload(self) -> int:
        """Bytes of ``moof`` and ``mdat``."""
        return self._size


class SegmentMux:
    """``base_us``: time stamp of the segment's first frame; ``audio_rate``: None for a segment without sound."""

    def __init__(self, base_us: int, audio_rate: int | None) -> None:
        self._base_us = base_us
        self._audio_rate = audio_rate
        self._sequence = 0
        self._held: EncodedFrame | None = None
        self._video: list[_Video] = []
        self._video_size = 0
        self._held_audio: AudioPacket | None = None
        self._audio: list[tuple[AudioPacket, int]] = []
        self._audio_sizes: list[int] = []
        """Bytes of the first n packets of ``_audio``: asked for with every frame."""
        self._last_audio_us = base_us - 1
        self._cutter = Cutter()
        self._cut: Candidate | None = None

    def video(self, frame: EncodedFrame) -> None:
        """The next frame: completes the one before."""
        if self._held is not None:
            self._complete(self._held, frame.timestamp_us - self._held.timestamp_us)
        self._held = frame

    def audio(self, packet: AudioPacket) -> bool:
        """The next audio packet; False when it is older than the segment or than what it already has."""
        if self._audio_rate is None or packet.timestamp_us <= self._last_audio_us:
            return False
        self._last_audio_us = packet.timestamp_us
        if self._held_audio is not None:
            self._add_audio(self._held_audio, packet.timestamp_us)
        self._held_audio = packet
        return True

    def due(self) -> Fragment | None:
        """The fragment that is ready to be cut, if any. Call after every ``video``."""
        if self._cut is None:
            return None
        cut, self._cut = self._cut, None
        return self._take(cut.video, cut.audio)

    def flush(self, held_duration_us: int | None = None) -> Fragment | None:
        """Everything there is as one fragment, whatever the padding; with ``held_duration_us`` the held frame too."""
        if held_duration_us is not None and self._held is not None:
            self._complete(self._held, held_duration_us)
            self._held = None
        self._cut = None
        return self._take(len(self._video), len(self._audio)) if self._video or self._audio else None

    def finish(self, end_us: int | None, nominal_us: int) -> Fragment | None:
        """The last fragment: the held frame lasts until ``end_us`` (None: its nominal duration). All audio from before the
        end goes with it."""
        if self._held is not None:
            last = self._held.timestamp_us
            self._complete(self._held, end_us - last if end_us is not None and end_us > last else nominal_us)
            self._held = None
        if self._held_audio is not None:
            self._add_audio(self._held_audio, self._held_audio.timestamp_us + self._held_audio.duration_us)
            self._held_audio = None
        if end_us is not None:
            self._audio = [sound for sound in self._audio if sound[0].timestamp_us < end_us]
        elif self._video:
            self._audio = self._audio[: self._audio_before(self._video[-1])]
        self._cut = None
        return self._take(len(self._video), len(self._audio)) if self._video or self._audio else None

    def unwritten(self) -> list[Packet]:
        """What no fragment was cut from, held packets included."""
        packets: list[Packet] = [video.frame for video in self._video]
        packets += [packet for packet, _ in self._audio]
        packets += [held for held in (self._held, self._held_audio) if held is not None]
        return packets

    def _complete(self, frame: EncodedFrame, duration_us: int) -> None:
        pieces, size = length_prefixed(frame.data)
        video = _Video(frame, duration_us, pieces, size)
        self._video.append(video)
        self._video_size += size
        if self._cut is None:
            audio = self._audio_before(video)
            count = len(self._video)
            size = (
                moof_size(count, audio)
                + (8 + self._video_size + (self._audio_sizes[audio - 1] if audio else 0))
                + (_TELEMETRY_RESERVE + 8)
            )
            self._cut = self._cutter.offer(
                Candidate(count, audio, frame.timestamp_us + duration_us - self._video[0].frame.timestamp_us, size)
            )

    def _add_audio(self, packet: AudioPacket, until_us: int) -> None:
        self._audio.append((packet, until_us))
        self._audio_sizes.append((self._audio_sizes[-1] if self._audio_sizes else 0) + len(packet.data))

    def _audio_before(self, video: _Video) -> int:
        end_us = video.frame.timestamp_us + video.duration_us
        count = len(self._audio)
        while count and self._audio[count - 1][0].timestamp_us >= end_us:
            count -= 1
        return count

    def _take(self, video_count: int, audio_count: int) -> Fragment:
        video, self._video = self._video[:video_count], self._video[video_count:]
        audio, self._audio = self._audio[:audio_count], self._audio[audio_count:]
        self._audio_sizes = list(accumulate(len(packet.data) for packet, _ in self._audio))
        self._video_size = sum(sample.size for sample in self._video)
        self._cutter.restart()
        self._sequence += 1
        video_rows = []
        for sample in video:
            start = sample.frame.timestamp_us
            duration = self._ticks(start + sample.duration_us, VIDEO_TIMESCALE) - self._ticks(start, VIDEO_TIMESCALE)
            video_rows.append((duration, sample.size, sample.frame.keyframe))
        rate = self._audio_rate or 1
        audio_rows = [
            (self._ticks(until, rate) - self._ticks(packet.timestamp_us, rate), len(packet.data))
            for packet, until in audio
        ]
        mdat_size = 8 + sum(sample.size for sample in video) + sum(len(packet.data) for packet, _ in audio)
        head = moof(
            self._sequence,
            self._ticks(video[0].frame.timestamp_us, VIDEO_TIMESCALE) if video else 0,
            video_rows,
            self._ticks(audio[0][0].timestamp_us, rate) if audio else 0,
            audio_rows,
        )
        pieces: list[bytes | memoryview] = [mdat_size.to_bytes(4, "big") + b"mdat"]
        for sample in video:
            pieces += sample.pieces
        pieces += [packet.data for packet, _ in audio]
        last = video[-1] if video else None
        return Fragment(
            media_start_us=video[0].frame.timestamp_us if video else audio[0][0].timestamp_us,
            media_end_us=last.frame.timestamp_us + last.duration_us if last else audio[-1][1],
            frames=tuple(sample.frame for sample in video),
            audio=tuple(packet for packet, _ in audio),
            sensor=last.frame.sensor if last else SensorInfo(),
            _head=head,
            _pieces=pieces,
            _size=len(head) + mdat_size,
        )

    def _ticks(self, timestamp_us: int, timescale: int) -> int:
        return ((timestamp_us - self._base_us) * timescale + 500_000) // 1_000_000
