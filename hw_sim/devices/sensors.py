"""Light, power and temperature of a simulated unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from firmware_bridge.ports import DeviceError, PowerState, ThrottleReason
from hw_sim.devices.battery import open_circuit_v
from hw_sim.world_keys import Value

Lookup = Callable[[str], Value]


class SimulatedLight:
    """``ports.LightSensor``: None while ``light.failure`` is ``off`` or the world is gone."""

    def __init__(self, lookup: Lookup, alive: Callable[[], bool]) -> None:
        self._lookup = lookup
        self._alive = alive

    def lux(self) -> float | None:
        if not self._alive() or self._lookup("light.failure") == "off":
            return None
        return float(self._lookup("lux"))


class SimulatedPower:
    """``ports.PowerSupply``: one lithium cell."""

    def __init__(self, lookup: Lookup, alive: Callable[[], bool]) -> None:
        self._lookup = lookup
        self._alive = alive

    def state(self) -> PowerState:
        if not self._alive():
            return PowerState(None, None, None)
        percent = float(self._lookup("battery_percent"))
        # A world nobody discharges has no voltage of its own: then it is the cell's at rest.
        voltage = float(self._lookup("battery_voltage_v")) or open_circuit_v(percent / 100)
        return PowerState(percent, round(voltage, 3), bool(self._lookup("external_power")))

    def failure(self) -> DeviceError | None:
        return None if self._alive() else DeviceError("power", "仿真世界已结束 the simulated world is gone")


class SimulatedThermal:
    """``ports.ThermalSensor``."""

    def __init__(self, lookup: Lookup, alive: Callable[[], bool]) -> None:
        self._lookup = lookup
        self._alive = alive

    def temperature_c(self) -> float | None:
        return float(self._lookup("temperature_c")) if self._alive() else None

    def throttled(self) -> frozenset[ThrottleReason] | None:
        if not self._alive():
            return None
        reason = self._lookup("throttled")
        return frozenset() if reason == "no" else frozenset({cast(ThrottleReason, reason)})

    def failure(self) -> DeviceError | None:
        return None
