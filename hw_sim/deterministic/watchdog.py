"""The board's watchdog in a simulation: it outlives the process that feeds it, and not the boot."""

from __future__ import annotations

from collections.abc import Callable

from hw_sim.deterministic.timeline import SECOND, Timeline

TIMEOUT_US = 15 * SECOND
"""As the BCM2835 counts."""


class SimulatedWatchdog:
    """``ports.Watchdog`` of one boot. ``expired`` resets the board."""

    def __init__(self, timeline: Timeline, expired: Callable[[], None]) -> None:
        self._timeline = timeline
        self._expired = expired
        self._fed_us: int | None = None

    def feed(self) -> None:
        armed = self._fed_us is not None
        self._fed_us = self._timeline.now_us
        if not armed:
            self._timeline.after(TIMEOUT_US, self._look)

    def close(self) -> None:
        """Also the end of the boot."""
        self._fed_us = None

    def _look(self) -> None:
        if self._fed_us is None:
            return
        left_us = self._fed_us + TIMEOUT_US - self._timeline.now_us
        if left_us > 0:
            self._timeline.after(left_us, self._look)
            return
        self.close()
        self._expired()
