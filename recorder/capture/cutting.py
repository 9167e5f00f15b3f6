"""Where a fragment ends: early enough that little is lost at a power cut, where little padding is needed.

A stored fragment is a whole number of 64 KiB chunks (age's unit), so ending it after any frame costs up to a chunk of
padding. Cutting at a fixed duration would waste half a chunk each time: 8 % at 6 Mbit/s. Instead every frame in a window
is a candidate, the first very good one is taken at once, and at the end of the window the best one, which may lie some
frames back: those after it simply begin the next fragment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CHUNK: Final = 65536

EARLIEST_US: Final = 350_000
SETTLE_US: Final = 450_000
LATEST_US: Final = 600_000

_TAKE_AT_ONCE: Final = 0.015
_TAKE_WHEN_SETTLED: Final = 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cut after ``video`` frames and ``audio`` packets; ``size`` of the fragment without padding, in bytes."""

    video: int
    audio: int
    duration_us: int
    size: int

    @property
    def waste(self) -> float:
        """Padding over content."""
        return (-self.size % CHUNK) / self.size


class Cutter:
    """Collects candidates of one fragment after the other."""

    def __init__(self) -> None:
        self._best: Candidate | None = None

    def offer(self, candidate: Candidate) -> Candidate | None:
        """The newest possible cut; returns the one to take now, or None to go on collecting."""
        if candidate.duration_us < EARLIEST_US:
            return None
        if self._best is None or candidate.waste <= self._best.waste:
            self._best = candidate
        best = self._best
        if best.waste <= _TAKE_AT_ONCE:
            return best
        if candidate.duration_us >= SETTLE_US and best.waste <= _TAKE_WHEN_SETTLED:
            return best
        # To the nearest frame: at 5 frames/s jitter would else make every other fragment a fifth of a second longer.
        half_frame_us = candidate.duration_us // (2 * candidate.video)
        return best if candidate.duration_us + half_frame_us >= LATEST_US else None

    def restart(self) -> None:
        """A cut was taken: candidates of the old fragment mean nothing any more."""
        self._best = None
