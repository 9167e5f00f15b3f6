"""Battery low and critical, by the time that is left. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from recorder.faults.curve import Curve
from recorder.faults.discharge import BatteryModel, Discharge, Forecast
from recorder.faults.latch import Change, Latch, below

_BETTER: Final = 1.5
"""A warning is over when the forecast is half as good again; external power ends it at once."""
_EDGE: Final = 0.015
"""Part of the full voltage above the cut-off: so near, no forecast is needed."""
_EDGE_US: Final = 400_000


class BatteryLimits(BatteryModel, Protocol):
    @property
    def low_minutes(self) -> float: ...

    @property
    def critical_minutes(self) -> float: ...


class BatteryWatch:
    """``battery-low`` and ``battery-critical``, with forecast and discharge curve as evidence."""

    def __init__(self, limits: BatteryLimits) -> None:
        self._limits = limits
        self._discharge = Discharge(limits)
        self._low = Latch("battery-low")
        self._critical = Latch("battery-critical")
        self._percent = Curve(60_000_000)
        self._voltage = Curve(60_000_000)
        self._edge_us: int | None = None
        self.forecast: Forecast | None = None

    def look(self, now_us: int, percent: float | None, voltage_v: float | None, external: bool | None) -> list[Change]:
        """``external`` True: charging or on vehicle power, so the battery does not run out."""
        if external:
            self._discharge.restart()
            self._percent.clear()
            self._voltage.clear()
            self.forecast = None
        else:
            self.forecast = self._discharge.add(now_us, percent, voltage_v)
            if percent is not None:
                self._percent.add(now_us, percent)
            if voltage_v is not None:
                self._voltage.add(now_us, voltage_v)
        minutes = None if self.forecast is None else self.forecast.minutes
        if external:
            low: bool | None = False
            critical: bool | None = False
        else:
            limits = self._limits
            low = below(minutes, self._low.present, limits.low_minutes, limits.low_minutes * _BETTER)
            critical = below(
                minutes, self._critical.present, limits.critical_minutes, limits.critical_minutes * _BETTER
            )
            if self._at_the_edge(now_us, voltage_v):
                low = critical = True

        def evidence(threshold: float) -> Callable[[], dict[str, Any]]:
            return lambda: {**self._evidence(percent, voltage_v, external), "threshold_minutes": threshold}

        changes = (
            self._low.update(now_us, low, evidence(self._limits.low_minutes)),
            self._critical.update(now_us, critical, evidence(self._limits.critical_minutes)),
        )
        return [change for change in changes if change is not None]

    def _at_the_edge(self, now_us: int, voltage_v: float | None) -> bool:
        if voltage_v is None or voltage_v > self._limits.cutoff_v + _EDGE * self._limits.full_v:
            self._edge_us = None
            return False
        if self._edge_us is None:
            self._edge_us = now_us
        return now_us - self._edge_us >= _EDGE_US  # the voltage of a moment may be the load of a moment

    def _evidence(self, percent: float | None, voltage_v: float | None, external: bool | None) -> dict[str, Any]:
        found: dict[str, Any] = {"percent": percent, "voltage_v": voltage_v, "external": external}
        if self.forecast is not None:
            found |= {
                "minutes_left": round(self.forecast.minutes, 1),
                "percent_per_hour": round(self.forecast.per_hour * 100, 1),
            }
        found |= {"percent_curve": self._percent.evidence(), "voltage_curve": self._voltage.evidence(3)}
        return found
