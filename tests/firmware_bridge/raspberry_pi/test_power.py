"""Which source wins, what happens when one falls silent, and a bus that hangs."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from firmware_bridge.ports import BoardIdentity, PowerState
from firmware_bridge.raspberry_pi.board import compose
from firmware_bridge.raspberry_pi.fuel_gauge import GaugeReading, Max1704x
from firmware_bridge.raspberry_pi.power import PolledPower, PowerReadings, combine
from firmware_bridge.raspberry_pi.power_monitor import Ina2xx, MonitorReading
from firmware_bridge.raspberry_pi.sysfs import SysfsPowerSupply
from tests.firmware_bridge.manual_clock import ManualClock
from tests.firmware_bridge.raspberry_pi.i2c_stub import StubBus
from tests.firmware_bridge.raspberry_pi.waiting import until

GAUGE = GaugeReading(80.0, 3.9, -12.0)
MONITOR = MonitorReading(3.8, -0.7)
KERNEL = PowerState(70.0, 3.7, True)
NOTHING = PowerState(None, None, None)


@pytest.mark.parametrize(
    ("readings", "state"),
    [
        (PowerReadings(), NOTHING),
        (PowerReadings(GAUGE, MONITOR, (KERNEL,)), PowerState(80.0, 3.9, True)),
        (PowerReadings(GAUGE, MONITOR), PowerState(80.0, 3.9, False)),
        (PowerReadings(GAUGE), PowerState(80.0, 3.9, False)),
        (PowerReadings(None, MONITOR), PowerState(None, 3.8, False)),
        (PowerReadings(None, None, (KERNEL,)), KERNEL),
        (PowerReadings(GaugeReading(None, None, None), MONITOR, (KERNEL,)), PowerState(70.0, 3.8, True)),
        # The line of the charger's input is the last word, whatever the battery does.
        (PowerReadings(GAUGE, MONITOR, (KERNEL,), power_good=False), PowerState(80.0, 3.9, False)),
        (PowerReadings(GAUGE, MONITOR, power_good=True), PowerState(80.0, 3.9, True)),
        # What feeds the unit is no battery: its current is no charging, its voltage not the cell's.
        (PowerReadings(None, MonitorReading(5.1, 0.9), measures="supply"), NOTHING),
        (PowerReadings(GAUGE, MonitorReading(5.1, 0.9), measures="supply"), PowerState(80.0, 3.9, False)),
        (PowerReadings(None, MonitorReading(5.1, 0.9), (KERNEL,), measures="supply"), KERNEL),
        # One of two chargers is fed.
        (
            PowerReadings(supplies=(PowerState(None, None, False), PowerState(None, None, True))),
            PowerState(None, None, True),
        ),
        # A current that is hardly one, a rate that is hardly one: nobody knows.
        (PowerReadings(None, MonitorReading(4.1, 0.01)), PowerState(None, 4.1, None)),
        (PowerReadings(GaugeReading(99.0, 4.1, 0.2)), PowerState(99.0, 4.1, None)),
        (PowerReadings(GaugeReading(99.0, 4.1, -8.0), MonitorReading(4.1, 0.5)), PowerState(99.0, 4.1, True)),
    ],
)
def test_the_best_source_that_speaks_is_believed(readings: PowerReadings, state: PowerState) -> None:
    assert combine(readings) == state


def stub() -> StubBus:
    bus = StubBus()
    bus.put(0x36, 0x02, 48000)
    bus.put(0x36, 0x04, 0x5000)
    bus.put(0x40, 0x00, 0x4527)
    bus.put(0x40, 0x01, 20000)
    bus.put(0x40, 0x02, 3200)
    return bus


def test_chips_on_one_bus_are_one_supply() -> None:
    bus = stub()
    power = PolledPower(ManualClock(), gauge=Max1704x(bus, "max17048"), monitor=Ina2xx(bus, "ina226"), interval_s=0.005)
    until(lambda: power.state() == PowerState(80.0, 3.75, True), "both chips' reading")
    assert power.failure() is None
    power.close()


def test_a_gauge_that_falls_off_is_a_failure_and_the_others_stand_in(tmp_path: Path) -> None:
    bus = stub()
    (tmp_path / "capacity").write_text("42\n")
    power = PolledPower(
        ManualClock(),
        gauge=Max1704x(bus, "max17048"),
        monitor=Ina2xx(bus, "ina226"),
        supplies=[SysfsPowerSupply(tmp_path)],
        interval_s=0.005,
    )
    until(lambda: power.state().battery_percent == 80.0, "the gauge's reading")
    lost = bus.chips.pop(0x36)
    until(lambda: power.state() == PowerState(42.0, 4.0, True), "the reading of what is left")
    failure = power.failure()
    assert failure is not None and failure.device == "max17048" and failure.errno == errno.ENODEV
    bus.chips[0x36] = lost
    until(lambda: power.state().battery_percent == 80.0 and power.failure() is None, "the gauge again")
    power.close()


def test_a_bus_that_hangs_stalls_nobody_and_is_a_failure() -> None:
    bus, clock = stub(), ManualClock()
    power = PolledPower(clock, gauge=Max1704x(bus, "max17048"), interval_s=0.005, max_age_s=10)
    until(lambda: power.state().battery_percent == 80.0, "the gauge's reading")
    bus.hang.clear()
    before = bus.transfers
    until(lambda: bus.transfers > before, "a transfer that hangs")
    clock.now_us += 10_000_001
    assert power.state() == NOTHING
    failure = power.failure()
    assert failure is not None and "hangs" in str(failure)
    bus.hang.set()
    power.close()


@pytest.mark.parametrize(
    ("wired", "external"),
    [
        ({}, None),
        ({"power_measures": "supply"}, None),
        ({"power_measures": "battery"}, True),
        ({"power_measures": "battery", "power_reversed": "true"}, False),
    ],
    ids=["nothing said", "supply", "battery", "battery, the other way round"],
)
def test_only_a_battery_s_current_says_whether_it_charges(wired: dict[str, str], external: bool | None) -> None:
    options = {"power_monitor": "ina226", "power_shunt_ohm": "0.1", "battery_gauge": "max17043", **wired}
    bus = stub()
    board = compose(options, None, ManualClock(), BoardIdentity("u1", "test", "0"), lambda number: bus)
    power = board.power
    assert power is not None and board.faults == []
    until(lambda: power.state().battery_percent is not None, "a reading")
    assert power.state().external is external
    board.close()
