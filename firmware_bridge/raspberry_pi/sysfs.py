"""Sensors the kernel shows as files: temperature, power supply, ambient light. A value that cannot be read is None."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from firmware_bridge.ports import Clock, DeviceError, LightSensor, PowerState, ThrottleReason
from firmware_bridge.raspberry_pi.polling import Polled
from firmware_bridge.raspberry_pi.throttling import ThrottleSource

_STATUS: Final = {"Charging": True, "Full": True, "Not charging": True, "Discharging": False}
"""Of a battery: does something else feed the unit? ``Unknown`` says nothing."""


class ThermalZone:
    """``ports.ThermalSensor`` on /sys/class/thermal/thermal_zoneN (m°C; kernel ABI sysfs-class-thermal). ``throttle``: who
    knows why the processor is slowed down (``throttling.py``); nobody where None."""

    def __init__(self, folder: Path, throttle: ThrottleSource | None = None) -> None:
        self._file = folder / "temp"
        self._throttle = throttle

    def throttled(self) -> frozenset[ThrottleReason] | None:
        return None if self._throttle is None else self._throttle.throttled()

    def failure(self) -> DeviceError | None:
        return None if self._throttle is None else self._throttle.failure()

    def temperature_c(self) -> float | None:
        value = number_in(self._file)
        return None if value is None else value / 1000


class SysfsPowerSupply:
    """``ports.PowerSupply`` on /sys/class/power_supply/NAME (capacity in %, voltage_now in µV; sysfs-class-power).
    A battery tells by its status whether it is being emptied, a charger (type Mains, USB, …) by ``online`` whether it is
    fed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def state(self) -> PowerState:
        if (text_in(self._folder / "type") or "Battery") != "Battery":
            online = number_in(self._folder / "online")
            # A charger's voltage is its input's and would be taken for the battery's.
            return PowerState(None, None, None if online is None else online > 0)
        capacity, voltage_uv = number_in(self._folder / "capacity"), number_in(self._folder / "voltage_now")
        return PowerState(
            capacity if capacity is not None and 0 <= capacity <= 100 else None,
            voltage_uv / 1e6 if voltage_uv else None,
            _STATUS.get(text_in(self._folder / "status") or ""),
        )

    def failure(self) -> DeviceError | None:
        """The kernel took the supply away: its driver let go, or a gauge on USB is gone."""
        if self._folder.is_dir():
            return None
        return DeviceError("power", f"{self._folder}: 内核没有这个电源 the kernel has no such power supply")


class IioLightSensor:
    """``ports.LightSensor`` on /sys/bus/iio/devices/iio:deviceN (in_illuminance_input in lux, or raw times scale;
    sysfs-bus-iio)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lux(self) -> float | None:
        processed = number_in(self._folder / "in_illuminance_input")
        if processed is not None:
            return processed
        raw, scale = number_in(self._folder / "in_illuminance_raw"), number_in(self._folder / "in_illuminance_scale")
        return None if raw is None or scale is None else raw * scale


class PolledLight:
    """``ports.LightSensor`` read on a thread of its own: a sensor on I²C answers when its bus lets it, and a bus that a
    chip holds takes the reader with it for a second each time. Half a second is soon enough for the night and for a
    covered lens. Close it when the board closes."""

    def __init__(self, sensor: LightSensor, clock: Clock, interval_s: float = 0.5) -> None:
        self._polled = Polled("light", sensor.lux, clock, interval_s=interval_s)

    def lux(self) -> float | None:
        return self._polled.value()

    def close(self) -> None:
        self._polled.close()


def text_in(path: Path) -> str | None:
    """What an attribute of the kernel says, without its newline; None when it cannot be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def number_in(path: Path) -> float | None:
    """Likewise, as a number; None when it is none."""
    text = text_in(path)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
