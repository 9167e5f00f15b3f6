"""A board whose camera is an encoder already: encoded packets from a file, in real time. For the worker's memory without an
encoder's, which on a unit is hardware or belongs to the camera's driver.

Options: ``packets`` a packet file; ``press_s`` when the record button is pressed by itself.
"""

from __future__ import annotations

import random
import threading
from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np

from firmware_bridge.board import CaptureDevices, UnitDevices
from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import (
    AudioBlock,
    BoardIdentity,
    BoardOptions,
    Clock,
    DeviceError,
    EncodedFrame,
    FramePainter,
    SensorInfo,
    VideoMode,
)
from tools.bench.packet_file import read

PRESS_S = 0.1
NOISE_SAMPLES = 50_021
"""A second, and a prime: no two blocks are the same for a long time."""


class PacketCamera:
    """``ports.Camera``: the file over and over, each frame at its time."""

    def __init__(self, packets: Path, clock: Clock) -> None:
        self._packets = packets
        self._clock = clock
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, mode: VideoMode, paint: FramePainter | None, deliver: Callable[[EncodedFrame], None]) -> None:
        self._thread = threading.Thread(target=self._play, args=(deliver,), name="camera", daemon=True)
        self._thread.start()

    def _play(self, deliver: Callable[[EncodedFrame], None]) -> None:
        begin_us = self._clock.boottime_us()
        while True:
            at_us = 0
            for packet in read(self._packets):
                if not packet.video:
                    continue
                at_us = begin_us + packet.at_us
                if self._ended.wait(max(0.0, (at_us - self._clock.boottime_us()) / 1e6)):
                    return
                deliver(EncodedFrame(packet.data, packet.keyframe, at_us, SensorInfo()))
            begin_us = at_us + 33_333

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(2)

    def dropped_frames(self) -> int:
        return 0

    def failure(self) -> DeviceError | None:
        return None


class NoiseMicrophone:
    """``ports.Microphone``: quiet noise, a block at its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # No numpy.random: 3 MB of the worker's memory that are no recorder's.
        chance = random.Random(1)
        noise = array("h", [chance.randint(-300, 300) for _ in range(NOISE_SAMPLES)])
        self._noise = np.frombuffer(noise, np.int16)
        self._at = 0
        self._rate = self._block = 0
        self._next_us = 0
        self._pause = threading.Event()

    def open(self, rate: int, block: int) -> None:
        self._rate, self._block = rate, block
        self._next_us = self._clock.boottime_us()

    def read(self, timeout_s: float) -> AudioBlock | None:
        self._next_us += self._block * 1_000_000 // self._rate
        self._pause.wait(max(0.0, (self._next_us - self._clock.boottime_us()) / 1e6))
        self._at = (self._at + self._block) % (NOISE_SAMPLES - self._block)
        samples = self._noise[self._at : self._at + self._block]
        return AudioBlock(samples, self._clock.boottime_us(), False)

    def close(self) -> None:
        """Nothing was opened."""


class PressedOnce:
    """``ports.Button`` that presses itself."""

    def __init__(self, after_s: float, clock: Clock) -> None:
        self._after_s = after_s
        self._clock = clock
        self._closed = threading.Event()

    def start(self, deliver: Callable[[bool, int], None]) -> None:
        threading.Thread(target=self._press, args=(deliver,), name="button", daemon=True).start()

    def _press(self, deliver: Callable[[bool, int], None]) -> None:
        if self._closed.wait(self._after_s):
            return
        deliver(True, self._clock.boottime_us())
        self._closed.wait(PRESS_S)
        deliver(False, self._clock.boottime_us())

    def close(self) -> None:
        self._closed.set()


def unit_board(options: BoardOptions) -> UnitDevices:
    clock = SystemClock()
    button = PressedOnce(float(options["press_s"]), clock)
    return UnitDevices(clock=clock, identity=BoardIdentity("urn:bench", "bench", "1"), buttons={"record": button})


def capture_board(options: BoardOptions, _camera_id: str) -> CaptureDevices:
    clock = SystemClock()
    return CaptureDevices(
        clock=clock, camera=PacketCamera(Path(options["packets"]), clock), microphone=NoiseMicrophone(clock)
    )
