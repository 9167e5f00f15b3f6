"""Lost frames are declared by the segment in whose time they were lost, however long it waited in memory."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from recorder.capture.drops import DropBook
from tests.capture.doubles import Rig, capture_settings
from tests.capture.footage import film


def test_a_loss_counts_from_the_first_frame_behind_it() -> None:
    book = DropBook()
    for at_us, total in ((100, 0), (200, 0), (400, 1), (500, 1), (800, 3)):
        book.note(at_us, total)
    assert [book.until(at) for at in (0, 399, 400, 799, 800, 10_000)] == [0, 0, 1, 1, 3, 3]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.data())
def test_neighbours_share_no_loss_and_leave_none_out(steps: list[int], data: st.DataObject) -> None:
    book, total = DropBook(), 0
    for number, lost in enumerate(steps):
        total += lost
        book.note(1000 * number, total)
    cut = data.draw(st.integers(0, len(steps))) * 1000
    assert book.until(cut - 1) + (book.until(10**9) - book.until(cut - 1)) == total
    assert book.until(-1) == 0


def test_only_the_newest_changes_are_kept_apart() -> None:
    book = DropBook()
    for number in range(1, 10_001):
        book.note(number * 1000, number)
    assert book.until(10_000_000) == 10_000
    assert book.until(0) == 10_000 - 4096, "what is older is one sum"


def test_losses_while_frames_wait_for_the_press_are_the_preroll_s(tmp_path: Path) -> None:
    rig = Rig(tmp_path, capture_settings(pre_event_s=5, segment_s=60))
    frames = film(300)
    lost, press_us = {frames[40].timestamp_us: 2, frames[200].timestamp_us: 5}, frames[150].timestamp_us
    count = 0
    for frame in frames:
        count = lost.get(frame.timestamp_us, count)
        rig.context.drops.note(frame.timestamp_us, count)
        if frame.timestamp_us == press_us:
            rig.start(press_us, preroll=True)
        rig.push([frame], step=rig.session is not None)
    assert rig.session is not None
    rig.session.stop(frames[-1].timestamp_us, "stop")
    rig.clock.now_us += 1_000_000
    while rig.session.step(0.0):
        rig.clock.now_us += 100_000
    assert {(closed.reason, closed.dropped_frames) for closed in rig.closed} == {("preroll-complete", 2), ("stop", 3)}
