"""Simulated time: what is to happen, in order. Two things due at once happen in the order in which they were planned."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

SECOND = 1_000_000


@dataclass(slots=True)
class Life:
    """Whoever plans something for later (a process, a boot). What a dead one planned does not happen."""

    alive: bool = True


class Timeline:
    """``now_us``: true time since the beginning of the simulation. Actions may raise: the timeline stays usable."""

    def __init__(self) -> None:
        self.now_us = 0
        self._due: list[tuple[int, int, Callable[[], None], Life | None]] = []
        self._number = 0

    def at(self, at_us: int, act: Callable[[], None], life: Life | None = None) -> None:
        """Plan ``act``; a moment that is past is now."""
        self._number += 1
        heapq.heappush(self._due, (max(at_us, self.now_us), self._number, act, life))

    def after(self, delay_us: int, act: Callable[[], None], life: Life | None = None) -> None:
        self.at(self.now_us + delay_us, act, life)

    def run_until(self, end_us: int) -> None:
        """Let everything due up to ``end_us`` happen; then it is ``end_us``."""
        while self._due and self._due[0][0] <= end_us:
            self.now_us, _, act, life = heapq.heappop(self._due)
            if life is None or life.alive:
                act()
        self.now_us = max(self.now_us, end_us)
