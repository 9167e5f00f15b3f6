"""The drivers on gpiozero's mock pins: the same code as on the Pi, with fingers and lamps replaced."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from gpiozero.pins import mock

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.gpio import GpioButton, GpioInput, GpioOutput, PinSpec
from tests.firmware_bridge.raspberry_pi.stubborn_pins import StubbornFactory

_mock: Any = mock
Edges = queue.SimpleQueue[tuple[bool, int]]


@pytest.fixture
def factory() -> Iterator[Any]:
    factory = _mock.MockFactory()
    yield factory
    factory.close()


def listen(button: GpioButton) -> Edges:
    edges: Edges = queue.SimpleQueue()
    button.start(lambda pressed, at_us: edges.put((pressed, at_us)))
    return edges


@pytest.mark.parametrize("active_high", [False, True])
def test_button_edges_in_both_polarities(factory: Any, active_high: bool) -> None:
    clock = SystemClock()
    button = GpioButton("record", PinSpec("GPIO17", active_high), factory, clock, debounce_us=1_000)
    pin = factory.pin("GPIO17")
    assert pin.pull == ("down" if active_high else "up")
    edges = listen(button)
    before = clock.boottime_us()
    (pin.drive_high if active_high else pin.drive_low)()
    pressed = edges.get(timeout=2)
    (pin.drive_low if active_high else pin.drive_high)()
    released = edges.get(timeout=2)
    assert (pressed[0], released[0]) == (True, False)
    assert before <= pressed[1] <= released[1] <= clock.boottime_us()
    button.close()


def test_bouncing_contact_is_one_press_and_one_release(factory: Any) -> None:
    button = GpioButton("record", PinSpec("GPIO17", False), factory, SystemClock(), debounce_us=60_000)
    edges = listen(button)
    pin = factory.pin("GPIO17")
    for _ in range(5):
        pin.drive_low()
        pin.drive_high()
    assert edges.get(timeout=2)[0] is True
    assert edges.get(timeout=2)[0] is False, "the contact ended open: no release may be lost"
    button.close()
    assert edges.empty()


def test_a_button_held_at_start_is_pressed(factory: Any) -> None:
    button = GpioButton("record", PinSpec("GPIO17", False), factory, SystemClock())
    factory.pin("GPIO17").drive_low()
    edges = listen(button)
    assert edges.get(timeout=2)[0] is True
    button.close()


def test_a_failing_callback_does_not_deafen_the_button(factory: Any, caplog: pytest.LogCaptureFixture) -> None:
    button = GpioButton("record", PinSpec("GPIO17", False), factory, SystemClock(), debounce_us=0)
    heard = threading.Semaphore(0)

    def deliver(pressed: bool, at_us: int) -> None:
        heard.release()
        raise RuntimeError("somebody else's mistake")

    button.start(deliver)
    pin = factory.pin("GPIO17")
    pin.drive_low()
    pin.drive_high()
    assert heard.acquire(timeout=2) and heard.acquire(timeout=2)
    button.close()
    assert "somebody else's mistake" in caplog.text


@pytest.mark.parametrize("active_high", [True, False])
def test_output_polarity_and_off_at_the_end(factory: Any, active_high: bool) -> None:
    output = GpioOutput("led_red", PinSpec("GPIO5", active_high), factory)
    pin = factory.pin("GPIO5")
    assert bool(pin.state) is not active_high and not output.is_on()
    output.set(True)
    assert bool(pin.state) is active_high and output.is_on()
    output.set(False)
    assert bool(pin.state) is not active_high
    output.set(True)
    output.close()
    assert bool(pin.states[-1].state) is not active_high, "a lamp does not stay lit when the program ends"
    output.close()


def test_driving_a_closed_output_is_a_device_error(factory: Any) -> None:
    output = GpioOutput("led_red", PinSpec("GPIO5", True), factory)
    output.close()
    with pytest.raises(DeviceError, match="led_red"):
        output.set(True)


def test_two_devices_on_one_pin_are_refused_by_name(factory: Any) -> None:
    first = GpioOutput("led_red", PinSpec("GPIO5", True), factory)
    with pytest.raises(DeviceError, match=r"led_green.*GPIO5"):
        GpioOutput("led_green", PinSpec("GPIO5", True), factory)
    with pytest.raises(DeviceError, match="record"):
        GpioButton("record", PinSpec("GPIO99", True), factory, SystemClock())
    first.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GPIO17", PinSpec("GPIO17", False)),
        ("GPIO17:high", PinSpec("GPIO17", True)),
        (" BOARD11 : low ", PinSpec("BOARD11", False)),
    ],
)
def test_pin_spec(text: str, expected: PinSpec) -> None:
    assert PinSpec.parse("button_record", text, default_high=False) == expected


@pytest.mark.parametrize("text", ["", ":low", "GPIO17:", "GPIO17:up"])
def test_bad_pin_spec_names_the_option(text: str) -> None:
    with pytest.raises(DeviceError, match="button_record"):
        PinSpec.parse("button_record", text, default_high=False)


def test_whatever_the_pin_library_raises_is_the_devices_fault() -> None:
    """lgpio's error is of no family: each way to it must end as DeviceError, or one busy line ends the unit."""
    factory = StubbornFactory(("GPIO4", "construction"), ("GPIO5", "edges"))
    with pytest.raises(DeviceError, match=r"record.*GPIO4.*busy"):
        GpioButton("record", PinSpec("GPIO4", False), factory, SystemClock())
    with pytest.raises(DeviceError, match=r"mark.*GPIO5.*busy"):
        GpioButton("mark", PinSpec("GPIO5", False), factory, SystemClock())
    with pytest.raises(DeviceError, match=r"led_red.*GPIO4.*busy"):
        GpioOutput("led_red", PinSpec("GPIO4", True), factory)
    with pytest.raises(DeviceError, match=r"power_good.*GPIO5.*busy"):
        GpioInput("power_good", PinSpec("GPIO5", True), factory)
    factory.close()


def test_a_button_whose_level_cannot_be_read_does_not_start() -> None:
    factory = StubbornFactory()
    button = GpioButton("record", PinSpec("GPIO17", False), factory, SystemClock())
    factory.refused.add(("GPIO17", "read"))
    with pytest.raises(DeviceError, match=r"record.*busy"):
        button.start(lambda pressed, at_us: None)
    factory.refused.clear()
    edges = listen(button)
    factory.refused.add(("GPIO17", "close"))
    with pytest.raises(DeviceError, match=r"record.*busy"):
        button.close()
    assert edges.empty() and "button-record" not in {thread.name for thread in threading.enumerate()}
    factory.refused.clear()
    factory.close()


def test_an_output_that_cannot_be_driven_is_let_go_all_the_same() -> None:
    factory = StubbornFactory()
    output = GpioOutput("led_red", PinSpec("GPIO5", True), factory)
    factory.refused.add(("GPIO5", "set"))
    with pytest.raises(DeviceError, match=r"led_red.*busy"):
        output.set(True)
    with pytest.raises(DeviceError, match=r"led_red.*busy"):
        output.close()
    factory.refused.clear()
    GpioOutput("led_red", PinSpec("GPIO5", True), factory).close()
    factory.close()


def test_an_input_that_cannot_be_read_is_unknown() -> None:
    factory = StubbornFactory()
    line = GpioInput("power_good", PinSpec("GPIO24", True), factory)
    factory.refused.add(("GPIO24", "read"))
    assert line.is_active() is None
    factory.refused.clear()
    line.close()
    factory.close()
