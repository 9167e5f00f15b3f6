"""A machine-readable mark in the luma of every simulated frame: a 24-bit counter with a CRC-8, and a once-a-second flash.

32 blocks of 16 x 16 pixels in one row, at x 64, y 16 of frames at least 592 pixels wide; smaller frames get smaller
blocks, see :func:`layout`. The most significant bit comes first; white is one. A decoded frame names itself by it,
whatever the recorder's own records claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import av
import numpy as np

from firmware_bridge.ports import Plane

BITS: Final = 32
BLACK: Final = 16
GREY: Final = 126
WHITE: Final = 235
FLASH_US: Final = 100_000
"""The flash square is white while boot-time modulo one second is below this; the synthetic microphone beeps then."""
_MIN_CONTRAST: Final = 40.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Pixels: ``block`` edge length, ``x``/``y`` of the first block, ``quiet`` grey border, ``flash_y`` of the square."""

    block: int
    x: int
    y: int
    quiet: int
    flash_y: int


@lru_cache(maxsize=16)
def layout(width: int) -> Layout:
    """Where the mark stands in a frame ``width`` pixels wide (at least 160)."""
    if width >= 64 + BITS * 16 + 16:
        return Layout(block=16, x=64, y=16, quiet=4, flash_y=48)
    block = max(4, (width - 32) // BITS)
    return Layout(block=block, x=(width - BITS * block) // 2, y=block, quiet=2, flash_y=3 * block)


def crc8(data: bytes) -> int:
    """CRC-8/I-432-1 (ITU-T I.432.1): polynomial 0x07, start 0, result XOR 0x55, so that counter 0 is not all black."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
    return crc ^ 0x55


def encode(counter: int) -> int:
    """The 32 bits of a counter (taken modulo 2**24)."""
    low = counter & 0xFFFFFF
    return low << 8 | crc8(low.to_bytes(3, "big"))


def stamp(y: Plane, counter: int, at_us: int) -> None:
    """Paint the mark of one frame, exposed at boot-time ``at_us``, into its luma plane."""
    place = layout(y.shape[1])
    word = np.frombuffer(encode(counter).to_bytes(4, "big"), np.uint8)
    row = np.repeat(np.where(np.unpackbits(word), np.uint8(WHITE), np.uint8(BLACK)), place.block)
    end_x, end_y = place.x + row.size, place.y + place.block
    y[place.y - place.quiet : end_y + place.quiet, place.x - place.quiet : end_x + place.quiet] = GREY
    y[place.y : end_y, place.x : end_x] = row
    side = 2 * place.block
    y[place.flash_y : place.flash_y + side, place.x : place.x + side] = WHITE if at_us % 1_000_000 < FLASH_US else BLACK


def read_counter(y: Plane) -> int | None:
    """The counter in a decoded luma plane (height x width), or None where none stands or its CRC does not agree."""
    if y.ndim != 2 or y.shape[1] < 160:
        return None
    place = layout(y.shape[1])
    rim = max(1, place.block // 4)
    strip = y[place.y + rim : place.y + place.block - rim, place.x : place.x + BITS * place.block]
    if strip.shape[0] == 0:
        return None
    blocks = strip.reshape(strip.shape[0], BITS, place.block)[:, :, rim : place.block - rim]
    means = blocks.mean(axis=(0, 2), dtype=np.float32)
    low, high = float(means.min()), float(means.max())
    if high - low < _MIN_CONTRAST:
        return None
    word = int.from_bytes(np.packbits(means > (low + high) / 2).tobytes(), "big")
    return word >> 8 if encode(word >> 8) == word else None


def read_flash(y: Plane) -> bool:
    """Whether the flash square is lit."""
    place = layout(y.shape[1])
    side = 2 * place.block
    return float(y[place.flash_y : place.flash_y + side, place.x : place.x + side].mean()) > (WHITE + BLACK) / 2


def plane_of(frame: av.VideoFrame, index: int) -> Plane:
    """A view of one plane of an 8-bit planar frame, without the padding at the end of its lines."""
    plane = frame.planes[index]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


@dataclass(frozen=True, slots=True)
class MarkedFrame:
    """One frame of a file: ``at_us`` is its time stamp in the file, in microseconds."""

    counter: int | None
    flash: bool
    at_us: int
    keyframe: bool


def read_file(path: Path) -> list[MarkedFrame]:
    """Decode all video frames of a file and read their marks. Raises av.FFmpegError for a file that cannot be opened."""
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            luma = plane_of(frame, 0)
            at_us = (
                0 if frame.pts is None or frame.time_base is None else round(frame.pts * frame.time_base * 1_000_000)
            )
            frames.append(MarkedFrame(read_counter(luma), read_flash(luma), at_us, bool(frame.key_frame)))
    return frames
