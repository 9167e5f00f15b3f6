"""Battery and charger: gauge, power monitor, the kernel's power supplies and a charger's "power good" line as one
``ports.PowerSupply``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from firmware_bridge.ports import Clock, DeviceError, PowerState, PowerSupply
from firmware_bridge.raspberry_pi.fuel_gauge import GaugeReading
from firmware_bridge.raspberry_pi.polling import Polled
from firmware_bridge.raspberry_pi.power_monitor import Measured, MonitorReading

R = TypeVar("R")
V = TypeVar("V", float, bool)

_FLOWS_A: Final = 0.02
"""A current below this is a full battery on a charger, an empty line or the chip's offset: it says nothing."""
_MOVES_PERCENT_H: Final = 1.0
"""Likewise of the gauge's rate, which lags by minutes."""


class Gauge(Protocol):
    def read(self) -> GaugeReading:
        """Raises DeviceError."""


class Monitor(Protocol):
    def read(self) -> MonitorReading:
        """Raises DeviceError."""


@dataclass(frozen=True, slots=True)
class PowerReadings:
    """What each source said at one time; None: it is not there or does not answer."""

    gauge: GaugeReading | None = None
    monitor: MonitorReading | None = None
    supplies: tuple[PowerState, ...] = ()
    power_good: bool | None = None
    measures: Measured = "battery"


def combine(readings: PowerReadings) -> PowerState:
    """Which source is believed, best first; where it is silent the next one speaks, and where all are the value is None.

    - percent: the gauge (it models the cell), then the kernel.
    - voltage: the gauge (at the cell), then the monitor (behind its shunt), then the kernel.
    - external: the "power good" line (a fact of the input, whatever the battery does), then the kernel (a charger's
      ``online``, a battery's status), then the direction of the current, then whether the charge rises or falls.

    The monitor counts where it measures the battery. A supply's current flows into the unit all day long and would be taken
    for charging, its voltage for the battery's.
    """
    gauge = readings.gauge or GaugeReading(None, None, None)
    monitor = readings.monitor if readings.measures == "battery" else None
    monitor = monitor or MonitorReading(None, None)
    supplies = readings.supplies
    return PowerState(
        battery_percent=_first(gauge.percent, *(supply.battery_percent for supply in supplies)),
        voltage_v=_first(gauge.voltage_v, monitor.voltage_v, *(supply.voltage_v for supply in supplies)),
        external=_first(
            readings.power_good,
            _any(supply.external for supply in supplies),
            _rising(monitor.current_a, _FLOWS_A),
            _rising(gauge.rate_percent_h, _MOVES_PERCENT_H),
        ),
    )


class PolledPower:
    """``ports.PowerSupply``. Everything is read on one thread of its own, each ``interval_s``, so that a bus that hangs
    stalls nobody. ``measures``: what the monitor is wired to. ``power_good``: None when the line cannot be read. Close it
    when the board closes."""

    def __init__(
        self,
        clock: Clock,
        *,
        gauge: Gauge | None = None,
        monitor: Monitor | None = None,
        measures: Measured = "battery",
        supplies: Sequence[PowerSupply] = (),
        power_good: Callable[[], bool | None] | None = None,
        interval_s: float = 1.0,
        max_age_s: float = 10.0,
    ) -> None:
        self._gauge = gauge
        self._monitor = monitor
        self._measures = measures
        self._supplies = tuple(supplies)
        self._power_good = power_good
        self._failed: DeviceError | None = None
        self._polled = Polled("power", self._read, clock, interval_s=interval_s, max_age_s=max_age_s)

    def state(self) -> PowerState:
        """The last reading; every field None before the first and while the bus hangs."""
        return combine(self._polled.value() or PowerReadings())

    def failure(self) -> DeviceError | None:
        return self._polled.failure() or self._failed

    def close(self) -> None:
        self._polled.close()

    def _read(self) -> PowerReadings:
        errors = [error for supply in self._supplies if (error := supply.failure()) is not None]
        readings = PowerReadings(
            None if self._gauge is None else _attempt(self._gauge.read, errors),
            None if self._monitor is None else _attempt(self._monitor.read, errors),
            tuple(supply.state() for supply in self._supplies),
            None if self._power_good is None else self._power_good(),
            self._measures,
        )
        self._failed = errors[0] if errors else None
        return readings


def _attempt(read: Callable[[], R], errors: list[DeviceError]) -> R | None:
    try:
        return read()
    except DeviceError as error:
        errors.append(error)
        return None


def _first(*values: V | None) -> V | None:
    return next((value for value in values if value is not None), None)


def _any(answers: Iterable[bool | None]) -> bool | None:
    known = [answer for answer in answers if answer is not None]
    return any(known) if known else None


def _rising(value: float | None, least: float) -> bool | None:
    return None if value is None or abs(value) < least else value > 0
