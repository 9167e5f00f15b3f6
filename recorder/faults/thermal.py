"""Too hot, or slowed down for that or for want of voltage. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from recorder.faults.curve import Curve
from recorder.faults.latch import Change, Latch, above

CURVE_US: Final = 600_000_000


class ThermalWatch:
    """``over-temperature`` with the curve of the last ten minutes, ``throttled`` with the firmware's reasons."""

    def __init__(self, high_c: float, clear_c: float) -> None:
        self._high_c, self._clear_c = high_c, clear_c
        self._hot = Latch("over-temperature")
        self._throttled = Latch("throttled", end_after_us=500_000)
        self._curve = Curve(1_000_000, window_us=CURVE_US)
        self._peak_c = -273.15
        self._reasons: set[str] = set()

    def look(self, now_us: int, temperature_c: float | None, throttled: Collection[str] | None) -> list[Change]:
        if temperature_c is not None:
            self._curve.add(now_us, temperature_c)
            self._peak_c = max(self._peak_c, temperature_c) if self._hot.present else temperature_c
        if throttled and not self._throttled.present:
            self._reasons.clear()
        self._reasons.update(throttled or ())
        changes = (
            self._hot.update(
                now_us,
                above(temperature_c, self._hot.present, self._high_c, self._clear_c),
                lambda: self._evidence(temperature_c) | {"threshold_c": self._high_c, "peak_c": self._peak_c},
            ),
            self._throttled.update(
                now_us,
                None if throttled is None else bool(throttled),
                lambda: self._evidence(temperature_c) | {"reasons": sorted(self._reasons)},
            ),
        )
        return [change for change in changes if change is not None]

    def _evidence(self, temperature_c: float | None) -> dict[str, Any]:
        return {"temperature_c": temperature_c, "curve_c": self._curve.evidence()}
