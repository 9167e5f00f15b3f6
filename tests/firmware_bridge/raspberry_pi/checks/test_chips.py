"""Gauge and monitor: absent, not what the board file says, with a reading that cannot be, well."""

from __future__ import annotations

import errno

import pytest

from firmware_bridge.ports import Check, DeviceError
from firmware_bridge.raspberry_pi.checks.chips import chips
from firmware_bridge.raspberry_pi.i2c import I2cBus
from firmware_bridge.raspberry_pi.options import OptionReader
from tests.firmware_bridge.raspberry_pi.i2c_stub import StubBus

GAUGE = {"battery_gauge": "max17048"}
MONITOR = {"power_monitor": "ina226", "power_shunt_ohm": "0.01"}


def looked(options: dict[str, str], bus: StubBus) -> Check:
    (check,) = chips(OptionReader(options), lambda number: bus)
    return check


def gauge(**registers: int) -> StubBus:
    bus = StubBus()
    for name, register in (("vcell", 0x02), ("soc", 0x04), ("version", 0x08), ("crate", 0x16)):
        bus.put(0x36, register, {"vcell": 48000, "soc": 0x5780, "version": 0x0012, "crate": 0, **registers}[name])
    return bus


def monitor(maker: int = 0x5449, voltage: int = 4000, config: int = 0x4527) -> StubBus:
    bus = StubBus()
    for register, value in ((0x00, config), (0x01, 400), (0x02, voltage), (0xFE, maker)):
        bus.put(0x40, register, value)
    return bus


def test_a_gauge_that_is_well() -> None:
    check = looked(GAUGE, gauge())
    assert check.verdict == "ok" and "3.75 V" in check.en and "88 %" in check.en


@pytest.mark.parametrize(
    ("bus", "verdict"),
    [(StubBus(), "fault"), (gauge(version=0xFFFF), "fault"), (gauge(vcell=0), "fault"), (gauge(soc=0xFFFF), "warning")],
    ids=["absent", "stuck bus", "no battery", "impossible charge"],
)
def test_a_gauge_that_is_not(bus: StubBus, verdict: str) -> None:
    check = looked(GAUGE, bus)
    assert check.verdict == verdict and check.advice_zh and check.advice_en


def test_an_absent_chip_names_the_command_that_finds_it() -> None:
    assert "i2cdetect -y 3" in looked({**GAUGE, "battery_bus": "3"}, StubBus()).advice_en


def test_a_monitor_that_is_well_is_read_after_it_was_set_up() -> None:
    check = looked(MONITOR, monitor(config=0x4127))
    assert check.verdict == "ok" and "5.00 V" in check.en and "+0.10 A" in check.en
    assert "supply" in check.en
    turned = looked({**MONITOR, "power_measures": "battery", "power_reversed": "true"}, monitor())
    assert "-0.10 A" in turned.en and "charging" in turned.en


def test_another_chip_at_the_monitors_address() -> None:
    check = looked(MONITOR, monitor(maker=0x1234))
    assert check.verdict == "fault" and "0x1234" in check.en and "ina219" in check.advice_en


def test_a_monitor_without_a_reading() -> None:
    assert looked(MONITOR, monitor(voltage=0)).verdict == "warning"


def test_a_bus_that_is_not_there() -> None:
    def open_bus(number: int) -> I2cBus:
        raise DeviceError(f"i2c-{number}", "there is none", errno.ENOENT)

    found = list(chips(OptionReader({**GAUGE, **MONITOR}), open_bus))
    assert [(check.device, check.verdict) for check in found] == [("battery", "fault"), ("power", "fault")]
    assert "dtparam=i2c_arm=on" in found[0].advice_en


def test_a_board_without_chips_has_none_to_look_at() -> None:
    assert list(chips(OptionReader({}), lambda number: StubBus())) == []
