"""Voltage and current by an INA219 or INA226 (Texas Instruments) on I²C.

Data sheets: INA219 (SBOS448), section 8.6; INA226 (SBOS547), section 7.6. Registers of two bytes, high byte first. The
current is computed here from the shunt's voltage, so the chips' calibration register is not used:

========  ====  ===================================================================================
config    0x00  set to averages of 16 measurements, continuous, whenever it is found to be otherwise
shunt     0x01  signed; INA219 10 µV, INA226 2.5 µV
bus       0x02  INA219: bits 15-3, 4 mV, bit 0 overflow; INA226: bits 14-0, 1.25 mV
========  ====  ===================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from firmware_bridge.raspberry_pi.i2c import I2cBus, I2cChip, signed

MonitorModel = Literal["ina219", "ina226"]
Measured = Literal["battery", "supply"]
"""Where the shunt is: in the battery's line, or in that of what feeds the unit."""

ADDRESS: Final = 0x40

_CONFIG: Final = 0x00
_SHUNT: Final = 0x01
_BUS: Final = 0x02


@dataclass(frozen=True, slots=True)
class _Kind:
    """``full_scale``: where the shunt's register ends, in its own unit; ``overflow``: bit of the bus register."""

    config: int
    shunt_v: float
    full_scale: int
    bus_shift: int
    bus_v: float
    overflow: int
    most_v: float


_KINDS: Final[dict[MonitorModel, _Kind]] = {
    # BRNG 32 V, PGA /8 (±320 mV), BADC and SADC 12 bits averaged over 16, shunt and bus continuous.
    "ina219": _Kind(0x3E67, 10e-6, 32_000, 3, 4e-3, overflow=0x0001, most_v=26.0),
    # AVG 16, VBUSCT and VSHCT 1.1 ms, shunt and bus continuous; bit 14 is always set. ±81.92 mV.
    "ina226": _Kind(0x4527, 2.5e-6, 0x7FFF, 0, 1.25e-3, overflow=0, most_v=36.0),
}


@dataclass(frozen=True, slots=True)
class MonitorReading:
    """``current_a``: into the battery is positive. None: what the chip said cannot be."""

    voltage_v: float | None
    current_a: float | None


class Ina2xx:
    """One monitor. ``shunt_ohm``: the resistor between IN+ and IN-. ``reversed``: IN+ is on the battery's side, so that a
    current that charges reads negative. ``read`` blocks for three transfers at most."""

    def __init__(
        self,
        bus: I2cBus,
        model: MonitorModel,
        address: int = ADDRESS,
        shunt_ohm: float = 0.1,
        *,
        reversed: bool = False,
    ) -> None:
        self._chip = I2cChip(bus, model, address)
        self._kind = _KINDS[model]
        self._unit_a = self._kind.shunt_v / shunt_ohm * (-1 if reversed else 1)

    def read(self) -> MonitorReading:
        """Raises DeviceError when the chip does not answer."""
        kind, chip = self._kind, self._chip
        if chip.word(_CONFIG) != kind.config:
            # Just powered on, reset, or set by somebody else: what is in its registers was measured otherwise.
            chip.write_word(_CONFIG, kind.config)
            return MonitorReading(None, None)
        bus, shunt = chip.word(_BUS), signed(chip.word(_SHUNT))
        voltage_v = (bus >> kind.bus_shift) * kind.bus_v
        if bus & kind.overflow or not 0 < voltage_v <= kind.most_v:
            return MonitorReading(None, None)
        return MonitorReading(voltage_v, shunt * self._unit_a if abs(shunt) < kind.full_scale else None)
