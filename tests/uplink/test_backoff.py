from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.uplink.backoff import RETRY_AFTER_MAX_S, BackoffPolicy

FRACTIONS = st.floats(0, 1, exclude_max=True)
ATTEMPTS = st.integers(1, 10**6)
POLICY = BackoffPolicy(2.0, 300.0)


@given(ATTEMPTS, FRACTIONS)
def test_the_pause_never_exceeds_cap_or_doubling(attempt: int, fraction: float) -> None:
    delay = POLICY.delay_s(attempt, fraction)
    assert 0 <= delay <= min(300.0, 2.0 * 2.0 ** min(attempt - 1, 100))


@given(ATTEMPTS)
def test_jitter_is_full(attempt: int) -> None:
    """From nothing to the whole interval, linear in the draw: what keeps a fleet from coming back in step."""
    whole = POLICY.delay_s(attempt, 0.999999)
    assert POLICY.delay_s(attempt, 0.0) == 0
    assert abs(POLICY.delay_s(attempt, 0.5) - whole / 2) < 0.01


@given(ATTEMPTS, FRACTIONS, st.floats(0, RETRY_AFTER_MAX_S))
def test_retry_after_is_honoured_and_only_lengthened(attempt: int, fraction: float, wish: float) -> None:
    assert wish <= POLICY.delay_s(attempt, fraction, wish, slack_s=0) <= wish * 1.2


def test_nobody_parks_evidence_for_ever() -> None:
    assert POLICY.delay_s(1, 0.0, 10**9) == RETRY_AFTER_MAX_S


@given(ATTEMPTS, FRACTIONS, st.floats(-(10**6), 10**6), st.floats(-(10**6), 10**6))
def test_less_slack_never_waits_longer(attempt: int, fraction: float, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert POLICY.delay_s(attempt, fraction, slack_s=less) <= POLICY.delay_s(attempt, fraction, slack_s=more)


def test_near_the_deadline_the_cap_shrinks() -> None:
    assert POLICY.delay_s(50, 0.9, slack_s=24 * 3600) == 270
    assert POLICY.delay_s(50, 0.9, slack_s=3600) == 0.9 * 150
    assert POLICY.delay_s(50, 0.9, slack_s=-5) == 0.9 * 16
