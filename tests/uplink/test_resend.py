from __future__ import annotations

from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.resend import STUCK_US, WINDOW, ResendPlan

S = 1_000_000


def test_unacknowledged_messages_come_back_later_and_later() -> None:
    plan = ResendPlan(BackoffPolicy(5.0, 300.0))
    assert plan.due(["a"], 0) == ["a"]
    plan.sent("a", 0, 0.0)
    assert plan.due(["a"], round(2.4 * S)) == []
    assert plan.due(["a"], round(2.6 * S)) == ["a"]
    plan.sent("a", 3 * S, 0.0)
    assert plan.due(["a"], 3 * S + round(4.9 * S)) == []
    assert plan.due(["a"], 3 * S + round(5.1 * S)) == ["a"]


def test_the_window_bounds_what_is_under_way() -> None:
    many = [str(number) for number in range(100)]
    assert ResendPlan().due(many, 0) == many[:WINDOW]


def test_a_new_connection_makes_all_due_again() -> None:
    plan = ResendPlan()
    plan.sent("a", 0, 0.5)
    plan.reconnected()
    assert plan.due(["a"], 0) == ["a"]


def test_acknowledged_ones_leave_no_trace() -> None:
    plan = ResendPlan()
    plan.sent("a", 0, 0.9)
    assert plan.due([], 0) == []
    assert plan.due(["a"], 0) == ["a"]


def test_what_is_never_acknowledged_on_one_connection_is_stuck() -> None:
    plan = ResendPlan()
    plan.sent("a", 0, 0.5)
    plan.sent("a", 300 * S, 0.5)
    assert not plan.stuck(STUCK_US)
    assert plan.stuck(STUCK_US + 1)
    plan.reconnected()
    assert not plan.stuck(STUCK_US + 1)
    plan.sent("a", STUCK_US, 0.5)
    assert not plan.stuck(2 * STUCK_US)
    plan.due([], 2 * STUCK_US)
    assert not plan.stuck(3 * STUCK_US), "acknowledged at last"
