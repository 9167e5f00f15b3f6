"""Is the wall clock set, does it jump, does it drift? Judged against boot-time. Pure.

On Linux CLOCK_BOOTTIME is disciplined by the same frequency corrections as the wall clock, so the two run apart only when
somebody *sets* the clock: at once (a step) or in many small steps, as a clock that is corrected by a poor time source, a
broken RTC or a hand is. That is the drift seen here; an oscillator that is wrong by itself does not show against boot-time.
"""

from __future__ import annotations

from typing import Any, Final

from recorder.faults.curve import Curve
from recorder.faults.latch import Change, Latch, above
from recorder.faults.regression import slope

_STEP_LASTS_US: Final = 500_000
_FEW: Final = 4
_CALMER: Final = 0.6


class ClockHealth:
    """``clock-not-set``, ``clock-stepped``, ``clock-drifting``. Feed both clocks at a steady rhythm."""

    def __init__(self, *, step_us: int, drift_ppm: float, drift_window_us: int) -> None:
        self._step_us = step_us
        self._drift_ppm = drift_ppm
        self._window_us = drift_window_us
        self._unset = Latch("clock-not-set")
        self._stepped = Latch("clock-stepped", end_after_us=_STEP_LASTS_US)
        self._drifting = Latch("clock-drifting")
        self._offset_us: int | None = None
        self._steps: list[int] = []
        self._base_us = 0
        self._since_us = 0
        self._curve = Curve(1, window_us=drift_window_us)

    def look(self, now_us: int, wall_us: int, *, is_set: bool, source: str) -> list[Change]:
        offset_us = wall_us - now_us
        old, self._offset_us = self._offset_us, offset_us
        stepped = old is not None and abs(offset_us - old) > self._step_us
        if stepped:
            assert old is not None
            self._steps = [*self._steps, offset_us - old][-16:] if self._stepped.present else [offset_us - old]
        if stepped or old is None:
            self._curve.clear()
            self._base_us, self._since_us = offset_us, now_us
        self._curve.add(now_us, offset_us - self._base_us)
        ppm = self._ppm(now_us)
        drifting = above(
            None if ppm is None else abs(ppm), self._drifting.present, self._drift_ppm, self._drift_ppm * _CALMER
        )
        evidence: dict[str, Any] = {"source": source, "wall_us": wall_us}
        changes = (
            self._unset.update(now_us, not is_set, evidence),
            self._stepped.update(
                now_us, stepped, lambda: {**evidence, "steps_us": list(self._steps), "offset_us": offset_us}
            ),
            self._drifting.update(
                now_us, drifting, lambda: {**evidence, "ppm": round(ppm or 0.0, 1), "curve_us": self._curve.evidence(0)}
            ),
        )
        return [change for change in changes if change is not None]

    def _ppm(self, now_us: int) -> float | None:
        """Over the window; a shorter time tells nothing about a rate."""
        points = self._curve.points()
        if len(points) < _FEW or now_us - self._since_us < self._window_us:
            return None
        return slope([(at_us / 1e6, offset_us) for at_us, offset_us in points])
