"""How long writes take to become durable: the stopwatch around what the writer thread waits for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from firmware_bridge.ports import Clock

_KEPT: Final = 256


class SyncTimes:
    """Filled by the writer thread, emptied by the watching thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: deque[int] = deque(maxlen=_KEPT)
        self.pending_since_us: int | None = None

    def time(self, act: Callable[[], None]) -> None:
        """Do it; one that fails counts as done, because its error is a fault of its own."""
        begun_us = self._clock.boottime_us()
        self.pending_since_us = begun_us
        try:
            act()
        finally:
            self.pending_since_us = None
            self._done.append(self._clock.boottime_us() - begun_us)

    def take(self) -> list[int]:
        """Durations, µs, of what has become durable since the last call."""
        taken = []
        while self._done:
            taken.append(self._done.popleft())
        return taken
