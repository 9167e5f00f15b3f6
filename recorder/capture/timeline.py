"""Which sample was heard when: the microphone counts by its own crystal, the picture by CLOCK_BOOTTIME. Pure.

Capture time of sample i = offset + i / rate. Reads are late by scheduling but never early, so the offset is the minimum
over a window of (time of return - samples so far / rate), slewed: the crystal's drift goes into it a window at a time.
Lost samples show as reads that stay late and are made up with silence; samples that come after silence was put in their
place, while a device may still have kept them, are dropped, and no others. Reads that are late for a while and catch up
have lost nothing: that is a process that got no processor while the sound waited in the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from recorder.capture.late_blocks import MOST_S

_WINDOW_US: Final = 1_000_000
_MAX_SLEW_US: Final = 2_000
"""A window; ten times the drift of a bad crystal (200 ppm)."""

_SETTLING_US: Final = 5_000_000
"""So long after the first read each better one is taken at once. A worker is busiest when it starts: all its reads of a
second have been late by 20 ms, which would take ten seconds to slew away."""

STALL_US: Final = 120_000
"""Nothing read for so long counts as lost, for now: the picture must not wait for sound."""

_LOOK_US: Final = 40_000
"""What one look counts towards a stall at most, however long ago the one before was: a process that was stopped finds
nothing at its first look, because the driver's thread was stopped as well and has not passed on what waits. So a stall is
found at the third look."""

_START_US: Final = 500_000
"""A microphone may take so long to open before its absence becomes silence."""

_JUMP_US: Final = 2_000_000
"""Beyond this nothing is filled up: the unit was suspended, or the sound was off for long. The track jumps instead."""

_LOST_US: Final = 40_000
_LOST_FOR_US: Final = 400_000
"""Every read of so long was late by more than ``_LOST_US``, and the driver said that sound was lost: what is missing does
not come any more. A device that delivers what it kept (half a second) is read as fast as the processor can: sooner."""

_UNREPORTED_FOR_US: Final = 2_000_000
"""The same when no driver said so. A busy machine has been late by 57 ms for 0.4 s and lost nothing; silence put in then
costs as much true sound, while sound that is really missing is only stamped early for so long."""

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
        self._settle_us = 0
        self._settled = False
        self._silent = 0
        """Silence that was put in and that no sound has come for since."""
        self._silent_until = 0
        """Position from where on none comes any more: no device keeps more than ``MOST_S``."""
        self._reported = False
        self._late_since_us: int | None = None
        self._least_late_us = 0.0
        self._began_us: int | None = None
        self._looked_us = 0
        self._waited_us = 0
        self._stood_in = False

    @property
    def position(self) -> int:
        return self._position

    def time_us(self, position: int) -> int:
        """CLOCK_BOOTTIME at which the sample at ``position`` was heard."""
        return round((self._offset_us or 0.0) + position * 1_000_000 / self._rate)

    def block(self, count: int, read_at_us: int, *, overflowed: bool = False) -> Placement:
        """``count`` samples were read at ``read_at_us``; ``overflowed``: the driver lost some before them. Moves the
        position by the silence and the samples kept.

        What waited during a stall is to come as one (``late_blocks``): only when its last sample was heard is known.
        """
        observed = read_at_us - (self._position + count) * 1_000_000 / self._rate
        self._began_us = self._looked_us = read_at_us
        self._waited_us = 0
        begins_anew, self._stood_in = self._stood_in, False  # a device that stalled goes on where it pleases
        if self._offset_us is None:
            self._offset_us = observed
            self._window_end_us = read_at_us + _WINDOW_US
            self._settle_us = read_at_us + _SETTLING_US
        error = observed - self._offset_us
        silence = drop = 0
        if error > _JUMP_US:  # a driver that hung: no device keeps so much, so these samples are new
            self._offset_us, error = observed, 0.0
            self._window_min = None
        self._reported |= overflowed
        if self._position >= self._silent_until:
            self._silent = 0
        if error < -_EARLY_US and self._settled:
            drop = min(count, round(-error * self._rate / 1_000_000), self._silent)
            self._late_since_us = None
            if not drop:  # nothing stands in for these: it was the reads so far that were late
                self._offset_us, self._window_min = observed, None
        elif begins_anew and error > _LOST_US:
            silence = self._fill(error)
            self._late_since_us = self._window_min = None
        elif self._stays_late(error, read_at_us):
            silence = self._fill(self._least_late_us)
            self._late_since_us = self._window_min = None
        elif error <= _LOST_US:  # a later read tells nothing of the crystal
            self._follow(observed, read_at_us)
        if silence:
            self._settled, self._reported = True, False
        self._silent -= drop
        self._put_in(silence)
        self._position += count - drop
        return Placement(silence, drop)

    def stalled(self, now_us: int) -> int:
        """To be called at each look that found nothing to read. Silent samples to insert because that has been so for
        long enough; moves the position by them."""
        if self._began_us is None:
            self._began_us = self._looked_us = now_us
        self._waited_us += max(0, min(_LOOK_US, now_us - self._looked_us))
        self._looked_us = now_us
        if self._offset_us is None:
            if now_us - self._began_us < _START_US:
                return 0
            self._offset_us = float(now_us - STALL_US)
        if self._waited_us < STALL_US:
            return 0
        self._settled = self._stood_in = True
        missing = self._fill(now_us - STALL_US / 2 - self.time_us(self._position))
        self._put_in(missing)
        return missing

    def _put_in(self, silence: int) -> None:
        if silence:
            self._silent += silence
            self._position += silence
            self._silent_until = self._position + round(MOST_S * self._rate)

    def _stays_late(self, error_us: float, read_at_us: int) -> bool:
        if error_us <= _LOST_US:
            self._late_since_us, self._reported = None, False
            return False
        if self._late_since_us is None:
            self._late_since_us, self._least_late_us = read_at_us, error_us
        self._least_late_us = min(self._least_late_us, error_us)
        return read_at_us - self._late_since_us >= (_LOST_FOR_US if self._reported else _UNREPORTED_FOR_US)

    def _fill(self, missing_us: float) -> int:
        assert self._offset_us is not None
        if missing_us > _JUMP_US:
            self._offset_us += missing_us
            return 0
        return max(0, round(missing_us * self._rate / 1_000_000))

    def _follow(self, observed: float, read_at_us: int) -> None:
        assert self._offset_us is not None
        if not self._settled:
            # The first reads may themselves have been late.
            self._offset_us = min(self._offset_us, observed)
        self._window_min = observed if self._window_min is None else min(self._window_min, observed)
        if read_at_us >= self._window_end_us:
            change = self._window_min - self._offset_us
            self._offset_us += max(-_MAX_SLEW_US, min(_MAX_SLEW_US, change))
            self._window_min = None
            self._window_end_us = read_at_us + _WINDOW_US
            self._settled |= read_at_us >= self._settle_us
