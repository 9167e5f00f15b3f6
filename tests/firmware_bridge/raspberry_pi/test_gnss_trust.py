"""Plausibility and age of fixes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ports import GnssFix
from firmware_bridge.raspberry_pi.gnss_trust import AGREE, Freshness, Plausibility, distance_m
from firmware_bridge.raspberry_pi.nmea import DAY_US, Reading

M_PER_DEGREE = 111_195.0


def fix(t_s: float, north_m: float = 0.0, speed: float | None = None) -> GnssFix:
    return GnssFix(round(t_s * 1e6), 38.0 + north_m / M_PER_DEGREE, 114.5, 80.0, speed, None, 1, 12, 0.8, None)


def test_distance_of_known_places() -> None:
    assert distance_m(38.0428, 114.5149, 39.9042, 116.4074) == pytest.approx(
        264_000, rel=0.01
    )  # Shijiazhuang – Beijing
    assert distance_m(1.0, 2.0, 1.0, 2.0) == 0


def test_a_jump_is_refused_and_the_way_goes_on() -> None:
    trust = Plausibility(100)
    assert [trust.believes(fix(0)), trust.believes(fix(1, 111_000)), trust.believes(fix(2, 3))] == [True, False, True]


def test_agreeing_new_positions_move_the_anchor() -> None:
    trust = Plausibility(100)
    assert trust.believes(fix(0))
    verdicts = [trust.believes(fix(1 + n, 111_000 + n)) for n in range(AGREE + 1)]
    assert verdicts == [False] * (AGREE - 1) + [True, True]
    assert not trust.believes(fix(10, 0)), "the old place is now the jump"


def test_scattered_nonsense_never_moves_the_anchor() -> None:
    trust = Plausibility(100)
    assert trust.believes(fix(0))
    assert not any(trust.believes(fix(n, 50_000 * n * (-1) ** n)) for n in range(1, 30))
    assert trust.believes(fix(30, 5))


def test_after_a_long_silence_far_away_is_reachable() -> None:
    trust = Plausibility(50)
    assert trust.believes(fix(0)) and trust.believes(fix(600, 20_000))


def test_an_impossible_reported_speed_is_refused() -> None:
    assert not Plausibility(100).believes(fix(0, speed=140.0))


@given(st.lists(st.floats(-90, 90), min_size=1, max_size=60))
def test_a_walk_below_the_limit_is_always_believed(steps: list[float]) -> None:
    trust, place = Plausibility(100), 0.0
    for n, step in enumerate(steps):
        place += step
        assert trust.believes(fix(n, place))


def read(received_s: float, said_s: float) -> Reading:
    return Reading(fix(received_s), round(said_s * 1e6) % DAY_US)


def test_a_backlog_is_dated_back() -> None:
    age = Freshness()
    assert age.dated(read(100.0, 50_000.0)).received_us == 100_000_000
    backlog = [age.dated(read(140.0, 50_001.0 + n)).received_us for n in range(40)]
    assert backlog[0] == 101_000_000 and backlog[20] == 121_000_000
    assert age.dated(read(140.2, 50_040.2)).received_us == 140_200_000


def test_the_quickest_fix_is_the_yardstick() -> None:
    age = Freshness()
    age.dated(read(101.0, 50_000.0))  # the first one came a second late
    assert age.dated(read(101.1, 50_001.0)).received_us == 101_100_000
    assert age.dated(read(104.1, 50_002.0)).received_us == 102_100_000, "two seconds late by the better measure"


def test_a_receiver_that_set_its_time_is_believed_after_a_few() -> None:
    age = Freshness()
    age.dated(read(0.0, 1_000.0))
    later = [age.dated(read(1.0 + n, 500.0 + n)).received_us for n in range(6)]
    assert later[AGREE:] == [round((1.0 + n) * 1e6) for n in range(AGREE, 6)]


def test_midnight_is_no_lag() -> None:
    age = Freshness()
    times = [age.dated(read(float(n), 86_398.0 + n)).received_us for n in range(5)]
    assert times == [n * 1_000_000 for n in range(5)]
