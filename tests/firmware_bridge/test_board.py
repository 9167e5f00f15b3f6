"""Closing a board closes everything on it, also when one device refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from firmware_bridge.board import UnitDevices
from firmware_bridge.ports import BoardIdentity, DeviceError
from tests.firmware_bridge.manual_clock import ManualClock


class LibraryError(Exception):
    """As lgpio's: of no family a driver knows."""


class Device:
    def __init__(self, closed: list[str], name: str, refuses: Exception | None = None) -> None:
        self._closed, self._name, self._refuses = closed, name, refuses

    def start(self, deliver: Callable[[bool, int], None]) -> None: ...

    def set(self, on: bool) -> None: ...

    def is_on(self) -> bool:
        return False

    def close(self) -> None:
        self._closed.append(self._name)
        if self._refuses is not None:
            raise self._refuses


@pytest.mark.parametrize(
    "error", [DeviceError("x", "will not close"), OSError(5, "Input/output error"), LibraryError("GPIO busy")]
)
def test_close_goes_through(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []
    board = UnitDevices(
        ManualClock(),
        BoardIdentity("u", "m", "v"),
        buttons={"record": Device(closed, "record", refuses=error)},
        outputs={"led_red": Device(closed, "led_red", refuses=error), "led_green": Device(closed, "led_green")},
        on_close=(lambda: closed.append("factory"),),
    )
    board.close()
    assert closed == ["record", "led_red", "led_green", "factory"]
    assert str(error) in caplog.text
