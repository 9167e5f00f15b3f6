"""The ignition line on gpiozero's mock pins."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest
from gpiozero.pins import mock

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.gpio import GpioInput, PinSpec
from firmware_bridge.raspberry_pi.ignition import GpioIgnition
from tests.firmware_bridge.raspberry_pi.stubborn_pins import StubbornFactory

_mock: Any = mock
Levels = queue.SimpleQueue[tuple[bool, int]]


@pytest.fixture
def factory() -> Iterator[Any]:
    factory = _mock.MockFactory()
    yield factory
    factory.close()


def listen(ignition: GpioIgnition) -> Levels:
    levels: Levels = queue.SimpleQueue()
    ignition.start(lambda on, since_us: levels.put((on, since_us)))
    return levels


@pytest.mark.parametrize("active_high", [True, False])
def test_the_level_at_the_start_and_each_change(factory: Any, active_high: bool) -> None:
    clock = SystemClock()
    ignition = GpioIgnition(PinSpec("GPIO22", active_high), factory, clock, on_us=1_000, off_us=2_000)
    pin = factory.pin("GPIO22")
    assert pin.pull == ("down" if active_high else "up"), "a broken wire is an ignition that is off"
    assert ignition.is_on() is None
    levels = listen(ignition)
    before = clock.boottime_us()
    assert levels.get(timeout=2)[0] is False
    (pin.drive_high if active_high else pin.drive_low)()
    on, since_us = levels.get(timeout=2)
    assert on and before <= since_us <= clock.boottime_us() - 1_000
    assert ignition.is_on() is True
    (pin.drive_low if active_high else pin.drive_high)()
    assert levels.get(timeout=2)[0] is False
    ignition.close()


def test_a_dip_is_not_told(factory: Any) -> None:
    ignition = GpioIgnition(PinSpec("GPIO22", True), factory, SystemClock(), on_us=0, off_us=60_000_000)
    pin = factory.pin("GPIO22")
    pin.drive_high()
    levels = listen(ignition)
    assert levels.get(timeout=2)[0] is True
    for _ in range(5):
        pin.drive_low()
        pin.drive_high()
    ignition.close()
    assert levels.empty() and ignition.is_on() is True


def test_a_failing_callback_does_not_deafen_it(factory: Any, caplog: pytest.LogCaptureFixture) -> None:
    ignition = GpioIgnition(PinSpec("GPIO22", True), factory, SystemClock(), on_us=0, off_us=0)
    told: Levels = queue.SimpleQueue()

    def deliver(on: bool, since_us: int) -> None:
        told.put((on, since_us))
        raise RuntimeError("somebody else's mistake")

    ignition.start(deliver)
    assert told.get(timeout=2)[0] is False
    factory.pin("GPIO22").drive_high()
    assert told.get(timeout=2)[0] is True
    ignition.close()
    assert "somebody else's mistake" in caplog.text


def test_started_twice_or_on_a_pin_that_is_none(factory: Any) -> None:
    with pytest.raises(DeviceError, match=r"ignition.*GPIO99"):
        GpioIgnition(PinSpec("GPIO99", True), factory, SystemClock())
    ignition = GpioIgnition(PinSpec("GPIO22", True), factory, SystemClock())
    listen(ignition)
    with pytest.raises(DeviceError, match="already started"):
        listen(ignition)
    ignition.close()


def test_a_charger_s_line_is_asked_for(factory: Any) -> None:
    line = GpioInput("power_good", PinSpec("GPIO4", False), factory)
    assert line.is_active() is False
    factory.pin("GPIO4").drive_low()
    assert line.is_active() is True
    line.close()
    assert line.is_active() is None
    with pytest.raises(DeviceError, match="power_good"):
        GpioInput("power_good", PinSpec("GPIO99", False), factory)


def test_whatever_the_pin_library_raises_is_the_ignitions_fault() -> None:
    factory = StubbornFactory(("GPIO4", "construction"))
    with pytest.raises(DeviceError, match=r"ignition.*GPIO4.*busy"):
        GpioIgnition(PinSpec("GPIO4", True), factory, SystemClock())
    ignition = GpioIgnition(PinSpec("GPIO22", True), factory, SystemClock())
    factory.refused.add(("GPIO22", "read"))
    with pytest.raises(DeviceError, match=r"ignition.*busy"):
        listen(ignition)
    factory.refused.add(("GPIO22", "close"))
    with pytest.raises(DeviceError, match=r"ignition.*busy"):
        ignition.close()
    factory.refused.clear()
    factory.close()
