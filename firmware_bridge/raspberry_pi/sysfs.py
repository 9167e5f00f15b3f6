"""Sensors the kernel shows as files: temperature, power supply, ambient light. A value that cannot be read is None."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from firmware_bridge.ports import PowerState, ThrottleReason

_THROTTLED: Final[dict[int, ThrottleReason]] = {
    0: "under-voltage",
    1: "frequency-capped",
    2: "throttled",
    3: "soft-temperature-limit",
}
"""Bits of the firmware's answer; bits 16-19 say that it happened since boot, which is no present fault."""


class ThermalZone:
    """``ports.ThermalSensor`` on /sys/class/thermal/thermal_zoneN (m°C; kernel ABI sysfs-class-thermal). ``throttle_file``:
    the Raspberry Pi firmware driver's ``get_throttled`` (hexadecimal), where the kernel offers it."""

    def __init__(self, folder: Path, throttle_file: Path | None = None) -> None:
        self._file = folder / "temp"
        self._throttle_file = throttle_file

    def throttled(self) -> frozenset[ThrottleReason] | None:
        text = None if self._throttle_file is None else _text(self._throttle_file)
        try:
            bits = None if text is None else int(text, 16)
        except ValueError:
            return None
        return None if bits is None else frozenset(name for bit, name in _THROTTLED.items() if bits >> bit & 1)

    def temperature_c(self) -> float | None:
        value = _number(self._file)
        return None if value is None else value / 1000


class SysfsPowerSupply:
    """``ports.PowerSupply`` on /sys/class/power_supply/NAME (capacity in %, voltage_now in µV; sysfs-class-power)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def state(self) -> PowerState:
        voltage_uv = _number(self._folder / "voltage_now")
        status = _text(self._folder / "status")
        external = None if status is None else status in ("Charging", "Full", "Not charging")
        return PowerState(
            _number(self._folder / "capacity"), None if voltage_uv is None else voltage_uv / 1e6, external
        )


class IioLightSensor:
    """``ports.LightSensor`` on /sys/bus/iio/devices/iio:deviceN (in_illuminance_input in lux, or raw times scale;
    sysfs-bus-iio)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lux(self) -> float | None:
        processed = _number(self._folder / "in_illuminance_input")
        if processed is not None:
            return processed
        raw, scale = _number(self._folder / "in_illuminance_raw"), _number(self._folder / "in_illuminance_scale")
        return None if raw is None or scale is None else raw * scale


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _number(path: Path) -> float | None:
    text = _text(path)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
