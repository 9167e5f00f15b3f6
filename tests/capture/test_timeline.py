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


@pytest.mark.parametrize(("reported", "within"), [(True, 25), (False, 105)])
def test_lost_samples_become_silence_of_their_length(reported: bool, within: int) -> None:
    """Blocks of 20 ms: within half a second when the driver says so, within 2.1 s when it does not."""
    timeline = AudioTimeline(RATE)
    for n in range(1, 200):
        timeline.block(BLOCK, 1_000_000 + n * 20_000)
    silence = 0
    for n in range(200, 200 + within):
        silence += timeline.block(BLOCK, 1_000_000 + n * 20_000 + 200_000, overflowed=reported and n == 200).silence
    assert silence == pytest.approx(RATE * 0.2, abs=50)
    assert abs(timeline.time_us(timeline.position) - (1_000_000 + (199 + within) * 20_000 + 200_000)) < 1_000


@given(
    blocks=st.integers(20, 90),
    least_us=st.integers(41_000, 300_000),
    most_us=st.integers(0, 150_000),
    seed=st.integers(),
)
@settings(max_examples=50, deadline=None)
def test_a_machine_that_is_busy_for_long_loses_nothing_and_moves_nothing(
    blocks: int, least_us: int, most_us: int, seed: int
) -> None:
    """Every read late for up to 1.8 s, and no overflow: after 0.4 s silence went in, and as much true sound out."""
    chance = random.Random(seed)
    timeline = AudioTimeline(RATE)
    read_us = 0
    for n in range(1, 500):
        heard_us = 1_000_000 + n * 20_000
        late_us = least_us + chance.randint(0, most_us) if 300 <= n < 300 + blocks else 0
        read_us = max(read_us + 100, heard_us + late_us)
        placement = timeline.block(BLOCK, read_us)
        assert (placement.silence, placement.drop) == (0, 0)
        assert abs(timeline.time_us(timeline.position) - heard_us) < 2_000


@given(late_for=st.integers(1, 400), late_us=st.integers(0, 300_000), ppm=st.integers(-200, 200))
@settings(max_examples=30, deadline=None)
def test_a_worker_that_is_busy_at_its_start_loses_nothing(late_for: int, late_us: int, ppm: int) -> None:
    """Late by as much from the very first read on: where sound belongs is found out later. No silence was put in, so that
    nothing may be left out; and time is right at once, or, when that was found out late, after the slew of 20 ms."""
    timeline = AudioTimeline(RATE)
    read_us = 0
    for n in range(1, late_for + 620):
        heard_us = 1_000_000 + round(n * 20_000 * (1 + ppm / 1e6))
        read_us = max(read_us + 100, heard_us + (late_us if n <= late_for else 0))
        placement = timeline.block(BLOCK, read_us)
        assert (placement.silence, placement.drop) == (0, 0)
        if n > late_for + 20:
            limit_us = 5_000 if late_for < 220 or n > late_for + 600 else 22_000
            assert abs(timeline.time_us(timeline.position) - heard_us) < limit_us


def test_only_what_silence_stands_for_is_left_out() -> None:
    """A stall's silence is paid back by the sound it stood for, once."""
    timeline = AudioTimeline(RATE)
    for n in range(1, 400):
        timeline.block(BLOCK, 1_000_000 + n * 20_000)
    last_us = 1_000_000 + 399 * 20_000
    silence = looks(timeline, last_us, last_us + 500_000)
    assert timeline.block(26 * BLOCK, last_us + 520_000).drop == pytest.approx(silence, abs=2)
    early_us = last_us + 520_000 - 100_000  # a hundred milliseconds before it can have been heard
    assert sum(timeline.block(BLOCK, early_us + n * 20_000).drop for n in range(1, 50)) == 0


@pytest.mark.parametrize("reported", [True, False])
def test_silence_for_sound_that_never_came_is_not_paid_back_by_later_sound(reported: bool) -> None:
    """Half a second was lost for good. Much later every read is late by 30 ms, for so long that the time of sound follows,
    and then on time again: that sound is new, and none of it may be left out for the old silence."""
    timeline = AudioTimeline(RATE)
    heard_us, silence = 1_000_000, 0

    def read(blocks: int, late_us: int = 0, *, overflowed: bool = False) -> int:
        nonlocal heard_us, silence
        dropped = 0
        for n in range(blocks):
            heard_us += 20_000
            placement = timeline.block(BLOCK, heard_us + late_us, overflowed=overflowed and n == 0)
            silence += placement.silence
            dropped += placement.drop
        return dropped

    assert read(500) == 0
    heard_us += 500_000
    assert read(150, overflowed=reported) == 0
    assert silence == pytest.approx(RATE * 0.5, abs=50)
    assert read(1250, 30_000) == 0
    assert read(200) == 0
    assert silence == pytest.approx(RATE * 0.5, abs=50)
    assert abs(timeline.time_us(timeline.position) - heard_us) < 1_000


@given(after_ms=st.integers(100, 2_500))
@settings(max_examples=30, deadline=None)
def test_what_a_device_kept_pays_silence_back_as_late_as_a_device_keeps_it(after_ms: int) -> None:
    """Half a second became silence, and comes after all while sound goes on: left out, as long as a device may keep it."""
    timeline = AudioTimeline(RATE)
    for n in range(1, 400):
        timeline.block(BLOCK, 1_000_000 + n * 20_000)
    last_us = 1_000_000 + 399 * 20_000
    silence = looks(timeline, last_us, last_us + 500_000)
    blocks = after_ms // 20
    for n in range(1, blocks + 1):  # as far behind as the silence is long: no sample was skipped
        placement = timeline.block(BLOCK, last_us + 500_000 + n * 20_000)
        silence += placement.silence
        assert placement.drop == 0
    kept = sum(timeline.block(BLOCK, last_us + 500_000 + blocks * 20_000).drop for _ in range(30))
    assert kept == pytest.approx(silence, abs=BLOCK)


def looks(timeline: AudioTimeline, begin_us: int, end_us: int) -> int:
    """Silence at looks every 50 ms that find nothing."""
    return sum(timeline.stalled(at_us) for at_us in range(begin_us + 50_000, end_us + 1, 50_000))


def test_of_samples_that_come_late_after_all_those_that_still_fit_are_kept() -> None:
    """520 ms waited in the device; silence stands up to 60 ms before the last look."""
    timeline = AudioTimeline(RATE)
    last_us = 1_000_000 + 199 * 20_000
    for n in range(1, 200):
        timeline.block(BLOCK, 1_000_000 + n * 20_000)
    silence = looks(timeline, last_us, last_us + 500_000)
    assert silence == pytest.approx(RATE * 0.44, abs=2)
    placement = timeline.block(26 * BLOCK, last_us + 520_000)
    assert placement.silence == 0 and placement.drop == pytest.approx(silence, abs=2)
    assert abs(timeline.time_us(timeline.position) - (last_us + 520_000)) < 5_000


def test_after_a_stall_sound_begins_where_it_begins() -> None:
    """Not ten reads or half a second later: until then it would have been up to a block and a look early."""
    timeline = AudioTimeline(RATE)
    for n in range(1, 200):
        timeline.block(BLOCK, 1_000_000 + n * 20_000)
    looks(timeline, 4_980_000, 5_480_000)
    assert timeline.block(BLOCK, 5_545_000).silence == pytest.approx(RATE * 0.105, abs=2)
    assert abs(timeline.time_us(timeline.position) - 5_545_000) < 2_000


@given(
    at=st.integers(60, 300),
    kept_ms=st.integers(100, 480),
    fruitless=st.integers(0, 2),
    catching_up_us=st.integers(50, 9_000),
    ppm=st.integers(-200, 200),
)
@settings(max_examples=100, deadline=None)
def test_a_process_that_got_no_processor_has_lost_nothing(
    at: int, kept_ms: int, fruitless: int, catching_up_us: int, ppm: int
) -> None:
    """The device kept it all. Awake again, the reader may be faster than the driver's thread and find nothing, twice even;
    once, 120 ms after the last read, that alone was silence, and so were ten reads in a row that were late."""
    timeline = AudioTimeline(RATE)
    free_us = 0
    for n in range(1, 400):
        heard_us = 1_000_000 + round(n * 20_000 * (1 + ppm / 1e6))
        if n == at:
            free_us = heard_us - 20_000 + kept_ms * 1000
            for look in range(fruitless):
                assert timeline.stalled(free_us + look * 50_000) == 0
            free_us += max(0, fruitless - 1) * 50_000
        read_us = free_us = max(free_us + catching_up_us, heard_us)
        placement = timeline.block(BLOCK, read_us)
        assert (placement.silence, placement.drop) == (0, 0)
        assert abs(timeline.time_us(timeline.position) - heard_us) < 5_000


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
    assert [timeline.stalled(3_600_000_000 + n * 50_000) for n in range(3)] == [0, 0, 0]
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
