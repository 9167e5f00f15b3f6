"""I²C: adapters, fuel gauge and power monitor, asked for their identity and for a reading that can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from firmware_bridge.ports import Check, DeviceError
from firmware_bridge.raspberry_pi import fuel_gauge, power_monitor
from firmware_bridge.raspberry_pi.checks.verdicts import fault, ok, refused, warning
from firmware_bridge.raspberry_pi.fuel_gauge import GaugeModel, Max1704x
from firmware_bridge.raspberry_pi.i2c import I2cBus, I2cChip
from firmware_bridge.raspberry_pi.options import OptionReader
from firmware_bridge.raspberry_pi.power_monitor import Ina2xx, Measured, MonitorModel
from firmware_bridge.raspberry_pi.power_sources import DEFAULT_BUS, OpenBus

_WIRING_ZH: Final = "核对接线、供电和地址：i2cdetect -y {bus}"
_WIRING_EN: Final = "check wiring, supply and address: i2cdetect -y {bus}"

_MANUFACTURER_REGISTER: Final = 0xFE
_TEXAS_INSTRUMENTS: Final = 0x5449
"""INA226 (SBOS547), table 7.6.1: the letters TI. An INA219 has no such register."""


def chips(reader: OptionReader, open_bus: OpenBus) -> Iterator[Check]:
    gauge: GaugeModel | None = reader.choice("battery_gauge", None, GaugeModel)
    if gauge is not None:
        address = reader.integer("battery_address", fuel_gauge.ADDRESS, 0x08, 0x77)
        yield _on_bus(reader, "battery", open_bus, lambda bus: _gauge(bus, gauge, address))
    monitor: MonitorModel | None = reader.choice("power_monitor", None, MonitorModel)
    if monitor is not None:
        address = reader.integer("power_address", power_monitor.ADDRESS, 0x08, 0x77)
        shunt_ohm = reader.number("power_shunt_ohm", 0.1, 1e-6, 10)
        reversed_ = reader.flag("power_reversed", False)
        measures: Measured = reader.choice("power_measures", "supply", Measured)
        yield _on_bus(
            reader, "power", open_bus, lambda bus: _monitor(bus, monitor, address, shunt_ohm, reversed_, measures)
        )


def _on_bus(reader: OptionReader, device: str, open_bus: OpenBus, look: Callable[[I2cBus], Check]) -> Check:
    number = reader.integer(f"{device}_bus", DEFAULT_BUS, 0, 255)
    try:
        bus = open_bus(number)
    except DeviceError as error:
        return refused(
            device,
            error,
            "config.txt: dtparam=i2c_arm=on；用户加入 i2c 组",
            "config.txt: dtparam=i2c_arm=on; the user must be in group i2c",
        )
    try:
        return look(bus)
    except DeviceError as error:
        return refused(device, error, _WIRING_ZH.format(bus=number), _WIRING_EN.format(bus=number))
    finally:
        bus.close()


def _gauge(bus: I2cBus, model: GaugeModel, address: int) -> Check:
    gauge = Max1704x(bus, model, address)
    version, reading = gauge.version(), gauge.read()
    if reading.voltage_v is None:
        return fault(
            "battery",
            f"{model} 应答（版本 0x{version:04x}），电压读数不可能",
            f"{model} answers (version 0x{version:04x}), but its voltage cannot be",
            "核对电池是否接好、型号是否正确（17043 与 17048 的刻度不同）",
            "is the battery connected and the model right? The 17043's scale differs from the 17048's",
        )
    percent = "?" if reading.percent is None else f"{reading.percent:.0f} %"
    seen = f"{model} 0x{version:04x}: {reading.voltage_v:.2f} V, {percent}"
    if reading.percent is None:
        return warning(
            "battery",
            seen,
            seen,
            "电量读数不可能：重新上电使芯片重新学习",
            "the charge cannot be: power-cycle the chip",
        )
    return ok("battery", seen, seen)


def _monitor(
    bus: I2cBus, model: MonitorModel, address: int, shunt_ohm: float, reversed_: bool, measures: Measured
) -> Check:
    if model == "ina226" and (maker := I2cChip(bus, model, address).word(_MANUFACTURER_REGISTER)) != _TEXAS_INSTRUMENTS:
        return fault(
            "power",
            f"0x{address:02x} 处的芯片不是 INA226（厂商 0x{maker:04x}）",
            f"the chip at 0x{address:02x} is no INA226 (manufacturer 0x{maker:04x})",
            '核对型号：INA219 没有厂商寄存器，请写 monitor = "ina219"',
            'check the model: an INA219 has no manufacturer register, write monitor = "ina219"',
        )
    monitor = Ina2xx(bus, model, address, shunt_ohm, reversed=reversed_)
    reading = monitor.read()
    if reading.voltage_v is None:
        reading = monitor.read()  # the first one only set it up
    if reading.voltage_v is None:
        return warning(
            "power",
            f"{model} 应答，尚无读数",
            f"{model} answers and has no reading yet",
            "再试一次；仍无读数则核对 IN+ 和 IN- 的接线",
            "try again; if it stays so, check the wires of IN+ and IN-",
        )
    current = "?" if reading.current_a is None else f"{reading.current_a:+.2f} A"
    seen = f"{model}: {reading.voltage_v:.2f} V, {current}"
    if measures == "battery":  # whoever stands before it knows which of the two is true, and so whether IN+ and IN- are
        return ok("power", f"{seen}（正为充电）", f"{seen} (positive: charging)")
    return ok("power", f"{seen}（供电）", f"{seen} (of the supply)")
