"""Which positions are believed: pure. An 8-bit checksum lets a broken sentence pass now and then (about one in 256), so a
position also has to be reachable from the one before, and its time has to move on."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

from firmware_bridge.ports import GnssFix
from firmware_bridge.raspberry_pi.nmea import DAY_US, Reading

EARTH_RADIUS_M: Final = 6_371_008.8  # IUGG mean radius
NOISE_M: Final = 30.0
"""Position noise granted on top of ``max_speed_mps``: a unit at rest between buildings wanders by that much."""
AGREE: Final = 3
"""That many new positions in a row that agree with each other move the anchor: after a tunnel or a start-up error it is the
anchor that was wrong."""
LATE_US: Final = 1_500_000
"""A fix whose own time lags by more than this came out of a buffer: it is dated back to when it was true."""


def distance_m(latitude1: float, longitude1: float, latitude2: float, longitude2: float) -> float:
    """Great-circle distance (haversine) in metres; arguments in degrees."""
    phi1, phi2 = math.radians(latitude1), math.radians(latitude2)
    half_dphi = (phi2 - phi1) / 2
    half_dlambda = math.radians(longitude2 - longitude1) / 2
    a = math.sin(half_dphi) ** 2 + math.cos(phi1) * math.cos(phi2) * math.sin(half_dlambda) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, a)))


class Plausibility:
    """Refuses jumps faster than ``max_speed_mps`` and reported speeds above it."""

    def __init__(self, max_speed_mps: float) -> None:
        self._max_speed_mps = max_speed_mps
        self._anchor: GnssFix | None = None
        self._candidates: list[GnssFix] = []

    def believes(self, fix: GnssFix) -> bool:
        if fix.speed_mps is not None and fix.speed_mps > self._max_speed_mps:
            return False
        if self._anchor is None or self._reachable(self._anchor, fix):
            self._anchor, self._candidates = fix, []
            return True
        if self._candidates and not self._reachable(self._candidates[-1], fix):
            self._candidates = []
        self._candidates.append(fix)
        if len(self._candidates) < AGREE:
            return False
        self._anchor, self._candidates = fix, []
        return True

    def _reachable(self, start: GnssFix, end: GnssFix) -> bool:
        seconds = max(0.0, (end.received_us - start.received_us) / 1e6)
        metres = distance_m(start.latitude, start.longitude, end.latitude, end.longitude)
        return metres <= self._max_speed_mps * seconds + NOISE_M


class Freshness:
    """Dates fixes by when they were true rather than by when they were read.

    A receiver's bytes can wait in a tty buffer while the program does not run, and would then all look new. The delay
    between a fix's own time and its arrival is nearly constant; the smallest one seen is the yardstick. When ``AGREE``
    fixes in a row, arriving at their natural pace, say otherwise, the receiver's time was set: the yardstick is taken anew.
    """

    def __init__(self) -> None:
        self._least_us: int | None = None
        self._late: list[tuple[int, int]] = []

    def dated(self, reading: Reading) -> GnssFix:
        fix = reading.fix
        delay_us = (fix.received_us - reading.time_of_day_us) % DAY_US
        if self._least_us is None:
            self._least_us = delay_us
            return fix
        lag_us = (delay_us - self._least_us + DAY_US // 2) % DAY_US - DAY_US // 2
        if lag_us <= LATE_US:
            if lag_us < 0:
                self._least_us = delay_us
            self._late = []
            return fix
        self._late.append((fix.received_us, delay_us))
        if self._is_new_normal():
            self._least_us, self._late = delay_us, []
            return fix
        return dataclasses.replace(fix, received_us=max(0, fix.received_us - lag_us))

    def _is_new_normal(self) -> bool:
        recent = self._late[-AGREE:]
        delays = [delay for _, delay in recent]
        return len(recent) == AGREE and max(delays) - min(delays) <= LATE_US // 3
