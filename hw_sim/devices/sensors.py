"""Light, power and temperature of a simulated unit."""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.ports import PowerState
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
    """``ports.PowerSupply``: one lithium cell, 3.3 V empty to 4.2 V full."""

    def __init__(self, lookup: Lookup, alive: Callable[[], bool]) -> None:
        self._lookup = lookup
        self._alive = alive

    def state(self) -> PowerState:
        if not self._alive():
            return PowerState(None, None, None)
        percent = float(self._lookup("battery_percent"))
        return PowerState(percent, round(3.3 + 0.9 * percent / 100, 3), bool(self._lookup("external_power")))


class SimulatedThermal:
    """``ports.ThermalSensor``."""

    def __init__(self, lookup: Lookup, alive: Callable[[], bool]) -> None:
        self._lookup = lookup
        self._alive = alive

    def temperature_c(self) -> float | None:
        return float(self._lookup("temperature_c")) if self._alive() else None
