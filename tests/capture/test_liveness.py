"""The watchdog is fed by work, not by time."""

from __future__ import annotations

import pytest

from recorder.capture.liveness import does_its_work

S = 1_000_000


@pytest.mark.parametrize(
    ("last_frame_s", "writing_s", "absent", "alive"),
    [
        (99.9, None, False, True),
        (98.1, None, False, True),
        (97.9, None, False, False),  # the camera stalls
        (97.9, None, True, True),  # it is not there, and looked for
        (99.9, 97.0, False, True),  # a slow card
        (99.9, 95.0, False, False),  # the write never ends
        (97.9, 95.0, True, False),
    ],
)
def test_frames_come_and_writes_end(last_frame_s: float, writing_s: float | None, absent: bool, alive: bool) -> None:
    writing_us = None if writing_s is None else round(writing_s * S)
    assert does_its_work(100 * S, 0, round(last_frame_s * S), writing_us, absent) is alive


def test_the_first_frame_is_waited_for_longer() -> None:
    assert does_its_work(59 * S, 0, -1, None, False)
    assert not does_its_work(61 * S, 0, -1, None, False)
