"""gpiozero's way to the pins of a real board."""

from __future__ import annotations

import importlib
from typing import Any

from gpiozero import BadPinFactory

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.options import OptionReader


def pin_factory(reader: OptionReader) -> Any:
    """gpiozero's lgpio factory. Raises DeviceError where the board or the lgpio library is missing."""
    chip = reader.integer("gpio_chip", -1, 0, 255)
    try:
        # Imported here: the library is there on a unit only.
        lgpio: Any = importlib.import_module("gpiozero.pins.lgpio")
        return lgpio.LGPIOFactory() if chip < 0 else lgpio.LGPIOFactory(chip=chip)
    except (ImportError, OSError, BadPinFactory) as error:
        raise DeviceError("gpio", f"无法使用引脚 no GPIO on this machine (lgpio): {error}") from error
    except Exception as error:  # lgpio's own error has no other base
        raise DeviceError("gpio", f"无法使用引脚 the GPIO chip cannot be opened: {error}") from error
