"""Which sample was heard when: the microphone counts by its own crystal, the picture by CLOCK_BOOTTIME. Pure.

Capture time of sample i = offset + i / rate. Reads are late by scheduling but never early, so the offset is the minimum
over a window of (time of return - samples so far / rate), slewed: the crystal's drift goes into it a window at a time.
Lost samples show as a lasting jump of that minimum and are made up with silence; samples that come after silence was put
in their place are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_WINDOW_US: Final = 1_000_000
_MAX_SLEW_US: Final = 2_000
"""A window; ten times the drift of a bad crystal (200 ppm)."""

STALL_US: Final = 120_000
"""Nothing read for so long counts as lost, for now: the picture must not wait for sound."""

_START_US: Final = 500_000
"""A microphone may take so long to open before its absence becomes silence."""

_JUMP_US: Final = 2_000_000
"""Beyond this nothing is filled up: the unit was suspended, or the sound was off for long. The track jumps instead."""

_LOST_US: Final = 40_000
_LOST_READS: Final = 10
_EARLY_US: Final = 20_000


@dataclass(frozen=True, slots=True)
class Placement:
    """Before the block: ``silence`` samples to insert; from its front: ``drop`` samples to leave out."""

    silence: int
    drop: int


class AudioTimeline:
    """``rate`` in samples/s, nominal. Positions count samples of the track, silence included."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._offset_us: float | None = None
        self._position = 0
        self._window_min: float | None = None
        self._window_end_us = 0
        self._settled = False
        self._recent: list[float] = []
        self._last_read_us: int | None = None

    @property
    def position(self) -> int:
        return self._position

    def time_us(self, position: int) -> int:
        """CLOCK_BOOTTIME at which the sample at ``position`` was heard."""
        return round((self._offset_us or 0.0) + position * 1_000_000 / self._rate)

    def block(self, count: int, read_at_us: int) -> Placement:
        """``count`` samples were read at ``read_at_us``. Moves the position by the silence and the samples kept."""
        observed = read_at_us - (self._position + count) * 1_000_000 / self._rate
        self._last_read_us = read_at_us
        if self._offset_us is None:
            self._offset_us = observed
            self._window_end_us = read_at_us + _WINDOW_US
        error = observed - self._offset_us
        silence = drop = 0
        if error > _JUMP_US:  # a driver that hung: no device keeps so much, so these samples are new
            self._offset_us, error = observed, 0.0
            self._recent.clear()
            self._window_min = None
        self._recent = [*self._recent[-(_LOST_READS - 1) :], error]
        if error < -_EARLY_US and self._settled:
            drop = min(count, round(-error * self._rate / 1_000_000))
            self._recent.clear()
        elif len(self._recent) == _LOST_READS and min(self._recent) > _LOST_US:
            silence = self._fill(min(self._recent))
            self._recent.clear()
            self._window_min = None
        else:
            self._follow(observed, read_at_us)
        self._position += silence + count - drop
        return Placement(silence, drop)

    def stalled(self, now_us: int) -> int:
        """Silent samples to insert because nothing was read for so long; moves the position by them."""
        if self._last_read_us is None:
            self._last_read_us = now_us
        if self._offset_us is None:
            if now_us - self._last_read_us < _START_US:
                return 0
            self._offset_us = float(now_us - STALL_US)
        if now_us - self._last_read_us < STALL_US:
            return 0
        self._settled = True
        missing = self._fill(now_us - STALL_US / 2 - self.time_us(self._position))
        self._position += missing
        return missing

    def _fill(self, missing_us: float) -> int:
        assert self._offset_us is not None
        if missing_us > _JUMP_US:
            self._offset_us += missing_us
            return 0
        return max(0, round(missing_us * self._rate / 1_000_000))

    def _follow(self, observed: float, read_at_us: int) -> None:
        assert self._offset_us is not None
        if not self._settled:
            # Until the first window is over the first read may itself have been late: take each better one at once.
            self._offset_us = min(self._offset_us, observed)
        self._window_min = observed if self._window_min is None else min(self._window_min, observed)
        if read_at_us >= self._window_end_us:
            change = self._window_min - self._offset_us
            self._offset_us += max(-_MAX_SLEW_US, min(_MAX_SLEW_US, change))
            self._window_min = None
            self._window_end_us = read_at_us + _WINDOW_US
            self._settled = True
