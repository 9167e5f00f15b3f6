"""What the options name as sources of power readings: gauge, monitor, a supply of the kernel's, a "power good" line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from firmware_bridge.board import UnitDevices, attempt
from firmware_bridge.raspberry_pi import fuel_gauge, power_monitor
from firmware_bridge.raspberry_pi.fuel_gauge import GaugeModel, Max1704x
from firmware_bridge.raspberry_pi.gpio import GpioInput
from firmware_bridge.raspberry_pi.i2c import I2cBus
from firmware_bridge.raspberry_pi.options import OptionReader
from firmware_bridge.raspberry_pi.power import PolledPower
from firmware_bridge.raspberry_pi.power_monitor import Ina2xx, Measured, MonitorModel
from firmware_bridge.raspberry_pi.sysfs import SysfsPowerSupply

OpenBus: TypeAlias = Callable[[int], I2cBus]

DEFAULT_BUS = 1
"""On the 40-pin header of every Raspberry Pi: GPIO2 and GPIO3."""


def add_power(board: UnitDevices, reader: OptionReader, factory: Any, open_bus: OpenBus) -> None:
    """Give ``board`` a power supply where any source is named. A bus that cannot be opened is a fault of its own."""
    buses: dict[int, I2cBus] = {}
    gauge_model: GaugeModel | None = reader.choice("battery_gauge", None, GaugeModel)
    monitor_model: MonitorModel | None = reader.choice("power_monitor", None, MonitorModel)
    measures: Measured = reader.choice("power_measures", "supply", Measured)
    gauge = monitor = None
    if gauge_model is not None and (bus := _bus(board, reader, "battery_bus", buses, open_bus)) is not None:
        gauge = Max1704x(bus, gauge_model, reader.integer("battery_address", fuel_gauge.ADDRESS, 0x08, 0x77))
    if monitor_model is not None and (bus := _bus(board, reader, "power_bus", buses, open_bus)) is not None:
        monitor = Ina2xx(
            bus,
            monitor_model,
            reader.integer("power_address", power_monitor.ADDRESS, 0x08, 0x77),
            reader.number("power_shunt_ohm", 0.1, 1e-6, 10),
            reversed=reader.flag("power_reversed", False),
        )
    folder = reader.text("power_supply")
    supplies = () if folder is None else (SysfsPowerSupply(Path(folder)),)
    line = _power_good(board, reader, factory)
    if gauge is None and monitor is None and not supplies and line is None:
        return
    power = PolledPower(
        board.clock,
        gauge=gauge,
        monitor=monitor,
        measures=measures,
        supplies=supplies,
        power_good=None if line is None else line.is_active,
    )
    board.power = power
    closing = () if line is None else (line.close,)
    board.on_close = (*board.on_close, power.close, *closing, *(bus.close for bus in buses.values()))


def _bus(
    board: UnitDevices, reader: OptionReader, option: str, buses: dict[int, I2cBus], open_bus: OpenBus
) -> I2cBus | None:
    number = reader.integer(option, DEFAULT_BUS, 0, 255)
    if number not in buses:
        bus = attempt(board.faults, partial(open_bus, number))
        if bus is None:
            return None
        buses[number] = bus
    return buses[number]


def _power_good(board: UnitDevices, reader: OptionReader, factory: Any) -> GpioInput | None:
    spec = reader.pin("power_good", default_high=True)
    if spec is None or factory is None:
        return None
    return attempt(board.faults, partial(GpioInput, "power_good", spec, factory))
