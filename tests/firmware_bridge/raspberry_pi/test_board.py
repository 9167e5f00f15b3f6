"""The board is what the options say, less what cannot be had; whatever is missing is said by name."""

from __future__ import annotations

import errno
import importlib.util
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins import mock

from firmware_bridge.ports import BoardIdentity, DeviceError
from firmware_bridge.raspberry_pi.board import capture_board, compose, unit_board
from firmware_bridge.raspberry_pi.camera import Picamera2Camera
from firmware_bridge.raspberry_pi.checks.board import level
from firmware_bridge.raspberry_pi.gnss import SerialGnss
from firmware_bridge.raspberry_pi.gpio import PinSpec
from firmware_bridge.raspberry_pi.i2c import I2cBus
from firmware_bridge.raspberry_pi.options import OptionReader
from firmware_bridge.raspberry_pi.watchdog import LinuxWatchdog
from recorder.unit.devices import guard, listen
from tests.firmware_bridge.manual_clock import ManualClock
from tests.firmware_bridge.raspberry_pi.stubborn_pins import StubbornFactory

_mock: Any = mock
IDENTITY = BoardIdentity("u1", "test", "0")


@pytest.fixture
def factory() -> Iterator[Any]:
    factory = _mock.MockFactory()
    yield factory
    factory.close()


class AbsentChips:
    """An adapter nobody answers on."""

    number = 1

    def __init__(self) -> None:
        self.closed = False

    def read_byte(self, address: int, register: int) -> int:
        raise OSError(errno.EREMOTEIO, "Remote I/O error")

    def read_word(self, address: int, register: int) -> int:
        raise OSError(errno.EREMOTEIO, "Remote I/O error")

    def write_byte(self, address: int, register: int, value: int) -> None:
        raise OSError(errno.EREMOTEIO, "Remote I/O error")

    def write_word(self, address: int, register: int, value: int) -> None:
        raise OSError(errno.EREMOTEIO, "Remote I/O error")

    def close(self) -> None:
        self.closed = True


def no_bus(number: int) -> I2cBus:
    raise DeviceError(f"i2c-{number}", "there is none", errno.ENOENT)


def test_devices_are_what_the_options_say(factory: Any, tmp_path: Path) -> None:
    opened: list[int] = []
    bus = AbsentChips()

    def open_bus(number: int) -> I2cBus:
        opened.append(number)
        return bus

    options = {
        "button_record": "GPIO17",
        "led_red": "GPIO5:low",
        "ignition": "GPIO25",
        "power_good": "GPIO24:low",
        "gnss_device": "/dev/null",
        "thermal_zone": str(tmp_path),
        "light_sensor": str(tmp_path),
        "battery_gauge": "max17048",
        "power_monitor": "ina226",
        "power_shunt_ohm": "0.01",
        "watchdog_device": "/dev/watchdog9",
    }
    board = compose(options, factory, ManualClock(), IDENTITY, open_bus)
    assert set(board.buttons) == {"record"} and set(board.outputs) == {"led_red"}
    assert isinstance(board.gnss, SerialGnss) and isinstance(board.watchdog, LinuxWatchdog)
    assert bool(factory.pin("GPIO5").state) is True, "active-low and off"
    assert board.thermal is not None and board.thermal.temperature_c() is None
    assert board.ignition is not None and board.light is not None and board.power is not None
    assert board.faults == []
    board.close()
    assert opened == [1], "two chips on one adapter"
    assert bus.closed


def test_nothing_configured_is_a_board_without_devices(factory: Any) -> None:
    board = compose({}, factory, ManualClock(), IDENTITY)
    assert not board.buttons and not board.outputs and board.faults == []
    assert (board.gnss, board.light, board.power, board.thermal) == (None, None, None, None)
    assert (board.ignition, board.watchdog, board.speaker) == (None, None, None)
    board.close()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"buton_record": "GPIO17"}, "buton_record"),
        ({"debounce_ms": "soon"}, "debounce_ms"),
        ({"gnss_device": "/dev/x", "gnss_baud": "nan"}, "gnss_baud"),
        ({"button_record": "GPIO17:sideways"}, "button_record"),
        ({"led_green": "GPIO77"}, "led_green"),
        ({"led_green": "GPIO5"}, "led_green"),
        ({"ignition": "GPIO5"}, "ignition"),
        ({"battery_gauge": "max17048"}, "i2c-1"),
        ({"camera.cam0.rotation": "90"}, "camera.cam0.rotation"),
        ({"camera.cam0.tuning": "no_such_sensor.json"}, "camera.cam0.tuning"),
    ],
)
def test_what_cannot_be_had_is_a_fault_and_the_rest_works(factory: Any, options: dict[str, str], name: str) -> None:
    board = compose({"led_red": "GPIO5", **options}, factory, ManualClock(), IDENTITY, no_bus)
    (fault,) = board.faults
    assert name in str(fault)
    board.outputs["led_red"].set(True)
    assert bool(factory.pin("GPIO5").state) is True
    board.close()


@pytest.mark.parametrize(
    ("option", "step"),
    [
        ("button_record", "construction"),
        ("button_record", "edges"),
        ("ignition", "construction"),
        ("power_good", "edges"),
        ("led_green", "construction"),
    ],
)
def test_a_line_the_kernel_keeps_for_itself_is_a_fault_and_the_rest_works(option: str, step: str) -> None:
    factory = StubbornFactory(("GPIO4", step))
    board = compose({"led_red": "GPIO5", option: "GPIO4"}, factory, ManualClock(), IDENTITY, no_bus)
    (fault,) = board.faults
    assert fault.device in option and "GPIO4" in str(fault) and "busy" in str(fault)
    board.outputs["led_red"].set(True)
    assert bool(factory.pin("GPIO5").state) is True
    factory.refused.add(("GPIO5", "close"))
    board.close()
    factory.refused.clear()
    factory.close()


def test_pins_that_break_later_are_findings_of_the_unit() -> None:
    """Guards and listeners of the unit know DeviceError only."""
    factory = StubbornFactory()
    options = {"led_red": "GPIO5", "button_record": "GPIO17", "button_mark": "GPIO27", "ignition": "GPIO25"}
    board = compose(options, factory, ManualClock(), IDENTITY, no_bus)
    factory.refused |= {("GPIO5", "set"), ("GPIO17", "read"), ("GPIO25", "read")}
    (led,) = guard(board)
    board.outputs["led_red"].set(True)
    failure = led.failure()
    assert failure is not None and failure.device == "led_red"
    findings = listen(board, queue.Queue(), gnss=False)
    assert [finding.subject for finding in findings] == ["button-record", "ignition"]
    board.close()
    factory.refused.clear()
    factory.close()


@pytest.mark.parametrize("step", ["construction", "edges", "read", "close"])
def test_the_doctor_s_look_at_a_busy_line_is_a_device_error(step: str) -> None:
    """Anything else would end the check of all the pins behind it."""
    factory = StubbornFactory(("GPIO4", step))
    with pytest.raises(DeviceError, match="gpio"):
        level(OptionReader({}), PinSpec("GPIO4", True), lambda reader: factory)


def test_a_unit_without_gpio_is_a_board_with_that_fault() -> None:
    if importlib.util.find_spec("lgpio") is not None:
        pytest.skip("this machine has lgpio")
    board = unit_board({"ueid": "u1", "hwmodel": "m", "button_record": "GPIO17", "led_red": "GPIO5"})
    assert board.identity == BoardIdentity("u1", "m", "unknown")
    assert [fault.device for fault in board.faults] == ["gpio"], "one fault, not one for each pin"
    assert not board.buttons and not board.outputs
    board.close()


def test_unit_board_without_pins_needs_no_gpio_library() -> None:
    board = unit_board({"ueid": "u1", "hwmodel": "m"})
    assert board.faults == []
    board.close()


def test_the_worker_gets_the_camera_its_options_name() -> None:
    board = capture_board(
        {
            "camera.cam1.index": "1",
            "camera.cam1.encoder": "libx264",
            "camera.cam1.rotation": "180",
            "camera.cam1.microphone": "none",
        },
        "cam1",
    )
    assert isinstance(board.camera, Picamera2Camera) and board.microphone is None
    assert board.camera._arguments == (1, "libx264", 180, 2, None, {})
    board.close()


def test_a_camera_named_by_its_model_is_looked_for_when_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before: libcamera reads the tuning file's name when it first looks, and may not see every camera yet."""

    def looked() -> None:
        raise AssertionError("too early")

    monkeypatch.setattr("firmware_bridge.raspberry_pi.camera.attached_cameras", looked)
    board = capture_board({"camera.cam0.sensor": "imx219", "camera.cam0.encoder": "libx264"}, "cam0")
    assert isinstance(board.camera, Picamera2Camera) and board.camera._arguments[0] == "imx219"
    board.close()
