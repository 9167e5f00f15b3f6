"""The guest's boot-time as the host sees it: both run at the same rate, so one offset says when a cut fell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_bridge.ports import Clock
from hw_sim.virtual_pi.machine import VirtualPi

READINGS: Final = 5


@dataclass(frozen=True, slots=True)
class GuestClock:
    """``error_us``: half the shortest round trip, plus the 10 ms that /proc/uptime rounds down."""

    offset_us: int
    error_us: int

    @classmethod
    def read(cls, pi: VirtualPi, clock: Clock) -> GuestClock:
        readings = []
        for _ in range(READINGS):
            before = clock.boottime_us()
            uptime_us = round(float(pi.sh("read -r up _ </proc/uptime; echo $up")) * 1e6)
            after = clock.boottime_us()
            readings.append((after - before, uptime_us + 5_000 - (before + after) // 2))
        trip_us, offset_us = min(readings)
        return cls(offset_us, trip_us // 2 + 5_000)

    def guest_us(self, host_us: int) -> int:
        return host_us + self.offset_us
