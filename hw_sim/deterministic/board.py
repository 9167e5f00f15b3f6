"""The devices of the unit process in a simulation: a table the world writes into."""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware_bridge.ports import (
    BoardIdentity,
    Button,
    Clock,
    DeviceError,
    GnssReceiver,
    IgnitionSense,
    LightSensor,
    Medium,
    Output,
    PowerState,
    PowerSupply,
    Speaker,
    ThermalSensor,
    ThrottleReason,
    Watchdog,
)


@dataclass(slots=True)
class Readings:
    """What the sensors show, over all boots."""

    lux: float | None = 300.0
    battery_percent: float | None = 80.0
    temperature_c: float | None = 41.0


@dataclass(slots=True)
class _Sensors:
    """``ports.LightSensor``, ``PowerSupply`` and ``ThermalSensor`` in one."""

    readings: Readings

    def lux(self) -> float | None:
        return self.readings.lux

    def state(self) -> PowerState:
        return PowerState(self.readings.battery_percent, None, False)

    def failure(self) -> DeviceError | None:
        return None

    def temperature_c(self) -> float | None:
        return self.readings.temperature_c

    def throttled(self) -> frozenset[ThrottleReason] | None:
        return frozenset()


@dataclass(slots=True)
class SimulatedBoard:
    """``ports.UnitBoard``. Buttons are not here: their edges are put into the unit's queue by the officer."""

    clock: Clock
    identity: BoardIdentity
    light: LightSensor | None
    power: PowerSupply | None
    thermal: ThermalSensor | None
    buttons: dict[str, Button] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    gnss: GnssReceiver | None = None
    speaker: Speaker | None = None
    watchdog: Watchdog | None = None
    ignition: IgnitionSense | None = None
    medium: Medium | None = None
    faults: list[DeviceError] = field(default_factory=list)

    def close(self) -> None:
        self.buttons.clear()
        if self.watchdog is not None:
            self.watchdog.close()


def simulated_board(clock: Clock, readings: Readings, watchdog: Watchdog | None = None) -> SimulatedBoard:
    sensors = _Sensors(readings)
    identity = BoardIdentity("ueid-simulated", "simulated", "1")
    return SimulatedBoard(clock, identity, sensors, sensors, sensors, watchdog=watchdog)
