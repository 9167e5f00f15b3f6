"""Night, retention, clock: small pure policies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ports import ClockQuality
from recorder.config.models import Night
from recorder.session.clock_watch import ClockStep, ClockWatch, looks_set
from recorder.session.night import NightSwitch
from recorder.session.retention import Held, releasable

SECOND = 1_000_000
HOUR = 3600 * SECOND
NIGHT = Night(enabled=True, on_below_lux=5, off_above_lux=12, dwell_s=2, lamp=True)


def feed(switch: NightSwitch, readings: list[float | None]) -> list[int]:
    """One reading a second; the seconds at which the state changed."""
    return [second for second, lux in enumerate(readings) if switch.update(lux, second * SECOND)]


def test_night_comes_after_the_dwell_and_goes_after_it() -> None:
    switch = NightSwitch(NIGHT)
    assert feed(switch, [20, 4, 4, 4, 4, 8, 20, 20, 20, 20]) == [3, 8]
    assert not switch.night


@pytest.mark.parametrize("readings", [[4, 4, 6, 4, 4, 6], [7] * 20, [4, 4, None, 4, 4, None], [None] * 20])
def test_a_break_begins_the_dwell_again_and_no_answer_keeps_the_state(readings: list[float | None]) -> None:
    assert feed(NightSwitch(NIGHT), readings) == []


def test_without_night_mode_it_never_switches() -> None:
    assert feed(NightSwitch(NIGHT.model_copy(update={"enabled": False})), [0.0] * 20) == []


@given(st.lists(st.none() | st.floats(0, 30), max_size=80))
def test_between_the_thresholds_nothing_ever_happens(readings: list[float | None]) -> None:
    switch = NightSwitch(NIGHT)
    last = False
    for second, lux in enumerate(readings):
        changed = switch.update(lux, second * SECOND)
        assert changed == (switch.night != last)
        if changed:
            assert lux is not None
            assert lux < 5 if switch.night else lux > 12
        last = switch.night


def held(number: int, closed_h: float, receipt: bool = True, size: int = 100) -> Held:
    return Held(f"segment-{number}", "session", size, "A" * 43, round(closed_h * HOUR), "R" * 43 if receipt else None)


def test_oldest_first_and_no_more_than_needed() -> None:
    segments = [held(3, 3), held(1, 1), held(2, 2)]
    gone = releasable(segments, 100 * HOUR, 72 * HOUR, free_bytes=850, wanted_free_bytes=1000)
    assert [s.segment_id for s in gone] == ["segment-1", "segment-2"]


def test_nothing_goes_while_there_is_space() -> None:
    assert releasable([held(1, 1)], 100 * HOUR, 0, free_bytes=1000, wanted_free_bytes=1000) == []


def test_without_receipt_or_in_the_keep_window_it_stays_even_when_the_card_is_full() -> None:
    segments = [held(1, 1, receipt=False), held(2, 50)]
    assert releasable(segments, 100 * HOUR, 72 * HOUR, free_bytes=0, wanted_free_bytes=10**9) == []


def test_a_clock_that_went_back_only_keeps_longer() -> None:
    assert releasable([held(1, 90)], 10 * HOUR, 0, free_bytes=0, wanted_free_bytes=10**9) == []


@given(
    st.lists(st.tuples(st.integers(0, 200), st.booleans(), st.integers(1, 500)), max_size=30),
    st.integers(0, 2000),
    st.integers(0, 2000),
)
def test_release_is_never_wrong(segments: list[tuple[int, bool, int]], free: int, wanted: int) -> None:
    all_held = [held(i, closed, receipt, size) for i, (closed, receipt, size) in enumerate(segments)]
    gone = releasable(all_held, 100 * HOUR, 72 * HOUR, free, wanted)
    assert all(s.receipt_digest is not None and s.closed_wall_us <= 28 * HOUR for s in gone)
    if gone:
        assert free + sum(s.size for s in gone[:-1]) < wanted, "the last one was not needed"
    kept = [s for s in all_held if s not in gone and s.receipt_digest and s.closed_wall_us <= 28 * HOUR]
    if kept:
        assert free + sum(s.size for s in gone) >= wanted
        assert not gone or max(s.closed_wall_us for s in gone) <= min(s.closed_wall_us for s in kept)


NOBODY = ClockQuality("none", False, None)
NTP = ClockQuality("ntp", True, 5.0)
RTC = ClockQuality("rtc", False, None)
YEAR_2026_US = 1_795_651_200_000_000


def test_a_step_is_told_once_with_both_offsets() -> None:
    watch = ClockWatch(NTP, threshold_us=250_000)
    assert watch.update(0, 1_000_000, NTP) is None
    assert watch.update(SECOND, 2_000_000, NTP) is None
    assert watch.update(2 * SECOND, 9_000_000, NTP) == ClockStep(1_000_000, 7_000_000)
    assert watch.update(3 * SECOND, 10_000_000, NTP) is None
    assert watch.update(4 * SECOND, 5_000_000, NTP) == ClockStep(7_000_000, 1_000_000)


def test_slewing_is_no_step() -> None:
    watch = ClockWatch(NTP)
    assert [watch.update(t * SECOND, t * SECOND + t * 500, NTP) for t in range(3600)] == [None] * 3600


@pytest.mark.parametrize(
    ("wall_us", "is_set"), [(0, False), (1_704_067_199_999_999, False), (1_704_067_200_000_000, True)]
)
def test_a_clock_before_this_program_was_never_set_whoever_vouches_for_it(wall_us: int, is_set: bool) -> None:
    assert ClockWatch(NTP).is_set(wall_us) is is_set
    assert looks_set(wall_us) is is_set


def test_a_clock_nobody_vouches_for_is_not_set_whatever_year_it_shows() -> None:
    watch = ClockWatch(NOBODY)
    watch.update(0, YEAR_2026_US, NOBODY)
    assert not watch.is_set(YEAR_2026_US), "fake-hwclock and timesyncd show the last shutdown's time"
    assert ClockWatch(RTC).is_set(YEAR_2026_US)


def test_once_set_it_runs_on_until_somebody_else_sets_it() -> None:
    watch = ClockWatch(NOBODY)
    watch.update(0, YEAR_2026_US, NTP)
    watch.update(SECOND, YEAR_2026_US + SECOND, NOBODY)
    assert watch.is_set(YEAR_2026_US + SECOND), "out of reach of any source, and right all the same"
    watch.update(2 * SECOND, YEAR_2026_US + 3600 * SECOND, NOBODY)
    assert not watch.is_set(YEAR_2026_US + 3600 * SECOND), "set by hand"
    watch.update(3 * SECOND, YEAR_2026_US, NTP)
    assert watch.is_set(YEAR_2026_US), "a step by those who vouch for it"
