from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.uplink.pacing import TokenBucket


def test_a_burst_is_free_and_the_rest_takes_its_time() -> None:
    bucket = TokenBucket(1000, 500, now_us=0)
    assert bucket.take(500, 0) == 0
    assert bucket.take(1000, 0) == 1.0
    assert bucket.take(0, 1_000_000) == 0
    assert bucket.take(250, 1_500_000) == 0
    assert bucket.take(251, 1_500_000) == pytest.approx(0.001)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_cap_of_nothing_is_a_mistake(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="above zero"):
        TokenBucket(rate, burst, 0)


@given(
    st.floats(100, 1e8),
    st.integers(1, 1 << 20),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 3_000_000)), min_size=1, max_size=60),
)
def test_whoever_waits_as_told_never_exceeds_the_rate(rate: float, burst: int, sends: list[tuple[int, int]]) -> None:
    """Over any stretch from the start: what went is at most the burst, what the time allows, and the block under way."""
    bucket, now_us, sent = TokenBucket(rate, burst, 0), 0, 0
    for count, pause_us in sends:
        sent += count
        wait_s = bucket.take(count, now_us)
        assert sent - count <= burst + rate * now_us / 1e6 + 1e-3 * sent + 1
        now_us += round(wait_s * 1e6) + 1 + pause_us


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=20))
def test_a_clock_that_goes_back_gives_nothing(times: list[int]) -> None:
    bucket = TokenBucket(1000, 1000, max(times))
    waits = [bucket.take(100, now_us) for now_us in times]
    assert waits == sorted(waits)
