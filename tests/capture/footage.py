"""Synthetic footage whose every frame can be told from its picture: a counter with a checksum in the luma plane."""

from __future__ import annotations

import random
import threading
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

import av
import numpy as np

from firmware_bridge.ports import EncodedFrame, Plane, SensorInfo, VideoMode
from firmware_bridge.software_encoder import RawFrame, SoftwareEncodedCamera
from tests.capture.doubles import ManualClock

BITS: Final = 32
BLOCK: Final = 8
LEFT, TOP = 32, 16
SMALL = VideoMode(width=320, height=180, frame_rate=30, bitrate=600_000, gop=30)
FLASH_EVERY: Final = 60
START_US: Final = 5_000_000


def _code(number: int) -> int:
    value = number.to_bytes(3, "big")
    return number << 8 | zlib.crc32(value) & 0xFF


def write_counter(luma: Plane, number: int) -> None:
    luma[TOP - 4 : TOP + BLOCK + 4, LEFT - 4 : LEFT + BITS * BLOCK + 4] = 128
    for bit in range(BITS):
        left = LEFT + bit * BLOCK
        luma[TOP : TOP + BLOCK, left : left + BLOCK] = 235 if _code(number) >> (BITS - 1 - bit) & 1 else 16


def read_counter(luma: Plane) -> int | None:
    """The frame's number, or None when the picture does not carry a valid one."""
    area = luma[TOP + 2 : TOP + BLOCK - 2, LEFT : LEFT + BITS * BLOCK].astype(np.float32)
    means = area.reshape(BLOCK - 4, BITS, BLOCK)[:, :, 2:-2].mean(axis=(0, 2))
    value = int("".join("1" if mean > 125 else "0" for mean in means), 2)
    return value >> 8 if _code(value >> 8) == value else None


class CounterSource:
    """``count`` frames at once, with time stamps ``START_US`` + n/rate ± ``jitter_us``; then nothing."""

    def __init__(self, count: int, jitter_us: int = 300, flash: bool = False, seed: int = 1) -> None:
        self._count = count
        self._jitter_us = jitter_us
        self._flash = flash
        self._random = random.Random(seed)
        self._next = 0
        self.finished = threading.Event()
        self.closed = threading.Event()

    def open(self, mode: VideoMode) -> None:
        self._mode = mode
        noise = np.random.default_rng(7).integers(90, 150, (mode.height + 64, mode.width + 64), dtype=np.uint8)
        self._texture = np.repeat(np.repeat(noise[::8, ::8], 8, 0), 8, 1)[: mode.height + 64, : mode.width + 64]
        self._y = np.empty((mode.height, mode.width), np.uint8)
        self._c = np.full((mode.height // 2, mode.width // 2), 128, np.uint8)

    def next_frame(self, timeout_s: float) -> RawFrame | None:
        number = self._next
        if number >= self._count:
            self.finished.set()
            self.closed.wait(timeout_s)
            return None
        self._next += 1
        mode = self._mode
        x, y = number % 61, number % 53
        self._y[:] = self._texture[y : y + mode.height, x : x + mode.width]
        if self._flash and number % FLASH_EVERY < 2:
            self._y[mode.height // 2 :] = 235
        write_counter(self._y, number)
        jitter = self._random.randint(-self._jitter_us, self._jitter_us) if self._jitter_us else 0
        timestamp_us = START_US + number * 1_000_000 // mode.frame_rate + jitter
        return RawFrame(self._y, self._c, self._c, timestamp_us, SensorInfo(10_000, 2.0, 120.0))

    def close(self) -> None:
        self.closed.set()

    def dropped_frames(self) -> int:
        return 0


def encode(source: CounterSource, mode: VideoMode = SMALL) -> list[EncodedFrame]:
    frames: list[EncodedFrame] = []
    camera = SoftwareEncodedCamera(source, ManualClock())
    camera.start(mode, None, frames.append)
    assert source.finished.wait(240)
    camera.stop()
    assert camera.failure() is None
    return frames


@lru_cache(maxsize=4)
def film(count: int, flash: bool = False, mode: VideoMode = SMALL) -> tuple[EncodedFrame, ...]:
    """``count`` encoded frames; their number in the picture is their index."""
    return tuple(encode(CounterSource(count, flash=flash), mode))


@dataclass(frozen=True, slots=True)
class Picture:
    number: int | None
    time_us: int
    bright: bool
    key: bool


def pictures(path: Path) -> list[Picture]:
    """Decode every frame of a file."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            data = np.frombuffer(cast("memoryview[int]", plane), np.uint8).reshape(plane.height, plane.line_size)
            luma = data[:, : plane.width]
            assert frame.pts is not None and frame.time_base is not None
            bright = bool(luma[luma.shape[0] * 3 // 4].mean() > 200)
            time_us = round(frame.pts * frame.time_base * 1_000_000)
            found.append(Picture(read_counter(luma), time_us, bright, bool(frame.key_frame)))
    return found


def sound(path: Path, rate: int) -> tuple[list[int], np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Decode the audio of a file: time in µs of each sample block's start, and the samples, block by block."""
    starts: list[int] = []
    blocks = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            assert frame.pts is not None and frame.time_base is not None
            starts.append(round(frame.pts * frame.time_base * 1_000_000))
            blocks.append(frame.to_ndarray()[0].astype(np.float32))
    return starts, np.array(blocks, dtype=np.float32)
