"""The box walk: counts frames, sees holes, survives anything."""

from __future__ import annotations

import random
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence.verify.mp4 import BoxWalk
from tests.evidence.verify.little_mp4 import FRAME, box, fragment, free, head

FILE = head() + b"".join(fragment(n * 5 * FRAME, 5, bytes(500), n + 1) for n in range(6)) + free(8)


def walked(data: bytes, sizes: list[int] | None = None, *, torn: bool = False) -> BoxWalk:
    walk = BoxWalk()
    at = 0
    for size in sizes or [len(data)]:
        walk.feed(data[at : at + size])
        at += size
    walk.feed(data[at:])
    walk.finish(torn=torn)
    return walk


def test_counts_frames_and_time() -> None:
    walk = walked(FILE)
    assert (walk.fragments, walk.frames, walk.video_us, walk.problems) == (6, 30, 1_200_000, [])


@given(sizes=st.lists(st.integers(1, 700), max_size=12))
def test_the_way_bytes_arrive_does_not_matter(sizes: list[int]) -> None:
    walk = walked(FILE, sizes)
    assert (walk.fragments, walk.frames, walk.problems) == (6, 30, [])


def test_a_missing_fragment_shows() -> None:
    """By its number: the writer leaves none out, while a late fragment only extends the last frame before it."""
    walk = walked(head() + fragment(0, 5, b"") + fragment(10 * FRAME, 5, b"", 3) + free(8))
    assert walk.problems == ["fragment 2 is numbered 3"]
    assert walked(head() + fragment(5 * FRAME, 5, b"", 2)).problems == ["fragment 1 is numbered 2"]


def test_a_repeated_fragment_shows() -> None:
    overlap = "fragment 2 begins -200.0 ms from where the one before ended"
    assert walked(head() + fragment(0, 5, b"") * 2).problems == ["fragment 2 is numbered 1", overlap]
    assert walked(head() + fragment(0, 5, b"") + fragment(0, 5, b"", 2)).problems == [overlap]


def test_a_fragment_that_begins_before_the_one_before_has_ended_shows() -> None:
    assert walked(head() + fragment(0, 5, b"") + fragment(5 * FRAME - 1, 5, b"", 2)).problems == []  # rounding
    walk = walked(head() + fragment(0, 5, b"") + fragment(5 * FRAME - 531, 5, b"", 2))
    assert walk.problems == ["fragment 2 begins -5.9 ms from where the one before ended"]


def test_a_fragment_that_begins_later_is_a_picture_that_stands_still() -> None:
    """ISO/IEC 14496-12, 8.8.12: the last sample before it is extended."""
    end = 5 * FRAME
    walk = walked(head() + fragment(0, 5, b"") + fragment(end + 90_000, 5, b"", 2))
    assert (walk.problems, walk.freezes, walk.video_us) == ([], [(160_000, 1_040_000)], 1_400_000)
    short = walked(head() + fragment(0, 5, b"") + fragment(end + 500 * 90 - FRAME, 5, b"", 2))
    assert (short.problems, short.freezes) == ([], [])
    still = fragment(0, 1, b"").replace(struct.pack(">II", FRAME, 100), struct.pack(">II", 90_000, 100), 1)
    assert walked(head() + still + fragment(180_000, 5, b"", 2)).freezes == [(0, 2_000_000)]
    assert walked(head() + fragment(0, 5, b"") + fragment(1 << 60, 5, b"", 2)).problems != []


def test_a_cut_is_no_problem_only_in_a_torn_file() -> None:
    assert walked(FILE[:-200], torn=True).problems == []
    assert walked(FILE[:-200]).problems != []


def test_a_picture_that_stands_still_is_seen() -> None:
    assert walked(FILE).freezes == []
    tfdt_of_second = 5 * FRAME
    still = fragment(0, 5, b"").replace(struct.pack(">II", FRAME, 100), struct.pack(">II", 90_000, 100), 1)
    walk = walked(head() + fragment(0, 5, b"") + fragment(tfdt_of_second, 5, b"", 2))
    assert walk.freezes == []
    assert walked(head() + still).freezes == [(0, 1_000_000)]


def test_no_moov_is_a_problem() -> None:
    assert walked(box(b"ftyp", b"isom") + free(40)).problems == ["no moov box"]


def test_large_sizes_and_64_bit_sizes() -> None:
    big = struct.pack(">I4sQ", 1, b"mdat", 16 + 100) + bytes(100)
    assert walked(head() + big + fragment(0, 5, b"")).frames == 5
    assert walked(struct.pack(">I4s", 1 << 31, b"moov") + bytes(50)).problems != []


@settings(max_examples=200)
@given(data=st.binary(max_size=400))
def test_rubbish_never_raises(data: bytes) -> None:
    walked(data)
    walked(head() + data)


@settings(max_examples=200)
@given(position=st.integers(0, len(FILE) - 1), value=st.integers(0, 255), seed=st.integers(0, 99))
def test_altered_files_never_raise(position: int, value: int, seed: int) -> None:
    data = bytearray(FILE)
    data[position] = value
    rnd = random.Random(seed)
    walked(bytes(data), [rnd.randint(1, 300) for _ in range(8)])
