"""What an overloaded machine makes of time: frames and sound that come late, in bursts or not at all, through the real
session, timeline, encoder and muxer to files the verifier's own box walk has to accept. Nobody touched these files.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.ports import AudioBlock, EncodedFrame
from recorder.capture.audio import AudioTrack
from recorder.evidence.verify.files import MEDIA_TOLERANCE_US
from recorder.evidence.verify.mp4 import FREEZE_US, BoxWalk
from tests.capture.doubles import Rig, capture_settings
from tests.capture.footage import START_US, film

RATE = 48_000
BLOCK_US = 20_000
NOMINAL_US = 33_333


def moved(frame: EncodedFrame, timestamp_us: int) -> EncodedFrame:
    return EncodedFrame(frame.data, frame.keyframe, timestamp_us, frame.sensor)


@dataclass(frozen=True)
class Load:
    """``steps``: µs from one exposure to the next; ``late``: {frame: µs by which it and all after it wait, at most};
    ``deaf``: {block: µs for which the reader of the sound gets no time}; ``lost``: blocks the device had no room for."""

    steps: tuple[int, ...]
    late: dict[int, int]
    deaf: dict[int, int]
    lost: frozenset[int]
    ppm: int


def record(directory: Path, load: Load, *, sound: bool = True, segment_s: float = 2) -> Rig:
    track = AudioTrack(RATE, 64_000)
    rig = Rig(directory, capture_settings(segment_s=segment_s), audio=track.stream if sound else None)
    times = [START_US + at for at in accumulate(load.steps, initial=0)]
    arrivals: list[tuple[int, int, EncodedFrame | AudioBlock]] = []
    free_us = 0
    for number, (frame, at_us) in enumerate(zip(film(len(times)), times, strict=True)):
        free_us = max(free_us + 1_000, at_us + 5_000) + load.late.get(number, 0)
        arrivals.append((free_us, number, moved(frame, at_us)))
    free_us = 0
    for number in range((times[-1] - START_US) // BLOCK_US if sound else 0):
        read_us = START_US + round((number + 1) * BLOCK_US * (1 + load.ppm / 1e6))
        free_us = max(free_us + 200, read_us) + load.deaf.get(number, 0)
        if number not in load.lost:
            samples = np.full(RATE * BLOCK_US // 1_000_000, 1000, np.int16)
            arrivals.append((free_us, number, AudioBlock(samples, free_us, False)))
    arrivals.sort(key=lambda arrival: arrival[:2])
    begun = False
    for at_us, _, what in arrivals:
        while begun and rig.clock.now_us + 50_000 < at_us:  # threads look about them while nothing comes
            rig.clock.now_us += 50_000
            if sound:
                for packet in track.stalled(rig.clock.now_us)[0]:
                    rig.log.push(packet)
            rig.settle()
        rig.clock.now_us = max(rig.clock.now_us, at_us)
        if isinstance(what, EncodedFrame):
            rig.log.push(what)
        else:
            for packet in track.block(what)[0]:
                rig.log.push(packet)
        if not begun and isinstance(what, EncodedFrame):
            begun = True
            rig.start(times[0] + 1)
        rig.settle()
    rig.finish(times[-1] + 1)
    return rig


def walks(rig: Rig) -> list[BoxWalk]:
    found = []
    for opened in rig.opened:
        walk = BoxWalk()
        walk.feed(rig.path(opened).read_bytes())
        walk.finish(torn=False)
        found.append(walk)
    return found


def check(rig: Rig, load: Load) -> None:
    """What the verifier holds against a segment, and that times go on from one segment to the next."""
    assert [walk.problems for walk in walks(rig)] == [[]] * len(rig.opened)
    closed = {each.segment_id: each for each in rig.closed}
    assert sum(each.frames for each in closed.values()) == len(load.steps) + 1
    end_us = 0
    for opened, walk in zip(rig.opened, walks(rig), strict=True):
        each = closed[opened.segment_id]
        length = each.media_end_us - each.media_start_us
        assert walk.frames == each.frames
        assert walk.video_us is not None and abs(walk.video_us - length) <= MEDIA_TOLERANCE_US
        assert each.media_start_us >= end_us
        end_us = each.media_end_us
        assert all(us > FREEZE_US for _, us in walk.freezes)
    if max(load.steps) <= FREEZE_US - NOMINAL_US:
        assert not any(walk.freezes for walk in walks(rig))


@pytest.mark.parametrize("sound", [True, False])
def test_a_frame_in_time_but_delivered_after_a_stall_does_not_overlap_the_one_before(
    tmp_path: Path, sound: bool
) -> None:
    """The stall's flush had given the frame before its nominal length; the next was exposed 5.9 ms sooner than that."""
    steps = [NOMINAL_US] * 100
    steps[40] = NOMINAL_US - 5_900
    load = Load(tuple(steps), {41: 900_000}, {}, frozenset(), 0)
    check(record(tmp_path, load, sound=sound), load)


def test_a_whole_segment_end_delivered_after_a_stall(tmp_path: Path) -> None:
    """The frame behind the stall begins the next segment: it may not begin before the one before has ended, either."""
    steps = [NOMINAL_US] * 100
    steps[59] = NOMINAL_US - 5_900
    load = Load(tuple(steps), {60: 900_000}, {}, frozenset(), 0)
    rig = record(tmp_path, load)
    check(rig, load)
    first, second = rig.opened[:2]
    assert second.media_start_us == rig.closed[0].media_end_us == first.media_start_us + 60 * NOMINAL_US
    # No frame is moved further than the one overlap: by the third the stamps are the camera's own again.
    assert rig.closed[-1].media_end_us == START_US + sum(steps) + NOMINAL_US


def test_a_camera_that_pauses_and_goes_on_is_a_picture_that_stands_still(tmp_path: Path) -> None:
    steps = [NOMINAL_US] * 60
    steps[40] = 700_000
    load = Load(tuple(steps), {}, {}, frozenset(), 0)
    rig = record(tmp_path, load, segment_s=60)
    check(rig, load)
    (walk,) = walks(rig)
    ((at_us, length_us),) = walk.freezes
    assert at_us == pytest.approx(40 * NOMINAL_US, abs=20) and length_us == pytest.approx(700_000, abs=20)


def stalls(numbers: int, longest_us: int) -> st.SearchStrategy[dict[int, int]]:
    return st.dictionaries(st.integers(1, numbers - 1), st.integers(0, longest_us), max_size=4)


@settings(max_examples=20, deadline=None)
@given(
    load=st.builds(
        Load,
        st.lists(
            st.one_of(st.integers(1, 66_000), st.just(NOMINAL_US), st.integers(300_000, 1_200_000)),
            min_size=99,
            max_size=99,
        ).map(tuple),
        stalls(100, 1_500_000),
        stalls(160, 1_500_000),
        st.frozensets(st.integers(0, 160), max_size=30),
        st.integers(-300, 300),
    ),
    sound=st.booleans(),
)
def test_no_load_makes_a_recording_look_tampered_with(load: Load, sound: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        check(record(Path(directory), load, sound=sound), load)
