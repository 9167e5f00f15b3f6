"""Reading flat board options. A wrong one is a fault and its default is used: no option is a reason not to record."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar, cast, get_args

from firmware_bridge.ports import BoardOptions, DeviceError
from firmware_bridge.raspberry_pi.gpio import PinSpec

T = TypeVar("T")

NONE: Final = "none"
"""As a value: this device is not fitted."""

BUTTONS: Final = ("record", "mark")
OUTPUTS: Final = ("led_red", "led_green", "led_yellow", "vibration", "ir_lamp", "ir_cut")

OPTIONS: Final = frozenset(
    {
        *(f"button_{name}" for name in BUTTONS),
        *OUTPUTS,
        "battery_address",
        "battery_bus",
        "battery_gauge",
        "debounce_ms",
        "gnss_baud",
        "gnss_device",
        "gnss_max_speed_mps",
        "gnss_pps",
        "gpio_chip",
        "hwmodel",
        "hwversion",
        "ignition",
        "light_sensor",
        "microphone_device",
        "microphone_latency_ms",
        "power_address",
        "power_bus",
        "power_good",
        "power_measures",
        "power_monitor",
        "power_reversed",
        "power_shunt_ohm",
        "power_supply",
        "rtc_device",
        "speaker_device",
        "thermal_throttle_file",
        "thermal_zone",
        "ueid",
        "watchdog_device",
        "watchdog_timeout_s",
    }
)
"""All that are not of a camera."""

CAMERA_OPTIONS: Final = frozenset(
    {"index", "sensor", "encoder", "rotation", "tuning", "threads", "controls", "microphone"}
)
_FLAGS: Final = {"true": True, "false": False}
_CAMERA: Final = re.compile(r"camera\.([a-z0-9-]+)\.([a-z_]+)")


class OptionReader:
    """``faults`` collects what is wrong, each naming its option."""

    def __init__(self, options: BoardOptions) -> None:
        self._options = options
        self.faults: list[DeviceError] = []
        unknown = sorted(name for name in options if not _known(name))
        if unknown:
            known = ", ".join(sorted(OPTIONS))
            self._wrong("board.options", f"不认识的选项 unknown option: {', '.join(unknown)}. 可用 known: {known}")

    def raw(self, name: str) -> str:
        """As it stands, empty where absent."""
        return self._options.get(name, "").strip()

    def text(self, name: str) -> str | None:
        """None where absent, empty or ``none``."""
        text = self.raw(name)
        return None if text in ("", NONE) else text

    def given(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that name a device."""
        return [name for name in names if self.text(name) is not None]

    def number(self, name: str, default: float, low: float, high: float) -> float:
        return self._parsed(
            name, default, lambda text: _in_range(float(text), low, high), f"a number 数值 {low:g} … {high:g}"
        )

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Decimal or 0x…"""
        return self._parsed(
            name, default, lambda text: _in_range(int(text, 0), low, high), f"a whole number 整数 {low} … {high}"
        )

    def choice(self, name: str, default: T, choices: Any) -> T:
        """``choices``: the Literal type whose values are allowed; its very value is returned."""
        allowed = {str(value): value for value in get_args(choices)}
        return self._parsed(name, default, lambda text: cast(T, _one_of(text, allowed)), " | ".join(allowed))

    def flag(self, name: str, default: bool) -> bool:
        """``true`` or ``false``."""
        return self._parsed(name, default, lambda text: bool(_one_of(text, _FLAGS)), " | ".join(_FLAGS))

    def table(self, name: str) -> dict[str, Any]:
        """A JSON object."""
        return self._parsed(name, {}, _json_object, "a JSON object JSON 对象")

    def pin(self, name: str, *, default_high: bool) -> PinSpec | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            return PinSpec.parse(name, text, default_high=default_high)
        except DeviceError as error:
            self.faults.append(error)
            return None

    def cameras(self) -> list[str]:
        """Ids of the cameras that have options."""
        return sorted({match[1] for name in self._options if (match := _CAMERA.fullmatch(name)) is not None})

    def _parsed(self, name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
        text = self.text(name)
        if text is None:
            return default
        try:
            return parse(text)
        except ValueError:
            self._wrong(f"board.options.{name}", f"{text!r}: 应为 should be {expected}")
            return default

    def _wrong(self, name: str, message: str) -> None:
        self.faults.append(DeviceError(name, message))


def _known(name: str) -> bool:
    match = _CAMERA.fullmatch(name)
    return name in OPTIONS or (match is not None and match[2] in CAMERA_OPTIONS)


def _in_range(value: T, low: float, high: float) -> T:
    number = cast(float, value)
    if math.isnan(number) or not low <= number <= high:
        raise ValueError(value)
    return value


def _one_of(text: str, allowed: dict[str, Any]) -> Any:
    if text not in allowed:
        raise ValueError(text)
    return allowed[text]


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value
