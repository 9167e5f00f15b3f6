from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from firmware_bridge.ports import Sound
from recorder.config.models import Indication
from recorder.officer.indicators import (
    MOMENT_US,
    REMIND_US,
    TONE_RATE,
    Indicators,
    IndicatorState,
    light_on,
    once_on,
    tones,
)

MS = 1000


def indication(green: Any = (), yellow: Any = (), red: Any = (), tone: Any = (), vibrate: Any = ()) -> Indication:
    light = {"green": tuple(green), "yellow": tuple(yellow), "red": tuple(red)}
    return Indication(light=light, tone_hz=tuple(tone), vibrate_ms=tuple(vibrate))


TABLE = {
    "standby": indication(green=[1000]),
    "recording": indication(green=[1000], red=[500, 500], tone=[880, 880], vibrate=[200, 100, 200]),
    "interrupted": indication(red=[150, 150], tone=[440]),
    "stopped": indication(green=[1000], tone=[660], vibrate=[600]),
    "marked": indication(green=[1000], yellow=[200, 200], red=[500, 500], tone=[1320], vibrate=[100]),
    "fault": indication(green=[150, 850], tone=[440, 440]),
    "clock-not-set": indication(green=[100, 900], tone=[990]),
}


@pytest.mark.parametrize(
    ("pattern", "at_ms", "on"),
    [
        ((), 0, False),
        ((1000,), 0, True),
        ((1000,), 123_456, True),
        ((500, 500), 499, True),
        ((500, 500), 500, False),
        ((500, 500), 1000, True),
        ((100, 100, 100, 700), 150, False),
        ((100, 100, 100, 700), 250, True),
        ((100, 100, 100, 700), 999, False),
        ((0,), 5, False),
    ],
)
def test_a_pattern_repeats(pattern: tuple[int, ...], at_ms: int, on: bool) -> None:
    assert light_on(pattern, 7 * MS, (7 + at_ms) * MS) is on


def test_a_vibration_plays_once() -> None:
    pattern = (200, 100, 200)
    assert [once_on(pattern, 0, ms * MS) for ms in (0, 250, 350, 499, 500, 700)] == [
        True,
        False,
        True,
        True,
        False,
        False,
    ]


def test_recording_is_red_and_a_mark_is_a_moment_that_goes_back_to_it() -> None:
    state = IndicatorState(TABLE)
    assert state.show("recording", False, 0) == (880, 880)
    assert state.look(0).lights == {"green": True, "yellow": False, "red": True}
    assert state.look(0).vibrate
    assert state.show("marked", True, 5000 * MS) == (1320,)
    assert state.look(5000 * MS).lights["yellow"]
    after = state.look(5000 * MS + MOMENT_US)
    assert after.lights == {"green": True, "yellow": False, "red": True}, "back in the rhythm it had"
    assert not after.vibrate


def test_the_same_state_again_is_no_news() -> None:
    state = IndicatorState(TABLE)
    assert state.show("recording", False, 0)
    assert state.show("recording", False, 10) == ()
    assert state.show("no-such-thing", False, 10) == ()


def test_an_alarm_leaves_the_red_light_alone() -> None:
    state = IndicatorState(TABLE)
    state.show("recording", False, 0)
    assert state.alarm("fault", True, 0) == (440, 440)
    assert state.alarm("fault", True, 10) == ()
    look = state.look(200 * MS)
    assert look.lights == {"green": False, "yellow": False, "red": True}
    state.alarm("fault", False, 300 * MS)
    assert state.look(200 * MS).lights["green"]


def test_the_clock_alarm_lies_on_top() -> None:
    state = IndicatorState(TABLE)
    state.alarm("clock-not-set", True, 0)
    state.alarm("fault", True, 0)
    assert not state.look(120 * MS).lights["green"]


def test_alarms_are_heard_again_in_standby_but_not_into_a_recording() -> None:
    state = IndicatorState(TABLE)
    state.alarm("clock-not-set", True, 0)
    assert state.reminder(REMIND_US - 1) == ()
    assert state.reminder(REMIND_US) == (990,)
    assert state.reminder(REMIND_US + 1) == ()
    state.show("recording", False, REMIND_US)
    assert state.reminder(9 * REMIND_US) == ()


def test_an_interruption_is_heard_again_as_long_as_it_lasts() -> None:
    state = IndicatorState(TABLE)
    state.show("interrupted", False, 0)
    assert [state.reminder(n * REMIND_US) for n in (1, 2)] == [(440,), (440,)]
    state.show("recording", False, 2 * REMIND_US)
    assert state.reminder(4 * REMIND_US) == ()


def test_tones_have_the_frequencies_asked_for_and_soft_edges() -> None:
    samples = np.array(tones((880, 0, 440)), np.float64)
    parts = np.split(samples, 3)
    for part, hz in zip(parts, (880, 0, 440), strict=True):
        if not hz:
            assert not part.any()
            continue
        spectrum = np.abs(np.fft.rfft(part))
        assert abs(spectrum.argmax() * TONE_RATE / len(part) - hz) < 10
        assert abs(part[0]) < 100 and abs(part[-1]) < 100
    assert len(tones(())) == 0
    assert np.abs(samples).max() < 32767


class Pin:
    def __init__(self) -> None:
        self.changes: list[bool] = []

    def set(self, on: bool) -> None:
        self.changes.append(on)

    def is_on(self) -> bool:
        return bool(self.changes) and self.changes[-1]

    def close(self) -> None:
        self.changes.clear()


class Loud:
    def __init__(self) -> None:
        self.played: list[int] = []

    def play(self, samples: Sound, rate: int) -> None:
        assert rate == TONE_RATE
        self.played.append(len(samples))

    def playing(self) -> bool:
        return False

    def stop(self) -> None:
        self.played.clear()

    def failure(self) -> None:
        return None


def test_only_changes_reach_the_outputs_and_missing_ones_are_left_out() -> None:
    red, vibration, speaker = Pin(), Pin(), Loud()
    indicators = Indicators(TABLE, {"led_red": red, "vibration": vibration}, speaker)
    indicators.show("recording", False, 0)
    for ms in range(0, 2000, 50):
        indicators.step(ms * MS)
    assert red.changes == [True, False, True, False]
    assert vibration.changes == [True, False, True, False]
    assert len(speaker.played) == 1
    indicators.alarm("fault", True, 2000 * MS)
    assert len(speaker.played) == 2


def test_a_board_without_speaker_is_silent() -> None:
    Indicators(TABLE, {}, None).show("recording", False, 0)
