"""The unit's clock of one boot, and the store's, which is right."""

from __future__ import annotations

from firmware_bridge.ports import ClockQuality
from hw_sim.deterministic.timeline import SECOND, Timeline

EPOCH_US = 1_788_220_800 * SECOND
"""2026-09-01 00:00 UTC: true wall time when a simulation begins."""

UNSET_US = 1_000_000 * SECOND
"""A wall clock nobody has set: January 1970."""

BOOT_US = 3 * SECOND
"""Kernel and services need so long from power on to the first line of the unit process."""


class TrueClock:
    """``ports.Clock`` without any error: the store's."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def boottime_us(self) -> int:
        return self._timeline.now_us

    def wall_us(self) -> int:
        return EPOCH_US + self._timeline.now_us

    def boot_id(self) -> str:
        return "57076e00-0000-4000-8000-000000000000"

    def quality(self) -> ClockQuality:
        return ClockQuality("ntp", True, 1.0)


class UnitClock:
    """``ports.Clock`` of one boot: boot-time is true and starts with the power, wall time is off by ``offset_us``."""

    def __init__(self, timeline: Timeline, boot_id: str, offset_us: int) -> None:
        self._timeline = timeline
        self._boot_id = boot_id
        self.began_us = timeline.now_us
        self.offset_us = offset_us

    @property
    def is_set(self) -> bool:
        return abs(self.offset_us) < 3600 * SECOND

    def boottime_us(self) -> int:
        return self._timeline.now_us - self.began_us

    def wall_us(self) -> int:
        return EPOCH_US + self._timeline.now_us + self.offset_us

    def boot_id(self) -> str:
        return self._boot_id

    def quality(self) -> ClockQuality:
        return ClockQuality("ntp", True, 20.0) if self.is_set else ClockQuality("none", False, None)
