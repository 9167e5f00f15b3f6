"""The microphone's clock against ours."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.capture.timeline import AudioTimeline

RATE = 48_000
BLOCK = 960


@given(st.integers(-200, 200), st.integers(0, 30_000), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_drift_and_late_reads_stay_below_five_milliseconds(ppm: int, lateness_us: int, seed: int) -> None:
    chance = random.Random(seed)
    timeline = AudioTimeline(RATE)
    true_rate = RATE * (1 + ppm * 1e-6)
    read_at = 0
    for n in range(1, 3000):
        heard_us = 1_000_000 + n * BLOCK * 1e6 / true_rate
        # Now and then the reader is on time; the minimum over a window is what the map lives on.
        read_at = max(read_at, round(heard_us + (0 if n % 7 == 0 else chance.uniform(0, lateness_us))))
        placement = timeline.block(BLOCK, read_at)
        assert (placement.silence, placement.drop) == (0, 0)
        if n > 50:
            assert abs(timeline.time_us(timeline.position) - heard_us) < 5_000


def test_one_late_read_is_no_gap() -> None:
    timeline = AudioTimeline(RATE)
    for n in range(1, 200):
        late = 100_000 if n == 100 else max(0, 100_000 - (n - 100) * 20_000) if 100 < n < 106 else 0
        placement = timeline.block(BLOCK, 1_000_000 + n * 20_000 + late)
        assert (placement.silence, placement.drop) == (0, 0)


def test_lost_samples_become_silence_of_their_length() -> None:
    timeline = AudioTimeline(RATE)
    for n in range(1, 200):
        timeline.block(BLOCK, 1_000_000 + n * 20_000)
    silence = sum(timeline.block(BLOCK, 1_000_000 + n * 20_000 + 200_000).silence for n in range(200, 230))
    assert silence == pytest.approx(RATE * 0.2, abs=50)


def test_samples_that_come_late_after_all_are_dropped() -> None:
    timeline = AudioTimeline(RATE)
    for n in range(1, 200):
        timeline.block(BLOCK, 1_000_000 + n * 20_000)
    silence = sum(timeline.stalled(1_000_000 + 199 * 20_000 + step) for step in range(50_000, 550_000, 50_000))
    assert silence > RATE * 0.3
    burst = [timeline.block(BLOCK, 1_000_000 + 225 * 20_000) for _ in range(26)]
    assert sum(placement.drop for placement in burst) == pytest.approx(silence, abs=RATE * 0.06)
    assert abs(timeline.time_us(timeline.position) - (1_000_000 + 225 * 20_000)) < 25_000


def test_no_microphone_becomes_silence_after_a_while() -> None:
    timeline = AudioTimeline(RATE)
    assert timeline.stalled(1_000_000) == 0
    assert timeline.stalled(1_400_000) == 0
    timeline.stalled(1_600_000)
    total = sum(timeline.stalled(1_600_000 + n * 50_000) for n in range(40))
    assert total == pytest.approx(RATE * 2, abs=RATE * 0.1)


def test_a_suspended_unit_is_not_filled_up() -> None:
    timeline = AudioTimeline(RATE)
    for n in range(1, 100):
        timeline.block(BLOCK, 1_000_000 + n * 20_000)
    assert timeline.stalled(3_600_000_000) == 0
    assert abs(timeline.time_us(timeline.position) - 3_600_000_000) < 100_000


def test_after_a_hang_of_the_driver_the_first_samples_have_their_true_time() -> None:
    """A read that came back after five seconds: its samples were stamped where sound had ended, five seconds early, and so
    were the nine after it."""
    timeline = AudioTimeline(RATE)
    for n in range(1, 100):
        timeline.block(BLOCK, 1_000_000 + n * 20_000)
    for n in range(1, 20):
        read_at_us = 1_000_000 + 99 * 20_000 + 5_000_000 + n * 20_000
        placement = timeline.block(BLOCK, read_at_us)
        assert (placement.silence, placement.drop) == (0, 0)
        assert abs(timeline.time_us(timeline.position) - read_at_us) < 5_000
