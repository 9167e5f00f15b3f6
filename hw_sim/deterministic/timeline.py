"""Simulated time: what is to happen, in order. Two things due at once happen in the order in which they were planned."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

SECOND = 1_000_000


@dataclass(slots=True)
class Life:
    """Whoever plans something for later (a process, a boot). What a dead one planned does not happen."""

    alive: bool = True


@dataclass(order=True, slots=True)
class _Due:
    at_us: int
    number: int
    act: Callable[[], None] = field(compare=False)
    life: Life | None = field(compare=False)


class Timeline:
    """``now_us``: true time since the beginning of the simulation. Actions may raise: the timeline stays usable."""

    def __init__(self) -> None:
        self.now_us = 0
        self._due: list[_Due] = []
        self._number = 0

    def at(self, at_us: int, act: Callable[[], None], life: Life | None = None) -> None:
        """Plan ``act``; a moment that is past is now."""
        self._number += 1
        heapq.heappush(self._due, _Due(max(at_us, self.now_us), self._number, act, life))

    def after(self, delay_us: int, act: Callable[[], None], life: Life | None = None) -> None:
        self.at(self.now_us + delay_us, act, life)

    def run_until(self, end_us: int) -> None:
        """Let everything due up to ``end_us`` happen; then it is ``end_us``."""
        while self._due and self._due[0].at_us <= end_us:
            due = heapq.heappop(self._due)
            self.now_us = due.at_us
            if due.life is None or due.life.alive:
                due.act()
        self.now_us = max(self.now_us, end_us)
