"""What the ignition may begin and end, and what is not its to end."""

from __future__ import annotations

from recorder.session.ignition import IgnitionPolicy, IgnitionSettings

MINUTE = 60_000_000
BOTH = IgnitionSettings(start=True, stop_after_us=10 * MINUTE)


def ours(settings: IgnitionSettings = BOTH) -> IgnitionPolicy:
    """The ignition is on and started the recording that runs."""
    policy = IgnitionPolicy(settings)
    policy.level(True, 0)
    policy.session_began("s1", "ignition")
    return policy


def test_by_default_it_is_a_fact_and_no_more() -> None:
    policy = IgnitionPolicy(IgnitionSettings(start=False, stop_after_us=None))
    assert not policy.level(True, 0)
    policy.session_began("s1", "ignition")
    policy.level(False, MINUTE)
    assert not policy.due(10**12)


def test_on_starts_and_long_enough_off_ends() -> None:
    policy = IgnitionPolicy(BOTH)
    assert not policy.level(False, 0)
    assert policy.level(True, MINUTE)
    policy.session_began("s1", "ignition")
    assert not policy.level(False, 20 * MINUTE)
    assert not policy.due(30 * MINUTE - 1)
    assert policy.due(30 * MINUTE)
    assert not policy.due(31 * MINUTE), "asked once: the answer may have been no"


def test_on_again_in_time_and_the_recording_goes_on() -> None:
    policy = ours()
    policy.level(False, 20 * MINUTE)
    policy.level(True, 25 * MINUTE)
    assert not policy.due(60 * MINUTE)
    policy.level(False, 70 * MINUTE)
    assert not policy.due(79 * MINUTE) and policy.due(80 * MINUTE)


def test_a_recording_somebody_began_is_theirs_to_end() -> None:
    for trigger in ("button", "command", "remote"):
        policy = IgnitionPolicy(BOTH)
        policy.level(True, 0)
        policy.session_began("s1", trigger)
        policy.level(False, MINUTE)
        assert not policy.due(10**12)


def test_a_mark_after_the_ignition_is_off_makes_it_the_officer_s() -> None:
    policy = ours()
    policy.marked()  # while driving: no sign that anybody stays
    policy.level(False, MINUTE)
    assert policy.due(20 * MINUTE)
    policy = ours()
    policy.level(False, MINUTE)
    policy.marked()
    assert not policy.due(10**12)


def test_a_recording_that_is_over_is_not_ended_again() -> None:
    policy = ours()
    policy.level(False, MINUTE)
    policy.session_ended()
    assert not policy.due(10**12)


def test_a_program_that_starts_again_does_not_undo_an_officer_s_stop() -> None:
    again = IgnitionPolicy(BOTH, may_start=False)
    assert not again.level(True, 0), "it was on before"
    again.level(False, MINUTE)
    assert again.level(True, 2 * MINUTE), "now it was switched on"
    assert IgnitionPolicy(BOTH, may_start=True).level(True, 0), "the unit came up with the vehicle"
