"""Clocks for recordings made faster than real time."""

from __future__ import annotations

from firmware_bridge.ports import Clock, ClockQuality

START_US = 3_600_000_000
"""Media begin one hour after boot: nothing here may depend on how long this machine has been up."""


class ShiftedClock:
    """``clock`` ahead by ``ahead_us``: media of a whole shift lie in the past. Reading it costs what it really costs."""

    def __init__(self, clock: Clock, ahead_us: int) -> None:
        self._clock = clock
        self._ahead_us = ahead_us

    def boottime_us(self) -> int:
        return self._clock.boottime_us() + self._ahead_us

    def wall_us(self) -> int:
        return self._clock.wall_us()

    def boot_id(self) -> str:
        return self._clock.boot_id()

    def quality(self) -> ClockQuality:
        return self._clock.quality()


class SetClock:
    """Stands where it was set. ``now_us`` is boot-time; the wall clock runs beside it from ``wall_zero_us``."""

    def __init__(self, wall_zero_us: int, boot_id: str, now_us: int = START_US) -> None:
        self.now_us = now_us
        self.wall_zero_us = wall_zero_us
        self.id = boot_id

    def boottime_us(self) -> int:
        return self.now_us

    def wall_us(self) -> int:
        return self.wall_zero_us + self.now_us

    def boot_id(self) -> str:
        return self.id

    def quality(self) -> ClockQuality:
        return ClockQuality("gnss", True, 0.1)
