"""Sensors the kernel shows as files: temperature, power supply, ambient light. A value that cannot be read is None."""

from __future__ import annotations

from pathlib import Path

from firmware_bridge.ports import PowerState


class ThermalZone:
    """``ports.ThermalSensor`` on /sys/class/thermal/thermal_zoneN (m°C; kernel ABI sysfs-class-thermal)."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "temp"

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
