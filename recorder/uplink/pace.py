"""How fast uploads have been, and what that means for the deadlines of what is left. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

from recorder.uplink.edf import Job, forecast

KEPT: Final = 10
LEAST_BYTES: Final = 10_000_000
LEAST_S: Final = 5.0
"""Less says little about a line: a burst into buffers is no rate."""


class Pace:
    """The last uploads: bytes that were sent, seconds they took."""

    def __init__(self) -> None:
        self._sent: deque[tuple[int, float]] = deque(maxlen=KEPT)

    def sent(self, count: int, seconds: float) -> None:
        if count > 0 and seconds > 0:
            self._sent.append((count, seconds))

    def rate(self) -> float | None:
        """Bytes per second; None while too little is known."""
        count, seconds = sum(count for count, _ in self._sent), sum(seconds for _, seconds in self._sent)
        if count < LEAST_BYTES and seconds < LEAST_S:
            return None
        return count / seconds if seconds > 0 else None

    def late(self, jobs: Iterable[Job], wall_s: float) -> int | None:
        """How many of ``jobs`` would be late at this rate, overdue ones left out (they are told of anyway). None: the rate
        is not known."""
        rate = self.rate()
        if rate is None:
            return None
        open_jobs = [job for job in jobs if job.deadline > wall_s and math.isfinite(job.deadline)]
        return len(forecast(open_jobs, wall_s, rate).late)


class LateNotice:
    """When the unit is told that deadlines will be missed: at once, again while it lasts, and once when it is over."""

    AGAIN_US: Final = 600_000_000

    def __init__(self) -> None:
        self._told: int = 0
        self._next_us = 0

    def due(self, late: int | None, now_us: int) -> int | None:
        """What to tell now, None: nothing. Follow with :meth:`told`, or it stays due."""
        late = late or 0
        if late == 0:
            return 0 if self._told else None
        return late if not self._told or now_us >= self._next_us else None

    def told(self, late: int, now_us: int) -> None:
        self._told, self._next_us = late, now_us + self.AGAIN_US
