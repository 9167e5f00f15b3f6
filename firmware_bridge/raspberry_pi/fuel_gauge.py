"""Lithium fuel gauges MAX17043/44 and MAX17048/49 (Maxim, now Analog Devices) on I²C.

Data sheets: MAX17043/MAX17044 (19-4811), tables 1 and 2; MAX17048/MAX17049 (19-6171), table 2. Address 0x36, registers of
two bytes, high byte first:

========  ====  ==========================================================================================
VCELL     0x02  17043: bits 15-4, 1.25 mV (17044: 2.5 mV); 17048: 16 bits, 78.125 µV (17049: 156.25 µV)
SOC       0x04  1/256 percent of charge; may exceed 100
VERSION   0x08  of the chip
CRATE     0x16  17048/49 only: signed, 0.208 percent an hour; positive while the battery is charged
========  ====  ==========================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from firmware_bridge.raspberry_pi.i2c import I2cBus, I2cChip, signed

GaugeModel = Literal["max17043", "max17044", "max17048", "max17049"]

ADDRESS: Final = 0x36

_VCELL: Final = 0x02
_SOC: Final = 0x04
_VERSION: Final = 0x08
_CRATE: Final = 0x16

_CRATE_PERCENT_H: Final = 0.208
_MOST_PERCENT: Final = 110.0
"""The chip's model overshoots on a full battery by a few percent: that is full. Beyond this it is nonsense."""
_CELL_V: Final = (2.0, 5.0)
"""A lithium cell below is destroyed, above on fire; 0 V is a chip that has not measured yet, 5.12 V a bus stuck high."""


@dataclass(frozen=True, slots=True)
class _Kind:
    cells: int
    vcell_shift: int
    vcell_v: float
    has_rate: bool


_KINDS: Final[dict[GaugeModel, _Kind]] = {
    "max17043": _Kind(1, 4, 1.25e-3, has_rate=False),
    "max17044": _Kind(2, 4, 2.5e-3, has_rate=False),
    "max17048": _Kind(1, 0, 78.125e-6, has_rate=True),
    "max17049": _Kind(2, 0, 156.25e-6, has_rate=True),
}


@dataclass(frozen=True, slots=True)
class GaugeReading:
    """``percent`` 0-100; ``voltage_v`` of the whole battery; ``rate_percent_h``: how fast the charge changes, negative when
    it shrinks. None: the chip does not have it, or what it said cannot be."""

    percent: float | None
    voltage_v: float | None
    rate_percent_h: float | None


class Max1704x:
    """One gauge. ``read`` blocks for three transfers at most."""

    def __init__(self, bus: I2cBus, model: GaugeModel, address: int = ADDRESS) -> None:
        self._chip = I2cChip(bus, model, address)
        self._kind = _KINDS[model]

    def read(self) -> GaugeReading:
        """Raises DeviceError when the chip does not answer."""
        kind, chip = self._kind, self._chip
        voltage_v = (chip.word(_VCELL) >> kind.vcell_shift) * kind.vcell_v
        percent = chip.word(_SOC) / 256
        rate = signed(chip.word(_CRATE)) * _CRATE_PERCENT_H if kind.has_rate else None
        low_v, high_v = (limit * kind.cells for limit in _CELL_V)
        if not low_v <= voltage_v <= high_v:
            # A charge computed from a voltage that cannot be is no better than the voltage.
            return GaugeReading(None, None, None)
        return GaugeReading(min(100.0, percent) if percent <= _MOST_PERCENT else None, voltage_v, rate)

    def version(self) -> int:
        """The chip's own version, for ``recorder doctor``. Raises DeviceError, also when it is one no chip has."""
        version = self._chip.word(_VERSION)
        if version in (0x0000, 0xFFFF):
            raise self._chip.failure(f"版本号不可能 impossible version 0x{version:04x}")
        return version
