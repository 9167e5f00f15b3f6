"""What the officer sees, hears and feels: a table in the configuration, stepped by time. The stepping is pure.

Colours per GA/T 947: on = green, sound recording = yellow, video recording = red. A light pattern is on, off, on … in
milliseconds, repeated; an empty one is dark. Vibration and tones play once when an indication begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from firmware_bridge.ports import Output, Samples, Speaker
from recorder.config.models import Indication

TONE_RATE = 16_000
TONE_S = 0.12
MOMENT_US = 1_200_000
"""How long a momentary indication (marked, stopped) holds the lights before the lasting one is back."""


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
    """Pure: lasting and momentary indications and faults over time."""

    def __init__(self, table: Mapping[str, Indication]) -> None:
        self._table = table
        self._base = "standby"
        self._base_us = 0
        self._moment: str | None = None
        self._moment_us = 0

    def show(self, name: str, momentary: bool, now_us: int) -> tuple[int, ...]:
        """Begin an indication; returns the tones to play (Hz, 0 = pause). An unknown name shows nothing new."""
        indication = self._table.get(name)
        if indication is None:
            return ()
        if momentary:
            self._moment, self._moment_us = name, now_us
        elif name != self._base:
            self._base, self._base_us = name, now_us
        else:
            return ()
        return indication.tone_hz

    def look(self, now_us: int) -> Look:
        if self._moment is not None and now_us - self._moment_us >= MOMENT_US:
            self._moment = None
        name, since = (self._moment, self._moment_us) if self._moment else (self._base, self._base_us)
        indication = self._table.get(name or "")
        if indication is None:
            return Look({}, False)
        lights: dict[str, bool] = {
            colour: light_on(pattern, since, now_us) for colour, pattern in indication.light.items()
        }
        return Look(lights, once_on(indication.vibrate_ms, since, now_us))


def tones(frequencies: tuple[int, ...]) -> Samples:
    """One beep after the other, with soft edges (a click is not a tone)."""
    count = round(TONE_RATE * TONE_S)
    edge = np.minimum(1.0, np.minimum(np.arange(count), np.arange(count)[::-1]) / (TONE_RATE * 0.005))
    parts = [np.sin(2 * np.pi * hz * np.arange(count) / TONE_RATE) * edge * (0.4 if hz else 0.0) for hz in frequencies]
    signal = np.concatenate(parts) if parts else np.zeros(0)
    return (signal * 32767).astype(np.int16)


class Indicators:
    """The thin adapter: state to outputs and speaker. An output the board lacks is left out."""

    def __init__(self, table: Mapping[str, Indication], outputs: Mapping[str, Output], speaker: Speaker | None) -> None:
        self._state = IndicatorState(table)
        self._outputs = outputs
        self._speaker = speaker
        self._last: dict[str, bool] = {}

    def show(self, name: str, momentary: bool, now_us: int) -> None:
        frequencies = self._state.show(name, momentary, now_us)
        if frequencies and self._speaker is not None:
            self._speaker.play(tones(frequencies), TONE_RATE)
        self.step(now_us)

    def step(self, now_us: int) -> None:
        """Call each 50-100 ms: only changes reach the outputs."""
        look = self._state.look(now_us)
        wanted = {f"led_{colour}": on for colour, on in look.lights.items()} | {"vibration": look.vibrate}
        for name, on in wanted.items():
            if name in self._outputs and self._last.get(name) != on:
                self._outputs[name].set(on)
                self._last[name] = on
