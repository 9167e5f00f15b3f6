"""The simulated unit's clock: the host's, shifted by what the world says of this boot and of the wall clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast, get_args

from firmware_bridge.ports import Clock, ClockQuality, ClockSource
from hw_sim.world_keys import Value

Lookup = Callable[[str], Value]


class SimClock:
    """``ports.Clock`` of one simulated boot.

    Boot id and offset are fixed when the clock is made: a process lives in one boot, and CLOCK_BOOTTIME never steps. The
    wall clock and its quality follow the world at every reading, because those do step.
    """

    def __init__(self, host: Clock, boot_id: str, boot_offset_us: int, lookup: Lookup) -> None:
        self._host = host
        self._boot_id = boot_id
        self._boot_offset_us = boot_offset_us
        self._lookup = lookup

    def boottime_us(self) -> int:
        return self._host.boottime_us() - self._boot_offset_us

    def wall_us(self) -> int:
        return wall_of(self._host, self._lookup)

    def boot_id(self) -> str:
        return self._boot_id

    def quality(self) -> ClockQuality:
        return quality_of(self._lookup)


class WorldClock:
    """``ports.Clock`` as the world itself sees it: follows from boot to boot."""

    def __init__(self, host: Clock, lookup: Lookup) -> None:
        self._host = host
        self._lookup = lookup

    def boottime_us(self) -> int:
        return self._host.boottime_us() - int(self._lookup("boot_offset_us"))

    def wall_us(self) -> int:
        return wall_of(self._host, self._lookup)

    def boot_id(self) -> str:
        return str(self._lookup("boot_id"))

    def quality(self) -> ClockQuality:
        return quality_of(self._lookup)


def wall_of(host: Clock, lookup: Lookup) -> int:
    """The unit's wall clock: the host's, stepped by ``wall_offset_us`` and running ``wall_drift_ppm`` too fast."""
    return host.wall_us() + int(lookup("wall_offset_us")) + drifted_us(lookup, host.boottime_us())


def drifted_us(lookup: Lookup, host_us: int) -> int:
    """What the wall clock has gained since ``wall_drift_from_us`` (the host's boot-time)."""
    return round(float(lookup("wall_drift_ppm")) * (host_us - int(lookup("wall_drift_from_us"))) / 1e6)


def quality_of(lookup: Lookup) -> ClockQuality:
    """The world's word on the wall clock; nobody vouches for ``none``, and nobody knows how far off ``rtc`` is."""
    source = lookup("clock_source")
    if source == "rtc":
        return ClockQuality(source="rtc", synchronized=False, max_error_ms=None)
    if source not in get_args(ClockSource) or source == "none":
        return ClockQuality(source="none", synchronized=False, max_error_ms=None)
    return ClockQuality(cast(ClockSource, source), synchronized=True, max_error_ms=float(lookup("clock_error_ms")))
