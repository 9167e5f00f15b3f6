"""The boots of a journal and what their wall clocks were worth, kept while the journal is written. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from recorder.evidence.carried import BootClock

KEPT = 32
"""Boots remembered: what is owed to the store is some days old, not some hundred starts."""

NOT_SET_BEFORE_S = 1_704_067_200.0
"""2024-01-01T00:00:00Z, as in ``session.clock_watch``: a wall clock earlier than this was never set."""


@dataclass(slots=True)
class _Boot:
    bootseed: str
    first_us: int
    last_us: int
    offset_us: int

    @property
    def is_set(self) -> bool:
        return self.offset_us + self.last_us >= NOT_SET_BEFORE_S * 1e6


class BootClockLog:
    def __init__(self, carried: Iterable[BootClock] = ()) -> None:
        self._boots = [_Boot(c.bootseed, c.first_us, c.last_us, c.offset_us) for c in carried]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BootClockLog) and self._boots == other._boots

    def note(self, bootseed: str, uptime_us: int, iat: float) -> None:
        """Take in the next record's time stamps."""
        offset = round(iat * 1e6) - uptime_us
        if not self._boots or self._boots[-1].bootseed != bootseed:
            self._boots = [*self._boots[-(KEPT - 1) :], _Boot(bootseed, uptime_us, uptime_us, offset)]
            return
        boot = self._boots[-1]
        boot.last_us = max(boot.last_us, uptime_us)
        if iat >= NOT_SET_BEFORE_S or not boot.is_set:
            boot.offset_us = offset

    def began_s(self) -> float:
        """Wall time of the first record known here, by the clocks as they were known later; infinitely early without one.
        Never later than the journal's first record as long as no boot is forgotten."""
        return min((boot.first_us + boot.offset_us for boot in self._boots), default=-math.inf) / 1e6

    def carried(self) -> tuple[BootClock, ...]:
        return tuple(
            BootClock(bootseed=b.bootseed, first_us=b.first_us, last_us=b.last_us, offset_us=b.offset_us)
            for b in self._boots
        )

    def copy(self) -> BootClockLog:
        other = BootClockLog()
        other._boots = [replace(boot) for boot in self._boots]
        return other
