"""Is the lens covered or out of focus? Judged from luma statistics of a few pictures a second. Pure.

*Covered*: nearly every part of the picture is flat and dark although it is not dark around the unit. What "dark around" is,
the light sensor says. At night (below ``covered_min_lux``, or without a sensor) a dark picture proves nothing; there a lens
counts as covered only when the detail vanished from one moment to the next while the light stayed what it was. A night
scene, a lamp that is switched off or a tunnel is therefore not a covered lens.

*Blurred*: the fine detail, relative to the picture's own contrast, is a small fraction of what this lens showed lately.
A flat picture (wall, sky) has no contrast to judge by and changes nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from recorder.faults.latch import Change, Latch

SUDDEN_US: Final = 1_500_000
"""A hand covers a lens within this time; dusk does not."""

LIGHT_STAYED: Final = 3.0
"""The light stayed what it was when it changed by less than this factor."""

_CLEAR_SHARE: Final = 0.5
_UNCOVERED_SHARE: Final = 0.8
"""Of the share that makes a lens covered: below this part of it the fault ends."""
_SHARP_AGAIN: Final = 1.8
"""Times ``blurred_ratio``: from there the picture counts as sharp again."""
_HISTORY_STEP_US: Final = 1_000_000
_HISTORY_MIN: Final = 8


@dataclass(frozen=True, slots=True)
class LumaStatistics:
    """One picture. ``mean`` luma 0-255; ``flat_share`` 0-1: part of the picture's tiles without detail; ``sharpness``:
    energy of neighbouring differences over variance, median of the tiles that have detail, None where too few have."""

    at_us: int
    mean: float
    flat_share: float
    sharpness: float | None


Light: TypeAlias = tuple[int, float]
"""``(at_us, lux)`` around the unit, by its light sensor."""


class LensLimits(Protocol):
    @property
    def covered_share(self) -> float: ...

    @property
    def covered_luma(self) -> float: ...

    @property
    def covered_min_lux(self) -> float: ...

    @property
    def blurred_ratio(self) -> float: ...

    @property
    def blurred_history_s(self) -> float: ...

    @property
    def dwell_s(self) -> float: ...


class LensWatch:
    """``lens-covered`` and ``lens-blurred`` of one camera. Feed every new statistic with the newest light (None when there
    is no sensor or its word is stale)."""

    def __init__(self, limits: LensLimits) -> None:
        self._limits = limits
        dwell_us = round(limits.dwell_s * 1e6)
        self._covered = Latch("lens-covered", onset_after_us=dwell_us, end_after_us=dwell_us)
        self._blurred = Latch("lens-blurred", onset_after_us=dwell_us, end_after_us=dwell_us)
        self._last_us = -1
        self._clear: tuple[int, Light | None] = -1, None
        self._dark_us: int | None = None
        self._sharpness: deque[tuple[int, float]] = deque()

    def look(self, statistics: LumaStatistics, light: Light | None) -> list[Change]:
        if statistics.at_us <= self._last_us:
            return []
        self._last_us = statistics.at_us
        evidence = {
            "mean_luma": round(statistics.mean, 1),
            "flat_share": round(statistics.flat_share, 3),
            "lux": None if light is None else light[1],
        }
        is_covered = self._is_covered(statistics, light)
        covered = self._covered.update(statistics.at_us, is_covered, evidence, since_us=self._dark_us)
        blurred = self._blurred.update(statistics.at_us, *self._is_blurred(statistics))
        return [change for change in (covered, blurred) if change is not None]

    def _is_covered(self, statistics: LumaStatistics, light: Light | None) -> bool:
        limits, share = self._limits, statistics.flat_share
        if self._covered.present:
            self._dark_us = None
            return share >= limits.covered_share * _UNCOVERED_SHARE
        if share < limits.covered_share or statistics.mean > limits.covered_luma:
            if share <= _CLEAR_SHARE:
                self._clear = statistics.at_us, light
            self._dark_us = None
            return False
        if self._dark_us is None:
            self._dark_us = statistics.at_us
        if light is None or light[0] < self._dark_us:
            return False  # without a light sensor nobody can tell a covered lens from a lamp that was switched off
        return light[1] >= limits.covered_min_lux or self._went_suddenly(self._dark_us, light[1])

    def _went_suddenly(self, dark_us: int, lux: float) -> bool:
        """By night."""
        clear_us, before = self._clear
        return (
            before is not None and 0 <= dark_us - clear_us <= SUDDEN_US and before[1] <= max(lux, 0.001) * LIGHT_STAYED
        )

    def _is_blurred(self, statistics: LumaStatistics) -> tuple[bool | None, dict[str, Any]]:
        value = statistics.sharpness
        if value is None or self._covered.present:
            return None, {}
        usual = self._usual()
        if usual is None:
            self._remember(statistics.at_us, value)
            return False, {}
        limit = self._limits.blurred_ratio * usual
        present = value < (limit * _SHARP_AGAIN if self._blurred.present else limit)
        if not present and value >= limit * _SHARP_AGAIN:
            # Only sharp pictures make history: else a lens that fogs up would slowly teach that fog is normal.
            self._remember(statistics.at_us, value)
        return present, {
            "sharpness": round(value, 5),
            "usual_sharpness": round(usual, 5),
            "ratio": round(value / usual, 3),
        }

    def _remember(self, at_us: int, value: float) -> None:
        if self._sharpness and at_us - self._sharpness[-1][0] < _HISTORY_STEP_US:
            return
        self._sharpness.append((at_us, value))
        while at_us - self._sharpness[0][0] > self._limits.blurred_history_s * 1e6:
            self._sharpness.popleft()

    def _usual(self) -> float | None:
        """The median of the last minutes."""
        if len(self._sharpness) < _HISTORY_MIN:
            return None
        ordered = sorted(value for _, value in self._sharpness)
        return ordered[len(ordered) // 2]
