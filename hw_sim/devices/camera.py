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
from typing import Final

import numpy as np

from firmware_bridge.ports import Clock, DeviceError, VideoMode
from firmware_bridge.software_encoder import RawFrame
from hw_sim.devices.sensor_view import SensorView
from hw_sim.world_keys import Value

LOG = logging.getLogger(__name__)

BUFFERS: Final = 6
"""Frames the sensor can hold for a consumer that is late, as picamera2's ``buffer_count=6``; the next one is lost."""


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


class SimulatedSensor:
    """``software_encoder.FrameSource``. ``lookup`` reads the world; ``alive`` says whether there still is one."""

    def __init__(self, clock: Clock, lookup: Callable[[str], Value], alive: Callable[[], bool]) -> None:
        self._clock = clock
        self._lookup = lookup
        self._alive = alive
        self._pause = threading.Event()
        self._view: SensorView | None = None
        self._grid = FrameGrid(30)
        self._n = 0
        self._dropped = 0

    def open(self, mode: VideoMode) -> None:
        self._check()
        self._view = SensorView(mode.width, mode.height, self._clock.boottime_us(), self._lookup)
        half = (mode.height // 2, mode.width // 2)
        self._y = np.zeros((mode.height, mode.width), np.uint8)
        self._u, self._v = np.zeros(half, np.uint8), np.zeros(half, np.uint8)
        self._grid = FrameGrid(mode.frame_rate)
        self._dropped = 0
        self._n = self._grid.next_after(self._clock.boottime_us())

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
        if self._view is not None:
            self._view.close()
            self._view = None

    def dropped_frames(self) -> int:
        return self._dropped

    def _expose(self) -> RawFrame:
        if self._view is None:
            raise DeviceError("camera", "未打开 not open")
        n = self._n
        self._n += 1
        at_us = self._grid.at_us(n)
        info = self._view.draw(self._y, self._u, self._v, n, at_us)
        return RawFrame(self._y, self._u, self._v, at_us, info)

    def _check(self) -> None:
        if not self._alive():
            raise DeviceError("camera", "仿真世界断开 the simulated world is gone")
        failure = self._lookup("camera.failure")
        if failure == "off":
            raise DeviceError("camera", "摄像头不存在（仿真） no such camera (simulated)", errno.ENODEV)
        if failure == "error":
            raise DeviceError("camera", "驱动出错（仿真） the driver failed (simulated)", errno.EIO)
