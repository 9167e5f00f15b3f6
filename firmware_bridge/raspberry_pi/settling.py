"""Settling of a line that may dip: pure.

A level counts once it has lasted. The opposite of ``debounce.py``, where the first edge counts at once: an ignition line
drops out while the starter turns, and a moment without it is no end of the drive.
"""

from __future__ import annotations


class Settled:
    """``on_us``/``off_us``: how long the line must be on or off to count. Nothing counts before the first settled level."""

    def __init__(self, on_us: int, off_us: int) -> None:
        self._needed_us = {True: on_us, False: off_us}
        self._level: bool | None = None
        self._since_us = 0
        self._settled: bool | None = None

    @property
    def level(self) -> bool | None:
        """The level that counts; None before the first."""
        return self._settled

    def edge(self, on: bool, at_us: int) -> tuple[bool, int] | None:
        """The line has this level from ``at_us`` on. Returns what has settled before, as (level, since when), or None."""
        settled = self.tick(at_us)
        if on != self._level:
            self._level, self._since_us = on, at_us
        return settled

    def tick(self, now_us: int) -> tuple[bool, int] | None:
        """Call at :meth:`deadline_us` or later: (level, since when), once, when one has settled."""
        deadline = self.deadline_us()
        if deadline is None or now_us < deadline:
            return None
        self._settled = self._level
        assert self._settled is not None
        return self._settled, self._since_us

    def deadline_us(self) -> int | None:
        """When :meth:`tick` is due; None while nothing is about to settle."""
        if self._level is None or self._level == self._settled:
            return None
        return self._since_us + self._needed_us[self._level]
