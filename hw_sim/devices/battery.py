"""A lithium-ion cell being emptied: what a gauge and a voltmeter say of it, and when the unit goes off. Pure.

The curve is typical of LiNiMnCoO2 18650 cells at a fifth of their capacity an hour, resistance taken out; it is the
simulator's own and deliberately not the recorder's (``recorder.faults.discharge``), which has to cope with cells it does
not know.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

_CURVE: Final = (
    (0.00, 3.000),
    (0.01, 3.170),
    (0.02, 3.285),
    (0.04, 3.400),
    (0.06, 3.455),
    (0.08, 3.490),
    (0.10, 3.525),
    (0.15, 3.580),
    (0.20, 3.620),
    (0.30, 3.660),
    (0.40, 3.690),
    (0.50, 3.740),
    (0.60, 3.840),
    (0.70, 3.935),
    (0.80, 4.015),
    (0.90, 4.090),
    (1.00, 4.190),
)


def open_circuit_v(charge: float) -> float:
    """Volts at rest of a cell with ``charge`` (0-1) left."""
    charge = min(1.0, max(0.0, charge))
    index = min(bisect_right(_CURVE, (charge, 9.0)), len(_CURVE) - 1)
    (low, low_v), (high, high_v) = _CURVE[index - 1], _CURVE[index]
    return low_v + (high_v - low_v) * (charge - low) / (high - low)


@dataclass(slots=True)
class Cell:
    """``noise_v``: deviation of the voltmeter; ``load_noise``: of the load, relative. The unit goes off when the voltage
    under load falls below ``cutoff_v``."""

    capacity_mah: float = 3000.0
    resistance_ohm: float = 0.1
    charge: float = 1.0
    cutoff_v: float = 3.2
    noise_v: float = 0.0
    load_noise: float = 0.0
    gauge_error: float = 0.0
    """Percent the gauge shows too much (negative: too little)."""
    seed: int = 1
    _random: random.Random = field(init=False, repr=False)
    _load_ma: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def draw(self, load_ma: float, seconds: float) -> None:
        """Take ``load_ma`` on average for so long."""
        self._load_ma = max(0.0, load_ma * (1 + self._random.gauss(0, self.load_noise)))
        self.charge = max(0.0, self.charge - self._load_ma * seconds / 3600 / self.capacity_mah)

    @property
    def loaded_v(self) -> float:
        return open_circuit_v(self.charge) - self._load_ma / 1000 * self.resistance_ohm

    @property
    def empty(self) -> bool:
        return self.loaded_v < self.cutoff_v

    def voltage_v(self) -> float:
        """As the voltmeter reads it: millivolts, with its noise."""
        return round(self.loaded_v + self._random.gauss(0, self.noise_v), 3)

    def percent(self) -> float:
        """As the gauge shows it: whole percent."""
        return float(min(100, max(0, round(self.charge * 100 + self.gauge_error))))
