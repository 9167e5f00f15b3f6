"""Light, power, temperature and the loudspeaker of a simulated unit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.ports import Clock, PowerState, Samples
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


@dataclass(frozen=True, slots=True)
class Played:
    """Something the loudspeaker was given: ``at_us`` boot-time at which it begins to sound."""

    samples: Samples
    rate: int
    at_us: int

    @property
    def end_us(self) -> int:
        return self.at_us + len(self.samples) * 1_000_000 // self.rate


class SimulatedSpeaker:
    """``ports.Speaker``: plays in order, in real time, and remembers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._played: list[Played] = []
        self._busy_until_us = 0

    def play(self, samples: Samples, rate: int) -> None:
        with self._lock:
            piece = Played(samples.copy(), rate, max(self._clock.boottime_us(), self._busy_until_us))
            self._played.append(piece)
            self._busy_until_us = piece.end_us

    def playing(self) -> bool:
        with self._lock:
            return self._clock.boottime_us() < self._busy_until_us

    def stop(self) -> None:
        with self._lock:
            self._busy_until_us = 0

    def played(self) -> tuple[Played, ...]:
        with self._lock:
            return tuple(self._played)
