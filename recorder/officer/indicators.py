"""What the officer sees, hears and feels: a table in the configuration, stepped by time. The stepping is pure.

Colours per GA/T 947: on = green, sound recording = yellow, video recording = red. A light pattern is on, off, on … in
milliseconds, repeated; an empty one is dark. Vibration and tones play once when an indication begins.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass

from firmware_bridge.ports import Output, Sound, Speaker
from recorder.config.models import Indication

TONE_RATE = 16_000
TONE_S = 0.12
MOMENT_US = 1_200_000
"""How long a momentary indication (marked, stopped) holds the lights before the lasting one is back."""

REMIND_US = 20_000_000
"""An alarm that lasts is heard again after so long (the alarm grammar officers know from the market's cameras)."""

ALARMS = ("fault", "clock-not-set")
"""Laid over whatever is shown, the last one on top. A clock that is not set is an alarm of its own: evidence without a
time is worth less."""


@dataclass(frozen=True, slots=True)
class Look:
    """The outputs at one moment."""

    lights: dict[str, bool]
    vibrate: bool


def light_on(pattern: tuple[int, ...], since_us: int, now_us: int) -> bool:
    """Is a light of this repeated on/off pattern on? Pure; an odd number of steps ends with an off of no length."""
    total = sum(pattern)
    if total == 0:
        return False
    position = (now_us - since_us) // 1000 % total
    for index, length in enumerate(pattern):
        if position < length:
            return index % 2 == 0
        position -= length
    return False


def once_on(pattern: tuple[int, ...], since_us: int, now_us: int) -> bool:
    """Like :func:`light_on`, but played once."""
    elapsed = (now_us - since_us) // 1000
    return elapsed < sum(pattern) and light_on(pattern, since_us, now_us)


class IndicatorState:
    """Pure: the lasting indication, a momentary one before it, and alarms laid over both."""

    def __init__(self, table: Mapping[str, Indication]) -> None:
        self._table = table
        self._base = "standby"
        self._base_us = 0
        self._moment: str | None = None
        self._moment_us = 0
        self._pulse: tuple[int, ...] = ()
        self._pulse_us = 0
        self._alarms: dict[str, int] = {}
        self._heard_us: dict[str, int] = {}

    def reconfigure(self, table: Mapping[str, Indication]) -> None:
        self._table = table

    def show(self, name: str, momentary: bool, now_us: int) -> tuple[int, ...]:
        """Begin an indication; returns the tones to play (Hz, 0 = pause). An unknown name shows nothing new."""
        indication = self._table.get(name)
        if indication is None:
            return ()
        if momentary:
            self._moment, self._moment_us = name, now_us
        elif name != self._base:
            self._base, self._base_us = name, now_us
            self._heard_us[name] = now_us
        else:
            return ()
        return indication.tone_hz

    def pulse(self, pattern: tuple[int, ...], now_us: int) -> None:
        """Vibrate once in this pattern (on, off, … ms), whatever is indicated."""
        self._pulse, self._pulse_us = pattern, now_us

    def alarm(self, name: str, on: bool, now_us: int) -> tuple[int, ...]:
        """Lay an alarm (one of ``ALARMS``) over the indication or take it away; returns the tones of a new one."""
        if not on or name not in self._table:
            self._alarms.pop(name, None)
            return ()
        if name in self._alarms:
            return ()
        self._alarms[name] = self._heard_us[name] = now_us
        return self._table[name].tone_hz

    def reminder(self, now_us: int) -> tuple[int, ...]:
        """Tones due again: an interruption as long as it lasts, an alarm only in standby, so that a recording is not
        full of beeps."""
        names = [self._base] if self._base == "interrupted" else []
        if self._base == "standby":
            names += [name for name in ALARMS if name in self._alarms]
        for name in names:
            if now_us - self._heard_us.get(name, now_us) >= REMIND_US:
                self._heard_us[name] = now_us
                return self._table[name].tone_hz
        return ()

    def look(self, now_us: int) -> Look:
        if self._moment is not None and now_us - self._moment_us >= MOMENT_US:
            self._moment = None
        name, since = (self._moment, self._moment_us) if self._moment else (self._base, self._base_us)
        lights: dict[str, bool] = {}
        vibrate = once_on(self._pulse, self._pulse_us, now_us)
        shown = [(name, since), *((alarm, self._alarms[alarm]) for alarm in ALARMS if alarm in self._alarms)]
        for layer, (layer_name, began_us) in enumerate(shown):
            indication = self._table.get(layer_name or "")
            if indication is None:
                continue
            for colour, pattern in indication.light.items():
                # An alarm leaves the colours it has no pattern for: red goes on saying that the camera records.
                if pattern or not layer:
                    lights[colour] = light_on(pattern, began_us, now_us)
            vibrate = vibrate or once_on(indication.vibrate_ms, began_us, now_us)
        return Look(lights, vibrate)


def tones(frequencies: tuple[int, ...]) -> Sound:
    """One beep after the other (Hz, 0 = pause), with soft edges: a click is not a tone."""
    count, edge = round(TONE_RATE * TONE_S), TONE_RATE * 0.005
    signal = array("h")
    for hz in frequencies:
        turn, level = 2 * math.pi * hz / TONE_RATE, 0.4 * 32767
        signal.extend(
            int(level * min(1.0, at / edge, (count - 1 - at) / edge) * math.sin(turn * at)) for at in range(count)
        )
    return signal


class Indicators:
    """The thin adapter: state to outputs and speaker. An output the board lacks is left out."""

    def __init__(self, table: Mapping[str, Indication], outputs: Mapping[str, Output], speaker: Speaker | None) -> None:
        self._state = IndicatorState(table)
        self._outputs = outputs
        self._speaker = speaker
        self._last: dict[str, bool] = {}
        self.silent = False
        """Stealth mode 静默模式: no tones. Lights and vibration stay."""

    def reconfigure(self, table: Mapping[str, Indication]) -> None:
        """Other patterns, from the next step on."""
        self._state.reconfigure(table)

    def show(self, name: str, momentary: bool, now_us: int) -> None:
        self._play(self._state.show(name, momentary, now_us))
        self.step(now_us)

    def alarm(self, name: str, on: bool, now_us: int) -> None:
        """State at any time whether an alarm of ``ALARMS`` is present; only news is heard."""
        self._play(self._state.alarm(name, on, now_us))

    def vibrate(self, pattern: tuple[int, ...], now_us: int) -> None:
        """Once, on, off, … milliseconds: a prompt's."""
        self._state.pulse(pattern, now_us)

    def step(self, now_us: int) -> None:
        """Call each 50-100 ms: only changes reach the outputs."""
        self._play(self._state.reminder(now_us))
        look = self._state.look(now_us)
        wanted = {f"led_{colour}": on for colour, on in look.lights.items()} | {"vibration": look.vibrate}
        for name, on in wanted.items():
            if name in self._outputs and self._last.get(name) != on:
                self._outputs[name].set(on)
                self._last[name] = on

    def _play(self, frequencies: tuple[int, ...]) -> None:
        if frequencies and self._speaker is not None and not self.silent:
            self._speaker.play(tones(frequencies), TONE_RATE)
