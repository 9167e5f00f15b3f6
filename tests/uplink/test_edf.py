"""The forecast against brute force: what earliest-deadline-first misses every order misses."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.uplink.edf import Job, forecast

JOBS = st.lists(
    st.builds(Job, st.sampled_from("abcdef"), st.integers(0, 100), st.integers(0, 60).map(float) | st.just(math.inf)),
    max_size=5,
)


def meets(order: tuple[Job, ...], rate: float) -> bool:
    at = 0.0
    for job in order:
        at += job.bytes / rate
        if at > job.deadline:
            return False
    return True


@given(JOBS, st.integers(1, 10))
def test_late_exactly_when_no_order_is_in_time(jobs: list[Job], rate: int) -> None:
    told = forecast(jobs, 0.0, float(rate))
    # Fractions such as 1/3 + 1/3 + 1/3 differ in the last bit with the order.
    if all(abs(timed.done_at - timed.job.deadline) > 1e-9 for timed in told.jobs):
        assert (not told.late) == any(meets(order, rate) for order in itertools.permutations(jobs))
    assert (told.slack_s < 0) == bool(told.late)


@given(JOBS.filter(lambda jobs: any(job.bytes and math.isfinite(job.deadline) for job in jobs)))
def test_the_needed_rate_is_needed_and_enough(jobs: list[Job]) -> None:
    needed = forecast(jobs, 0.0, 1.0).needed_rate
    if math.isinf(needed):
        assert forecast(jobs, 0.0, 1e9).late
        return
    timely = [job for job in jobs if job.bytes]
    assert not forecast(timely, 0.0, needed * 1.001).late
    assert forecast(timely, 0.0, needed * 0.999).late


def test_times_and_slack() -> None:
    told = forecast([Job("b", 50, 30.0), Job("a", 100, 10.0), Job("c", 10, math.inf)], 5.0, 10.0)
    assert [(timed.job.name, timed.done_at, timed.late_s) for timed in told.jobs] == [
        ("a", 15.0, 5.0),
        ("b", 20.0, 0.0),
        ("c", 21.0, 0.0),
    ]
    assert (told.slack_s, told.needed_rate, told.done_at) == (-5.0, 20.0, 21.0)


def test_nothing_to_do_has_all_the_time() -> None:
    told = forecast([], 5.0, 1.0)
    assert (told.jobs, told.slack_s, told.needed_rate, told.done_at) == ((), math.inf, 0.0, 5.0)


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        forecast([], 0.0, rate)
