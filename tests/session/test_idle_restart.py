"""A restart waits for quiet, comes once, and never while something is recorded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.session.idle_restart import IdleRestart
from recorder.session.reload import QUIET_US


def test_asked_while_quiet_it_is_due_at_once() -> None:
    restart = IdleRestart()
    assert not restart.due(0, recording=False)
    restart.ask("agency")
    assert not restart.due(QUIET_US - 1, recording=False)
    assert restart.due(QUIET_US, recording=False)
    assert not restart.due(QUIET_US + 1, recording=False), "once"


@given(st.lists(st.tuples(st.integers(0, QUIET_US), st.booleans(), st.booleans()), max_size=40))
def test_never_while_recording_nor_soon_after_nor_unasked(steps: list[tuple[int, bool, bool]]) -> None:
    restart, now, asked, quiet_since = IdleRestart(), 0, False, None
    for advance, recording, asks in steps:
        now += advance
        if asks:
            restart.ask("agency")
            asked = True
        quiet_since = None if recording else now if quiet_since is None else quiet_since
        if restart.due(now, recording=recording):
            assert asked and quiet_since is not None and now - quiet_since >= QUIET_US
            return
