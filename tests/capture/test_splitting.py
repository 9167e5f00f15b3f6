from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.capture.splitting import GRACE_US, Continue, End, Split, Splitter

SECOND = 1_000_000


@given(st.integers(0, 10**9), st.lists(st.integers(-300, 300), min_size=300, max_size=400))
def test_jitter_never_makes_segments_flap(base_us: int, jitter: list[int]) -> None:
    """Keyframes each second ± 300 µs and 10 s segments: every segment has exactly ten of them."""
    splitter = Splitter(10 * SECOND, SECOND)
    keys = 0
    lengths = []
    for n, offset in enumerate(jitter):
        timestamp_us = base_us + n * SECOND + offset
        if n == 0 or isinstance(splitter.frame(timestamp_us, True), Split):
            splitter.opened(timestamp_us)
            lengths.append(keys)
            keys = 0
        keys += 1
    assert set(lengths[1:]) == {10}


def test_only_keyframes_split() -> None:
    splitter = Splitter(10 * SECOND, SECOND)
    splitter.opened(0)
    assert splitter.frame(60 * SECOND, False) == Continue()
    assert splitter.frame(60 * SECOND + 1, True) == Split("live")


def test_stop_without_post_event_ends_behind_the_last_frame() -> None:
    splitter = Splitter(10 * SECOND, SECOND)
    splitter.opened(0)
    splitter.stop(5 * SECOND, 0)
    assert splitter.frame(5 * SECOND, False) == Continue()
    assert splitter.frame(5 * SECOND + 1, True) == End()


def test_post_event_begins_at_a_keyframe_and_ends_in_time() -> None:
    splitter = Splitter(10 * SECOND, SECOND)
    splitter.opened(0)
    splitter.stop(5 * SECOND, 3 * SECOND)
    assert splitter.frame(5 * SECOND + 5, False) == Continue()
    assert splitter.frame(6 * SECOND, True) == Split("postroll")
    splitter.opened(6 * SECOND)
    assert splitter.role == "postroll"
    assert splitter.frame(7 * SECOND, True) == Continue()
    assert splitter.frame(8 * SECOND + 1, False) == End()


def test_a_second_stop_only_shortens() -> None:
    splitter = Splitter(10 * SECOND, SECOND)
    splitter.stop(5 * SECOND, 30 * SECOND)
    splitter.stop(7 * SECOND, 0)
    assert splitter.frame(7 * SECOND + 1, False) == End()
    splitter.stop(9 * SECOND, 30 * SECOND)
    assert splitter.frame(8 * SECOND, False) == End()


def test_overdue_only_after_a_stop() -> None:
    splitter = Splitter(10 * SECOND, SECOND)
    assert not splitter.overdue(10**12)
    splitter.stop(5 * SECOND, 0)
    assert not splitter.overdue(5 * SECOND + GRACE_US)
    assert splitter.overdue(5 * SECOND + GRACE_US + 1)
