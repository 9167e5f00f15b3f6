"""Position, clock, battery, heat and room on the card: read five times a second and judged by the detectors of
``recorder.faults``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from firmware_bridge.ports import DeviceError, GnssFix
from recorder.channel import messages
from recorder.config.models import RecorderConfig
from recorder.faults.battery import BatteryWatch
from recorder.faults.gnss import GnssReading, GnssWatch
from recorder.faults.latch import Change, Latch
from recorder.faults.space import BitRate, SpaceWatch
from recorder.faults.thermal import ThermalWatch
from recorder.faults.wall_clock import ClockHealth
from recorder.unit.duty import Duty, UnitServices
from recorder.unit.events import UnitEvent, WorkerMessage
from recorder.units import MB

_SILENT_US: int = 5_000_000
"""A sensor that does not answer for so long does not answer."""

_OVERHEAD: float = 1.05
"""Container, telemetry and padding over what the encoders give."""


def _gnss(config: RecorderConfig) -> GnssWatch:
    faults = config.faults.gnss
    return GnssWatch(
        lost_after_us=round(faults.lost_after_s * 1e6),
        stale_us=round(config.gnss.stale_s * 1e6),
        implausible_clear_us=round(faults.implausible_clear_s * 1e6),
    )


def _clock(config: RecorderConfig) -> ClockHealth:
    faults = config.faults.clock
    return ClockHealth(
        step_us=round(faults.step_ms * 1e3),
        drift_ppm=faults.drift_ppm,
        drift_window_us=round(faults.drift_window_s * 1e6),
    )


def _thermal(config: RecorderConfig) -> ThermalWatch:
    return ThermalWatch(config.faults.thermal.high_c, config.faults.thermal.clear_c)


def _space(config: RecorderConfig) -> SpaceWatch:
    return SpaceWatch(
        low_minutes=config.faults.storage.low_minutes,
        very_low_minutes=config.faults.storage.very_low_minutes,
        reserve_bytes=config.storage.reserve_mb * MB,
    )


def _nominal_bytes_s(config: RecorderConfig) -> float:
    audio_kbps = config.audio.bitrate_kbps if config.audio.enabled else 0
    kbps = sum(camera.bitrate_kbps + audio_kbps for camera in config.cameras.values())
    return kbps * 125 * _OVERHEAD


class ConditionWatch(Duty):
    name = "conditions"

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        config = services.p.config
        self._gnss = _gnss(config)
        self._clock = _clock(config)
        self._battery = BatteryWatch(config.faults.battery)
        self._thermal = _thermal(config)
        self._space = _space(config)
        self._rate = BitRate(_nominal_bytes_s(config))
        self._silent = {name: Latch("sensor-fault", onset_after_us=_SILENT_US) for name in ("light", "thermal")}

    def reconfigured(self, before: RecorderConfig) -> None:
        """Detectors whose thresholds changed begin anew: what they held to be a fault is one only if they find it again."""
        config = self._unit.p.config
        old, new = before.faults, config.faults
        if (old.gnss, before.gnss.stale_s) != (new.gnss, config.gnss.stale_s):
            self._gnss = _gnss(config)
            self._forget("gnss")
        if old.clock != new.clock:
            self._clock = _clock(config)
            self._forget("clock")
        if old.battery != new.battery:
            self._battery = BatteryWatch(new.battery)
            self._forget("battery")
        if old.thermal != new.thermal:
            self._thermal = _thermal(config)
            self._forget("processor")
        if old.storage != new.storage:
            self._space = _space(config)
            self._forget("storage")
        if _nominal_bytes_s(before) != _nominal_bytes_s(config):
            self._rate = BitRate(_nominal_bytes_s(config))

    def _forget(self, component: str) -> None:
        for code in self._unit.p.faults.of(component):
            self._unit.fault(code, component, False, {})

    def handle(self, event: UnitEvent) -> None:
        if isinstance(event, WorkerMessage) and isinstance(event.message, messages.EntryWritten):
            self._rate.wrote(self._unit.now_us(), event.message.length)

    def poll(self, now_us: int, wall_us: int) -> None:
        parts = self._unit.p
        readings = parts.sensors.readings
        if parts.board.gnss is not None and parts.config.gnss.enabled:
            self._tell("gnss", self._gnss.look(now_us, self._gnss_reading(readings.fix)))
        clock_is_set = parts.sensors.clock_is_set(wall_us)
        source = parts.clock.quality().source
        self._tell("clock", self._clock.look(now_us, wall_us, is_set=clock_is_set, source=source))
        if parts.board.power is not None:
            power = readings.power
            external = power.external if power.external is not None else self._ignition()
            self._tell("battery", self._battery.look(now_us, power.battery_percent, power.voltage_v, external))
            parts.health.battery_minutes = self.battery_minutes
            failure = parts.board.power.failure()
            evidence = {} if failure is None else {"error": str(failure), "errno": failure.errno}
            self._unit.fault("sensor-fault", "power", failure is not None, evidence)
        if parts.board.light is not None:
            self._look_for_silence("light", now_us, readings.lux)
        if parts.board.thermal is not None:
            self._look_for_silence("thermal", now_us, readings.temperature_c, parts.board.thermal.failure())
            self._tell("processor", self._thermal.look(now_us, readings.temperature_c, readings.throttled))
        free = None if "data" in parts.custody.problems else parts.custody.free_bytes
        self._tell("storage", self._space.look(now_us, free, self._rate.bytes_s(now_us)))

    @property
    def battery_minutes(self) -> float | None:
        """Forecast time left on the battery; None on external power or before anything is known."""
        forecast = self._battery.forecast
        return None if forecast is None else forecast.minutes

    def _tell(self, component: str, changes: Iterable[Change]) -> None:
        for change in changes:
            self._unit.fault(change.code, component, change.present, change.evidence)

    def _look_for_silence(
        self, name: str, now_us: int, value: float | None, failure: DeviceError | None = None
    ) -> None:
        """``failure``: of a part that gives another value, known before this one is missing."""
        evidence = {} if failure is None else {"error": str(failure), "errno": failure.errno}
        change = self._silent[name].update(now_us, value is None or failure is not None, evidence)
        self._tell(name, () if change is None else (change,))

    def _ignition(self) -> bool | None:
        """A vehicle whose ignition is on feeds its unit; one whose ignition is off may do so all the same."""
        ignition = self._unit.p.board.ignition
        return True if ignition is not None and ignition.is_on() else None

    def _gnss_reading(self, fix: GnssFix | None) -> GnssReading:
        gnss = self._unit.p.board.gnss
        assert gnss is not None
        failure, counters = gnss.failure(), gnss.counters()
        known: dict[str, Any] = {}
        if fix is not None:
            known = {"quality": fix.quality, "satellites": fix.satellites, "hdop": fix.hdop}
        return GnssReading(
            failure=None if failure is None else str(failure),
            errno=None if failure is None else failure.errno,
            no_fix=counters.no_fix,
            implausible=counters.implausible,
            repeated=counters.repeated,
            bad_checksum=counters.bad_checksum,
            fix_us=None if fix is None else fix.received_us,
            fix=known,
        )
