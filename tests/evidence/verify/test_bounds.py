"""What a clock's claim is worth, and steps that nobody recorded."""

from __future__ import annotations

from recorder.evidence.verify.bounds import CLOCK_TOLERANCE_S, PROVEN_WITHIN_S, StepWatch, judge

S = 1_000_000


def test_proven_needs_both_bounds_and_claims_between_them() -> None:
    assert judge(100, 200, 90, 210).proven
    assert not judge(100, 200, None, 210).proven
    assert not judge(100, 200, 90, None).proven
    assert not judge(100, 200, 90, 200 - CLOCK_TOLERANCE_S - 0.1).proven
    assert judge(100, 200, 90, 200 - CLOCK_TOLERANCE_S).proven
    assert not judge(100, 200, 100 + CLOCK_TOLERANCE_S + 0.1, 300).proven


def test_bounds_too_far_apart_prove_little() -> None:
    assert judge(100, 200, 0, PROVEN_WITHIN_S).proven
    assert not judge(100, 200, 0, PROVEN_WITHIN_S + 1).proven


def watch(*records: tuple[int, float], fresh: tuple[int, ...] = (), step_at: int | None = None) -> StepWatch:
    """``records``: (boot-time in s, wall minus boot-time in s); ``step_at``: this record is the clock-step event."""
    steps = StepWatch()
    for seq, (us, offset) in enumerate(records):
        steps.update(seq, 0, us * S, us + offset, fresh=seq in fresh)
        if seq == step_at:
            steps.recorded()
    return steps


def test_slewing_is_no_step() -> None:
    assert watch((0, 0.0), (1000, 0.5), (2000, 1.0), (9000, 1.0)).unrecorded == []


def test_a_step_without_a_record_is_found() -> None:
    assert watch((0, 0.0), (10, 3.0), (20, 3.0), (30, 3.0)).unrecorded == [(1, 3.0 * S)]


def test_a_recorded_step_is_none() -> None:
    assert watch((0, 0.0), (10, 3.0), (11, 3.0), (90, 3.0), step_at=2).unrecorded == []


def test_a_step_while_the_process_was_down_could_not_be_recorded() -> None:
    assert watch((0, 0.0), (10, 3.0), (90, 3.0), fresh=(1,)).unrecorded == []


def test_a_step_right_before_a_crash_could_not_be_recorded() -> None:
    assert watch((0, 0.0), (10, 3.0), (12, 3.0), (90, 3.0), fresh=(2,)).unrecorded == []
