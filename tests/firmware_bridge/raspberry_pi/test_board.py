"""The board is put together from strings; whatever is wrong with them is said by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins import mock

from firmware_bridge.ports import BoardIdentity, DeviceError
from firmware_bridge.raspberry_pi.board import capture_board, compose, unit_board
from firmware_bridge.raspberry_pi.gnss import SerialGnss
from tests.firmware_bridge.manual_clock import ManualClock

_mock: Any = mock
IDENTITY = BoardIdentity("u1", "test", "0")


@pytest.fixture
def factory() -> Iterator[Any]:
    factory = _mock.MockFactory()
    yield factory
    factory.close()


def test_devices_are_what_the_options_say(factory: Any, tmp_path: Path) -> None:
    options = {
        "button_record": "GPIO17",
        "led_red": "GPIO5:low",
        "gnss_device": "/dev/null",
        "thermal_zone": str(tmp_path),
        "power_supply": str(tmp_path),
        "light_sensor": str(tmp_path),
    }
    board = compose(options, factory, ManualClock(), IDENTITY)
    assert set(board.buttons) == {"record"} and set(board.outputs) == {"led_red"}
    assert isinstance(board.gnss, SerialGnss)
    assert bool(factory.pin("GPIO5").state) is True, "active-low and off"
    assert board.thermal is not None and board.thermal.temperature_c() is None
    board.close()


def test_nothing_configured_is_a_board_without_devices(factory: Any) -> None:
    board = compose({}, factory, ManualClock(), IDENTITY)
    assert not board.buttons and not board.outputs
    assert (board.gnss, board.light, board.power, board.thermal) == (None, None, None, None)
    board.close()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"buton_record": "GPIO17"}, "buton_record"),
        ({"debounce_ms": "soon"}, "debounce_ms"),
        ({"debounce_ms": "-1"}, "debounce_ms"),
        ({"gnss_device": "/dev/x", "gnss_baud": "nan"}, "gnss_baud"),
        ({"button_record": "GPIO17:sideways"}, "button_record"),
        ({"led_red": "GPIO77"}, "led_red"),
    ],
)
def test_a_wrong_option_is_named(factory: Any, options: dict[str, str], name: str) -> None:
    with pytest.raises(DeviceError, match=name):
        compose(options, factory, ManualClock(), IDENTITY)


def test_a_half_made_board_lets_go_of_its_pins(factory: Any) -> None:
    with pytest.raises(DeviceError):
        compose({"button_record": "GPIO17", "led_red": "GPIO77"}, factory, ManualClock(), IDENTITY)
    compose({"button_record": "GPIO17"}, factory, ManualClock(), IDENTITY).close()


def test_this_version_says_that_it_has_no_camera_driver() -> None:
    with pytest.raises(DeviceError, match="picamera2"):
        capture_board({}, "cam0")


def test_unit_board_without_pins_needs_no_gpio_library() -> None:
    board = unit_board({"ueid": "u1", "hwmodel": "m"})
    assert board.identity == BoardIdentity("u1", "m", "unknown")
    board.close()
