"""A new configuration waits for a segment boundary, and what needs quiet for quiet."""

from __future__ import annotations

from recorder.session.reload import PendingReload


def test_while_recording_it_waits_for_the_next_segment_and_then_for_the_end() -> None:
    pending: PendingReload[str] = PendingReload()
    pending.segment_opened()  # before anything was accepted
    pending.accept("new")
    assert not pending.boundary_is_due(recording=True)
    pending.segment_opened()
    assert pending.boundary_is_due(recording=True)
    pending.boundary_done = True
    assert not pending.boundary_is_due(recording=True) and not pending.idle_is_due(recording=True)
    assert pending.idle_is_due(recording=False)
    pending.idle_done = True
    assert not pending.idle_is_due(recording=False)


def test_without_a_recording_nothing_waits() -> None:
    pending: PendingReload[str] = PendingReload()
    assert not pending.boundary_is_due(recording=False) and not pending.idle_is_due(recording=False)
    pending.accept("new")
    assert pending.boundary_is_due(recording=False) and not pending.idle_is_due(recording=False)


def test_a_newer_one_supersedes_and_waits_anew() -> None:
    pending: PendingReload[str] = PendingReload()
    pending.accept("first")
    pending.segment_opened()
    pending.boundary_done = pending.idle_done = True
    pending.accept("second")
    assert pending.target == "second"
    assert not pending.boundary_is_due(recording=True)
