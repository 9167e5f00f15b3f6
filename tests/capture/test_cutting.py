from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.capture.cutting import CHUNK, EARLIEST_US, LATEST_US, Candidate, Cutter

FRAME_US = 33_333


def cut_stream(sizes: list[int]) -> list[Candidate]:
    """Cuts of a stream of frames with these sizes, as the muxer makes them."""
    cuts = []
    cutter = Cutter()
    pending: list[int] = []
    for size in sizes:
        pending.append(size)
        total = 1500 + sum(pending)
        cut = cutter.offer(Candidate(len(pending), 0, len(pending) * FRAME_US, total))
        if cut is not None:
            cuts.append(cut)
            pending = pending[cut.video :]
            cutter.restart()
    return cuts


@given(st.lists(st.integers(100, 300_000), min_size=60, max_size=200))
@settings(deadline=None)
def test_every_fragment_ends_in_the_window(sizes: list[int]) -> None:
    for cut in cut_stream(sizes):
        assert EARLIEST_US <= cut.duration_us <= LATEST_US + FRAME_US // 2 + 1


def test_few_frames_a_second_make_no_longer_fragments() -> None:
    """At 5 frames/s a fragment that just misses the end of the window would be 0.8 s long."""
    for jitter_us in (-300, 300):
        cutter = Cutter()
        cuts = [cutter.offer(Candidate(n, 0, n * 200_000 + jitter_us, n * 10_000)) for n in (1, 2, 3)]
        assert cuts[:2] == [None, None] and cuts[2] is not None


def padding(megabits: float) -> float:
    chance = random.Random(1)
    mean = megabits * 1e6 / 8 / 30
    sizes = [round(mean * (chance.uniform(3, 5) if n % 30 == 0 else chance.uniform(0.5, 1.3))) for n in range(9000)]
    cuts = cut_stream(sizes)
    return sum(-cut.size % CHUNK for cut in cuts) / sum(cut.size for cut in cuts)


def test_padding_is_small_where_the_bytes_are_many() -> None:
    """Design §10: ≤ 7 % at 6 to 8 Mbit/s, aim ≤ 4 %."""
    assert padding(6) <= 0.03
    assert padding(8) <= 0.03
    assert padding(2) <= 0.10


def test_a_cut_may_lie_frames_back() -> None:
    cutter = Cutter()
    good = Candidate(12, 0, 400_000, 2 * CHUNK - 4_000)
    assert cutter.offer(good) is None
    later = [Candidate(12 + n, 0, 400_000 + n * FRAME_US, 2 * CHUNK + n * 3_000) for n in range(1, 8)]
    assert next(cut for candidate in later if (cut := cutter.offer(candidate)) is not None) is good
