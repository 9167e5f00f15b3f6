"""Starts that fail again and again are slowed down, and never for long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.session.restart_pause import PAUSES_US, SHORT_US, pause_us

S = 1_000_000


def test_the_first_failures_cost_nothing_and_then_it_doubles() -> None:
    starts: list[int] = []
    now, pauses = 100 * S, []
    for _ in range(9):
        pause = pause_us(starts, now)
        pauses.append(pause // S)
        starts.append(now)
        now += pause + S
    assert pauses == [0, 0, 0, 1, 2, 4, 8, 8, 8]


def test_a_run_of_a_minute_makes_it_forget() -> None:
    assert pause_us([0, 1 * S, 2 * S, 3 * S], 4 * S) > 0
    assert pause_us([0, 1 * S, 2 * S, 3 * S], 3 * S + SHORT_US + 1) == 0


@given(st.lists(st.integers(0, 10**12)), st.integers(0, 10**12))
def test_whatever_the_file_says_the_pause_is_bounded(starts: list[int], now: int) -> None:
    assert 0 <= pause_us(starts, now) <= PAUSES_US[-1] <= 10 * S
