"""The power monitors by their data sheets' numbers."""

from __future__ import annotations

import pytest

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.power_monitor import Ina2xx, MonitorModel, MonitorReading
from tests.firmware_bridge.raspberry_pi.i2c_stub import StubBus

CONFIG, SHUNT, BUS = 0x00, 0x01, 0x02
SET = {"ina219": 0x3E67, "ina226": 0x4527}


def bench(
    model: MonitorModel, bus_word: int, shunt: int, *, reversed: bool = False, ohm: float = 0.1
) -> tuple[StubBus, Ina2xx]:
    bus = StubBus()
    bus.put(0x40, CONFIG, SET[model])
    bus.put(0x40, BUS, bus_word)
    bus.put(0x40, SHUNT, shunt & 0xFFFF)
    return bus, Ina2xx(bus, model, 0x40, ohm, reversed=reversed)


@pytest.mark.parametrize(
    ("model", "bus_word", "shunt", "volts", "ampere"),
    [
        ("ina219", 1000 << 3 | 2, 5000, 4.0, 0.5),  # 50 mV over 0.1 Ω; bit 1 (conversion ready) is no voltage
        ("ina219", 3000 << 3, -12000, 12.0, -1.2),
        ("ina226", 3200, 20000, 4.0, 0.5),
        ("ina226", 9600, -20000, 12.0, -0.5),
    ],
)
def test_voltage_and_signed_current(
    model: MonitorModel, bus_word: int, shunt: int, volts: float, ampere: float
) -> None:
    _, monitor = bench(model, bus_word, shunt)
    reading = monitor.read()
    assert reading.voltage_v == pytest.approx(volts) and reading.current_a == pytest.approx(ampere)


def test_a_shunt_the_other_way_round_and_of_another_size() -> None:
    _, monitor = bench("ina226", 3200, 20000, reversed=True, ohm=0.01)
    assert monitor.read().current_a == pytest.approx(-5.0)


@pytest.mark.parametrize(("model", "power_on"), [("ina219", 0x399F), ("ina226", 0x4127), ("ina219", 0x0000)])
def test_a_chip_that_was_reset_is_set_again_and_its_stale_values_are_left_out(
    model: MonitorModel, power_on: int
) -> None:
    bus, monitor = bench(model, 3200, 100)
    bus.put(0x40, CONFIG, power_on)
    assert monitor.read() == MonitorReading(None, None)
    assert bus.shown(0x40, CONFIG) == SET[model]
    assert monitor.read().voltage_v is not None


def test_what_cannot_be_is_none() -> None:
    _, overflowed = bench("ina219", 1000 << 3 | 1, 100)
    assert overflowed.read() == MonitorReading(None, None)
    _, dead = bench("ina226", 0, 100)
    assert dead.read() == MonitorReading(None, None)
    _, saturated = bench("ina226", 3200, -0x8000)
    assert saturated.read() == MonitorReading(4.0, None), "more than the shunt can show is no current"
    _, saturated = bench("ina219", 1000 << 3, 32000)
    assert saturated.read() == MonitorReading(4.0, None)


def test_a_monitor_that_is_gone_is_an_error() -> None:
    with pytest.raises(DeviceError, match="ina219: i2c-1 0x41"):
        Ina2xx(StubBus(), "ina219", 0x41).read()
