"""A new configuration waits for a segment boundary, and what needs quiet for quiet."""

from __future__ import annotations

from recorder.session.reload import QUIET_US, PendingReload


def taken(pending: PendingReload[str], now_us: int, *, recording: bool) -> tuple[bool, bool]:
    pending.look(now_us, recording=recording)
    return pending.take_boundary(), pending.take_idle()


def test_while_recording_it_waits_for_the_next_segment_and_then_for_quiet() -> None:
    pending: PendingReload[str] = PendingReload()
    pending.segment_opened()  # before anything was accepted
    pending.accept("new")
    assert taken(pending, 1, recording=True) == (False, False)
    pending.segment_opened()
    assert taken(pending, 2, recording=True) == (True, False)
    assert taken(pending, 3, recording=True) == (False, False)
    assert taken(pending, 10, recording=False) == (False, False)
    assert taken(pending, 10 + QUIET_US - 1, recording=False) == (False, False)
    assert taken(pending, 10 + QUIET_US, recording=False) == (False, True)
    assert taken(pending, 11 + QUIET_US, recording=False) == (False, False)
    assert pending.is_left
    assert pending.target == "new"


def test_a_recording_that_begins_again_makes_it_wait_anew() -> None:
    pending: PendingReload[str] = PendingReload()
    pending.accept("new")
    assert taken(pending, 0, recording=False) == (True, False)
    assert taken(pending, QUIET_US - 1, recording=True) == (False, False)
    assert taken(pending, QUIET_US + 1, recording=False) == (False, False)
    assert taken(pending, 2 * QUIET_US + 1, recording=False) == (False, True)


def test_a_unit_that_has_been_quiet_takes_it_at_once() -> None:
    pending: PendingReload[str] = PendingReload()
    assert taken(pending, 0, recording=False) == (False, False)
    assert taken(pending, QUIET_US, recording=False) == (False, False)
    pending.accept("new")
    assert taken(pending, QUIET_US + 1, recording=False) == (True, True)


def test_a_newer_one_supersedes_and_waits_anew() -> None:
    pending: PendingReload[str] = PendingReload()
    pending.accept("first")
    pending.segment_opened()
    assert taken(pending, 1, recording=True) == (True, False)
    pending.accept("second")
    assert taken(pending, 2, recording=True) == (False, False)
    pending.segment_opened()
    assert taken(pending, 3, recording=True) == (True, False)
    assert pending.target == "second"
