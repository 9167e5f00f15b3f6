"""ISO/IEC 14496-12 boxes: the few that are written here, and a walk over the top level of any file.

Fragments are built here rather than by libavformat because their *end* has to be chosen: sealed files grow in whole 64 KiB
chunks, and only who knows the size of every sample can end a fragment where the padding is small. It also removes three
traps by construction: no interleaving delay that withholds video when the sound stops (T8), no muxer assertion that
aborts the process (T10), no held-back fragment inside a library at the moment the power goes.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

TELEMETRY_UUID: Final = uuid.UUID("6d2c7bb1-0f8e-5a53-9c8d-7a66792d7463")
"""User type of the telemetry ``uuid`` box; its payload is UTF-8 JSON (``telemetry.py``)."""

FREE_LAST: Final = b"\x00\x00\x00\x08free"
"""Plaintext of a file's last entry: age forbids an empty final chunk."""

VIDEO_TRACK: Final = 1
AUDIO_TRACK: Final = 2
VIDEO_TIMESCALE: Final = 90_000

_SYNC_SAMPLE: Final = 0x02000000  # depends on no other
_DELTA_SAMPLE: Final = 0x01010000  # depends on others, is not a sync sample
_DEFAULT_BASE_IS_MOOF: Final = 0x020000

VideoSample: TypeAlias = tuple[int, int, bool]
"""``(duration in ticks of 1/90000 s, size in bytes, sync)``"""
AudioSample: TypeAlias = tuple[int, int]
"""``(duration in ticks of the sample rate, size in bytes)``"""


class BoxError(Exception):
    """Bytes that are no sequence of boxes."""


@dataclass(frozen=True, slots=True)
class Box:
    kind: bytes
    offset: int
    header: int
    size: int


def box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def telemetry_box(payload: bytes) -> bytes:
    return box(b"uuid", TELEMETRY_UUID.bytes, payload)


def free_box(size: int) -> bytes:
    """A ``free`` box of exactly ``size`` bytes (>= 8), zeros inside."""
    if size < 8:
        raise BoxError(f"a box has at least 8 bytes, not {size}")
    return struct.pack(">I4s", size, b"free") + bytes(size - 8)


def walk(data: bytes | bytearray | memoryview) -> Iterator[Box]:
    """Top-level boxes of ``data``. Raises BoxError at the first that is malformed or cut short."""
    offset = 0
    while offset < len(data):
        if len(data) - offset < 8:
            raise BoxError(f"box header cut short at {offset}")
        size, kind = struct.unpack_from(">I4s", data, offset)
        header = 8
        if size == 1:
            if len(data) - offset < 16:
                raise BoxError(f"box header cut short at {offset}")
            (size,) = struct.unpack_from(">Q", data, offset + 8)
            header = 16
        if size < header or offset + size > len(data):
            raise BoxError(f"box {kind!r} at {offset} claims {size} bytes of {len(data) - offset}")
        yield Box(kind, offset, header, size)
        offset += size


def moof_size(video: int, audio: int) -> int:
    """Size of ``moof`` with so many samples; either may be 0 (its ``traf`` is then left out)."""
    size = 8 + 16
    if video:
        size += 8 + 16 + 20 + 20 + 12 * video
    if audio:
        size += 8 + 20 + 20 + 20 + 8 * audio
    return size


def moof(
    sequence: int, video_time: int, video: Sequence[VideoSample], audio_time: int, audio: Sequence[AudioSample]
) -> bytes:
    """Movie fragment for one ``mdat`` that follows at once: all video samples, then all audio samples.

    ``*_time``: decode time of the first sample in its track's ticks.
    """
    size = moof_size(len(video), len(audio))
    data_offset = size + 8
    trafs = b""
    if video:
        rows = b"".join(
            struct.pack(">III", duration, length, _SYNC_SAMPLE if sync else _DELTA_SAMPLE)
            for duration, length, sync in video
        )
        trafs += box(
            b"traf",
            box(b"tfhd", struct.pack(">II", _DEFAULT_BASE_IS_MOOF, VIDEO_TRACK)),
            box(b"tfdt", struct.pack(">IQ", 1 << 24, video_time)),
            box(b"trun", struct.pack(">III", 0x000701, len(video), data_offset), rows),
        )
        data_offset += sum(length for _, length, _ in video)
    if audio:
        rows = b"".join(struct.pack(">II", duration, length) for duration, length in audio)
        trafs += box(
            b"traf",
            box(b"tfhd", struct.pack(">III", _DEFAULT_BASE_IS_MOOF | 0x20, AUDIO_TRACK, _SYNC_SAMPLE)),
            box(b"tfdt", struct.pack(">IQ", 1 << 24, audio_time)),
            box(b"trun", struct.pack(">III", 0x000301, len(audio), data_offset), rows),
        )
    result = box(b"moof", box(b"mfhd", struct.pack(">II", 0, sequence)), trafs)
    assert len(result) == size
    return result
