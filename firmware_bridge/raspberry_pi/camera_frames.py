"""Bookkeeping of one run of a camera: which frames there were, when, and which got lost. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

from firmware_bridge.ports import SensorInfo

_FRESH_US: Final = 2_000_000
"""A frame is younger than this when it reaches us: a handful of buffers, and a busy machine."""
_PENDING_MAX: Final = 256


class TimeBase:
    """Sensor time to boot-time.

    libcamera documents SensorTimestamp as CLOCK_BOOTTIME and hands through what the receiver's driver stamped, which on
    Raspberry Pi is ``ktime_get`` (bcm2835-unicam.c): CLOCK_MONOTONIC, the same until the machine has slept once. So the
    first frame is looked at: if its time cannot be boot-time, all of them are shifted to its arrival.
    """

    def __init__(self) -> None:
        self.shift_us: int | None = None

    def boottime_us(self, sensor_us: int, now_us: int) -> int:
        if self.shift_us is None:
            age_us = now_us - sensor_us
            self.shift_us = 0 if 0 <= age_us <= _FRESH_US else age_us
        return sensor_us + self.shift_us


class FrameBook:
    """``seen`` for every frame before the encoder, ``encoded`` for every one behind it, each in order of time.

    ``lost`` counts frames the sensor took that never came out: holes in the sensor's time stamps (libcamera had no free
    buffer), pictures the encoder swallowed, time stamps that did not advance. Holes are told by time because the sequence
    numbers of the encoder's input are the image processor's on a Raspberry Pi, and those have none.
    """

    def __init__(self, frame_us: int) -> None:
        self._frame_us = frame_us
        self._base = TimeBase()
        self._last_seen_us: int | None = None
        self._last_encoded_us = -1
        self._pending: deque[tuple[int, int, SensorInfo]] = deque()
        self.lost = 0

    @property
    def shift_us(self) -> int:
        """What is added to the sensor's time; 0 where that is boot-time."""
        return self._base.shift_us or 0

    def seen(self, sensor_us: int, now_us: int, duration_us: int | None, info: SensorInfo) -> int:
        """A frame on its way to the encoder; ``duration_us``: how long frames last just now. Returns its boot-time."""
        if self._last_seen_us is not None:
            periods = round((sensor_us - self._last_seen_us) / (duration_us or self._frame_us))
            self.lost += max(0, periods - 1)
        self._last_seen_us = sensor_us
        at_us = self._base.boottime_us(sensor_us, now_us)
        if len(self._pending) >= _PENDING_MAX:
            self._pending.popleft()
            self.lost += 1
        self._pending.append((sensor_us, at_us, info))
        return at_us

    def encoded(self, sensor_us: int, now_us: int) -> tuple[int, SensorInfo] | None:
        """Boot-time and sensor's word of a frame out of the encoder, or None for one that must not be passed on."""
        at_us, info = self._base.boottime_us(sensor_us, now_us), SensorInfo()
        while self._pending and self._pending[0][0] <= sensor_us:
            key, pending_us, pending_info = self._pending.popleft()
            if key == sensor_us:
                at_us, info = pending_us, pending_info
            else:
                self.lost += 1
        if at_us <= self._last_encoded_us:
            self.lost += 1
            return None
        self._last_encoded_us = at_us
        return at_us, info
