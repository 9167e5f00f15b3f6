"""The simulated image sensor: raw frames on a fixed grid of boot-time, for ``SoftwareEncodedCamera`` to encode.

Frame ``n`` is exposed at ``n`` frame periods of boot-time and bears ``n`` in its pixels. So a decoded picture tells when it
was taken, without a word of the recorder's; frames lost on the way show as a hole in the numbers.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from firmware_bridge.ports import Clock, DeviceError, Plane, SensorInfo, VideoMode
from firmware_bridge.software_encoder import RawFrame
from hw_sim.devices.camera_file import VideoFile
from hw_sim.devices.counter import stamp
from hw_sim.devices.scene import Scene, blur
from hw_sim.world_keys import Value

LOG = logging.getLogger(__name__)

BUFFERS: Final = 6
"""Frames the sensor can hold for a consumer that is late, as picamera2's ``buffer_count=6``; the next one is lost."""
_FULL_EXPOSURE_US: Final = 33_000
_MAX_GAIN: Final = 16.0


class Painter(Protocol):
    def draw(self, y: Plane, u: Plane, v: Plane, at_us: int, *, lux: float, covered: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """Exposure times of a sensor at ``frame_rate`` frames a second. Integer arithmetic: it does not drift in a shift."""

    frame_rate: int

    def at_us(self, n: int) -> int:
        return n * 1_000_000 // self.frame_rate

    def next_after(self, now_us: int) -> int:
        """Number of the first frame exposed later than ``now_us``."""
        n = now_us * self.frame_rate // 1_000_000
        while self.at_us(n) <= now_us:
            n += 1
        return n

    def overdue(self, n: int, now_us: int) -> int:
        """How many frames from ``n`` on found no free buffer when their consumer asks for the next at ``now_us``."""
        newest = self.next_after(now_us) - 1
        return max(0, newest - n + 1 - BUFFERS)


def sensor_info(lux: float, covered: bool) -> SensorInfo:
    """Auto-exposure of the simulated sensor: longer first, then gain, as the light goes."""
    seen = 0.02 if covered else max(lux, 0.001)
    wanted_us = 2_000_000 / seen
    exposure_us = min(_FULL_EXPOSURE_US, max(100, wanted_us))
    gain = min(_MAX_GAIN, max(1.0, wanted_us / exposure_us))
    return SensorInfo(exposure_us=round(exposure_us), analogue_gain=round(gain, 3), lux=seen)


class SimulatedSensor:
    """``software_encoder.FrameSource``. ``lookup`` reads the world; ``alive`` says whether there still is one."""

    def __init__(self, clock: Clock, lookup: Callable[[str], Value], alive: Callable[[], bool]) -> None:
        self._clock = clock
        self._lookup = lookup
        self._alive = alive
        self._pause = threading.Event()
        self._painter: Painter | None = None
        self._file: VideoFile | None = None
        self._grid = FrameGrid(30)
        self._n = 0
        self._opened_us = 0
        self._dropped = 0

    def open(self, mode: VideoMode) -> None:
        self._check()
        path = str(self._lookup("camera.file"))
        if path:
            self._file = VideoFile(path, mode.width, mode.height, str(self._lookup("camera.at_end")))
            self._painter = self._file
        else:
            self._painter = Scene(mode.width, mode.height, int(self._lookup("seed")))
        half = (mode.height // 2, mode.width // 2)
        self._y = np.zeros((mode.height, mode.width), np.uint8)
        self._u, self._v = np.zeros(half, np.uint8), np.zeros(half, np.uint8)
        self._grid = FrameGrid(mode.frame_rate)
        self._dropped = 0
        self._opened_us = self._clock.boottime_us()
        self._n = self._grid.next_after(self._opened_us)

    def next_frame(self, timeout_s: float) -> RawFrame | None:
        if self._lookup("worker.failure") == "stuck":
            LOG.warning("仿真：驱动卡死 simulated: the driver hangs now, for ever")
            threading.Event().wait()
        self._check()
        if self._lookup("camera.failure") == "stuck":
            self._pause.wait(timeout_s)
            return None
        now_us = self._clock.boottime_us()
        lost = self._grid.overdue(self._n, now_us)
        self._dropped += lost
        self._n += lost
        wait_s = (self._grid.at_us(self._n) - now_us) / 1e6
        if wait_s > timeout_s:
            self._pause.wait(timeout_s)
            return None
        if wait_s > 0:
            self._pause.wait(wait_s)
        return self._expose()

    def close(self) -> None:
        self._painter = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def dropped_frames(self) -> int:
        return self._dropped

    def _expose(self) -> RawFrame:
        if self._painter is None:
            raise DeviceError("camera", "未打开 not open")
        n = self._n
        self._n += 1
        at_us = self._grid.at_us(n)
        lux, look = float(self._lookup("lux")), self._lookup("camera.mode")
        covered = look == "covered"
        content_us = at_us if self._file is None else at_us - self._opened_us
        self._painter.draw(self._y, self._u, self._v, content_us, lux=lux, covered=covered)
        if look == "blurred":
            blur(self._y)
        code = str(self._lookup("camera.qr"))
        if code:
            # Only here: a worker without a card must be as small as a real one.
            from hw_sim.devices.code_card import hold_up

            hold_up(self._y, code)
        if self._lookup("camera.counter"):
            stamp(self._y, n, at_us)
        return RawFrame(self._y, self._u, self._v, at_us, sensor_info(lux, covered))

    def _check(self) -> None:
        if not self._alive():
            raise DeviceError("camera", "仿真世界断开 the simulated world is gone")
        failure = self._lookup("camera.failure")
        if failure == "off":
            raise DeviceError("camera", "摄像头不存在（仿真） no such camera (simulated)", errno.ENODEV)
        if failure == "error":
            raise DeviceError("camera", "驱动出错（仿真） the driver failed (simulated)", errno.EIO)
