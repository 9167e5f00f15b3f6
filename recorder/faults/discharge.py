"""How long a battery lasts, from its discharge curve. Pure.

Two witnesses, neither of them good: a gauge in whole percent, perhaps some percent wrong, and a voltmeter that sags with
the load and says next to nothing on the flat part of the curve, but much near its end. Each gives a charge and, over
the last minutes, a rate (robust regression); they are weighed by what each is worth just there, beside the unit's nominal
running time for as long as nothing is known. The unit goes off not at zero but where the voltage *under load* falls below
the cut-off.

The nominal curve is that of common lithium-ion cells (rested, 25 °C), coarse on purpose: per-cell differences are what the
weights allow for. A pack is scaled by its full voltage.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Protocol

from recorder.faults.regression import level, slope

CELL_FULL_V: Final = 4.2
STEP_US: Final = 15_000_000
WINDOW_US: Final = 720_000_000

_CURVE: Final = (
    (3.00, 0.00),
    (3.20, 0.012),
    (3.30, 0.022),
    (3.40, 0.042),
    (3.45, 0.060),
    (3.50, 0.090),
    (3.55, 0.135),
    (3.60, 0.195),
    (3.65, 0.300),
    (3.70, 0.410),
    (3.75, 0.500),
    (3.80, 0.560),
    (3.90, 0.670),
    (4.00, 0.785),
    (4.10, 0.910),
    (4.20, 1.00),
)
_GAUGE_ERROR: Final = 0.03
_GAUGE_STEP: Final = 0.005
_VOLT_ERROR_V: Final = 0.02
_VOLT_NOISE_V: Final = 0.004
_CURVE_ERROR: Final = 0.25
"""No cell has the nominal curve: a rate read off the voltage is that much wrong, however steady the voltage."""
_PRIOR_ERROR: Final = 0.6
_FEW: Final = 4


class BatteryModel(Protocol):
    """Nominal figures (``[faults.battery]``)."""

    @property
    def cutoff_v(self) -> float: ...

    @property
    def full_v(self) -> float: ...

    @property
    def capacity_mah(self) -> float: ...

    @property
    def resistance_mohm(self) -> float: ...

    @property
    def nominal_h(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Forecast:
    """``charge`` 0-1 left until the cut-off, ``per_hour`` what the unit uses of it, ``minutes`` until it goes off."""

    minutes: float
    charge: float
    per_hour: float


@dataclass(frozen=True, slots=True)
class _Sample:
    at_us: int
    percent: float | None
    voltage_v: float | None


class Discharge:
    """Feed each reading while the unit runs on its battery; ``restart`` when it was charged in between."""

    def __init__(self, model: BatteryModel) -> None:
        self._model = model
        self._cells = model.full_v / CELL_FULL_V
        self._recent: list[_Sample] = []
        self._samples: deque[_Sample] = deque()
        self._forecast: Forecast | None = None

    def restart(self) -> None:
        self._recent.clear()
        self._samples.clear()
        self._forecast = None

    def add(self, at_us: int, percent: float | None, voltage_v: float | None) -> Forecast | None:
        """The forecast, renewed each 15 s; None before there is any reading."""
        if percent is None and voltage_v is None:
            return self._forecast
        self._recent.append(_Sample(at_us, percent, voltage_v))
        if self._forecast is not None and at_us - self._recent[0].at_us < STEP_US:
            return self._forecast
        self._samples.append(_middle(self._recent))
        self._recent.clear()
        while at_us - self._samples[0].at_us > WINDOW_US:
            self._samples.popleft()
        self._forecast = self._judge()
        return self._forecast

    def _judge(self) -> Forecast:
        model = self._model
        now_h = _hours(self._samples[-1].at_us)
        gauge = [(_hours(s.at_us), s.percent / 100) for s in self._samples if s.percent is not None]
        volts = [(_hours(s.at_us), s.voltage_v / self._cells) for s in self._samples if s.voltage_v is not None]
        rate = self._forecast.per_hour if self._forecast is not None else 1 / model.nominal_h
        charge = sag_v = 0.0
        for _ in range(3):  # the sag follows from the rate, and the rate read off the voltage from the sag
            sag_v = rate * model.capacity_mah * model.resistance_mohm * 1e-6 / self._cells
            charge, rate = self._weigh(gauge, [(at, volt + sag_v) for at, volt in volts], now_h)
        usable = max(0.0, charge - charge_of(model.cutoff_v / self._cells + sag_v))
        return Forecast(60 * usable / rate, usable, rate)

    def _weigh(
        self, gauge: Sequence[tuple[float, float]], rested: Sequence[tuple[float, float]], now_h: float
    ) -> tuple[float, float]:
        """Charge now and rate per hour: ``(value, error)`` of each witness, weighed by its error."""
        nominal = 1 / self._model.nominal_h
        rates = [(nominal, nominal * _PRIOR_ERROR)]
        charges: list[tuple[float, float]] = []
        if gauge:
            rate = _rate(gauge, _GAUGE_STEP, 0.0, rates)
            charges.append((level(gauge[-_FEW * 4 :], -rate, now_h), _GAUGE_ERROR))
        if rested:
            steep = _volts_per_charge(rested[-1][1])
            volt_charges = [(at, charge_of(volt)) for at, volt in rested]
            rate = _rate(volt_charges, _VOLT_NOISE_V / steep, _CURVE_ERROR, rates)
            charges.append((level(volt_charges[-_FEW * 4 :], -rate, now_h), _VOLT_ERROR_V / steep))
        return _mean(charges), max(_mean(rates), nominal / 20)


def charge_of(cell_v: float) -> float:
    """Charge 0-1 of a rested cell at so many volts."""
    index = min(max(1, bisect_right(_CURVE, (cell_v, 2.0))), len(_CURVE) - 1)
    (low_v, low), (high_v, high) = _CURVE[index - 1], _CURVE[index]
    return min(1.0, max(0.0, low + (high - low) * (cell_v - low_v) / (high_v - low_v)))


def _volts_per_charge(cell_v: float) -> float:
    index = min(max(1, bisect_right(_CURVE, (cell_v, 2.0))), len(_CURVE) - 1)
    (low_v, low), (high_v, high) = _CURVE[index - 1], _CURVE[index]
    return (high_v - low_v) / (high - low)


def _rate(points: Sequence[tuple[float, float]], error: float, share: float, rates: list[tuple[float, float]]) -> float:
    """Add what the points say of the rate to ``rates``, if anything; the best guess so far. ``error`` of each point,
    ``share`` of the rate that is uncertain however many there are."""
    span_h = points[-1][0] - points[0][0]
    falling = slope(points) if len(points) >= _FEW else None
    if falling is not None and span_h > 0:
        rates.append((max(0.0, -falling), error * 1.5 / span_h + share * abs(falling)))
    return _mean(rates)


def _mean(values: Sequence[tuple[float, float]]) -> float:
    weights = [1 / error**2 for _, error in values]
    return sum(value * weight for (value, _), weight in zip(values, weights, strict=True)) / sum(weights)


def _middle(samples: Sequence[_Sample]) -> _Sample:
    percents = [s.percent for s in samples if s.percent is not None]
    volts = [s.voltage_v for s in samples if s.voltage_v is not None]
    return _Sample(samples[-1].at_us, median(percents) if percents else None, median(volts) if volts else None)


def _hours(at_us: int) -> float:
    return at_us / 3.6e9
