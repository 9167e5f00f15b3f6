"""How many slots: what the store takes over what one unit gives, both as measured. Pure.

A quarter more than the quotient is granted: units pause between segments, and only with somebody waiting does a rate that
could rise show itself. Where the store is the limit the surplus shares it; where the units are, the measured rate rises
with the slots until one of them is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SURPLUS: Final = 1.25
WINDOWS: Final = 20
BUSY: Final = 0.8
"""A window tells what the store can take only when most slots were in use."""


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """``start``: before anything is measured."""

    least: int = 4
    start: int = 64
    most: int = 1000


def slot_limits(start: int) -> SlotLimits:
    """The gauge may go down to what an administrator begins with: who asks for one slot gets one."""
    return SlotLimits(least=min(SlotLimits().least, start), start=start)


class SlotGauge:
    def __init__(self, limits: SlotLimits) -> None:
        self._limits = limits
        self._rates: deque[float] = deque(maxlen=WINDOWS)
        self._unit_rate = 0.0
        self.slots = limits.start

    @property
    def store_rate(self) -> float | None:
        """Bytes per second: the best of the last busy windows. None: none was busy yet."""
        return max(self._rates, default=None)

    @property
    def unit_rate(self) -> float:
        """Bytes per second a unit reaches that nobody hinders: the best yet of the ninth decile. The decile, because one
        unit on a cable is not what a slot is worth; the best yet, because under load every unit is hindered, and slots
        counted by hindered units would grow without end."""
        return self._unit_rate

    def window(self, seconds: float, received: Mapping[str, int], holders: float) -> int:
        """Bytes received of each unit within ``seconds``, and how many slots were held on average. The new number."""
        if seconds <= 0 or not received:
            return self.slots
        rates = sorted(count / seconds for count in received.values())
        self._unit_rate = max(self._unit_rate, rates[math.ceil(0.9 * len(rates)) - 1])
        if holders >= BUSY * self.slots:
            self._rates.append(sum(rates))
        best = self.store_rate
        if best is not None and self._unit_rate > 0:
            wanted = math.ceil(SURPLUS * best / self._unit_rate)
            # One window may be a fluke: at most twice or half as many at a time.
            wanted = min(max(wanted, math.floor(self.slots / 2)), self.slots * 2)
            self.slots = min(max(wanted, self._limits.least), self._limits.most)
        return self.slots
