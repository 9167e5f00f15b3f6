"""Light, position, power and temperature: read, judged by pure switches, passed on as telemetry."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.ports import GnssFix, PowerState, ThrottleReason, UnitBoard
from recorder.channel.messages import Position, Telemetry
from recorder.config.models import RecorderConfig
from recorder.evidence.records import Event
from recorder.session.clock_watch import ClockWatch
from recorder.session.night import NightSwitch

_NO_POWER = PowerState(None, None, None)


@dataclass(slots=True)
class Readings:
    lux: float | None = None
    power: PowerState = _NO_POWER
    temperature_c: float | None = None
    throttled: frozenset[ThrottleReason] | None = None
    fix: GnssFix | None = None

    @property
    def battery_percent(self) -> float | None:
        return self.power.battery_percent


class Sensors:
    """Polled by the main loop each 0.2 s. Events worth signing come back as records."""

    def __init__(self, config: RecorderConfig, board: UnitBoard) -> None:
        self._board = board
        self._config = config
        self._night = NightSwitch(config.night)
        self._clock_watch = ClockWatch(board.clock.quality())
        self.readings = Readings()

    def reconfigure(self, config: RecorderConfig) -> None:
        before, self._config = self._config, config
        self._night.reconfigure(config.night)
        if config.night != before.night:
            self.apply_night()

    @property
    def night(self) -> bool:
        return self._night.night

    def poll(self, boot_us: int, wall_us: int) -> list[Event]:
        board, readings = self._board, self.readings
        readings.lux = board.light.lux() if board.light else None
        if board.power:
            readings.power = board.power.state()
        if board.thermal:
            readings.temperature_c, readings.throttled = board.thermal.temperature_c(), board.thermal.throttled()
        events = []
        if self._night.update(readings.lux, boot_us):
            self.apply_night()
            name = "night-on" if self._night.night else "night-off"
            detail = {"lux": readings.lux, "lamp": self._lamp()}
            events.append(Event(event=name, at_us=boot_us, detail=detail))
        step = self._clock_watch.update(boot_us, wall_us, board.clock.quality())
        if step is not None:
            detail = {"old_offset_us": step.old_offset_us, "new_offset_us": step.new_offset_us}
            events.append(Event(event="clock-step", at_us=boot_us, detail=detail))
        return events

    def apply_night(self) -> None:
        """Bring lamp and IR-cut to the current state; also at start, whatever the pins were left at."""
        if "ir_cut" in self._board.outputs:
            self._board.outputs["ir_cut"].set(not self._night.night)
        if "ir_lamp" in self._board.outputs:
            self._board.outputs["ir_lamp"].set(self._lamp())

    def _lamp(self) -> bool:
        return self._night.night and self._config.night.lamp

    def telemetry(self, camera_id: str, now_us: int) -> Telemetry:
        fix, readings = self.readings.fix, self.readings
        position = None
        if fix is not None and now_us - fix.received_us <= self._config.gnss.stale_s * 1e6:
            position = Position(
                received_us=fix.received_us,
                latitude=fix.latitude,
                longitude=fix.longitude,
                altitude_m=fix.altitude_m,
                speed_mps=fix.speed_mps,
                course_deg=fix.course_deg,
                quality=fix.quality,
                satellites=fix.satellites,
                hdop=fix.hdop,
            )
        return Telemetry(
            camera_id=camera_id,
            at_us=now_us,
            position=position,
            lux=readings.lux,
            night=self._night.night,
            lamp=self._lamp(),
            battery_percent=readings.battery_percent,
            temperature_c=readings.temperature_c,
        )

    def clock_is_set(self, wall_us: int) -> bool:
        """A clock that was never set is a first-class alarm: evidence without a time is worth less."""
        return self._clock_watch.is_set(wall_us)

    def fix_age_s(self, now_us: int) -> float | None:
        fix = self.readings.fix
        return None if fix is None else (now_us - fix.received_us) / 1e6
