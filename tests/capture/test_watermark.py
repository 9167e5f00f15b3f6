from __future__ import annotations

import timeit

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ports import Plane
from recorder.capture.watermark import GlyphAtlas, Watermark, rows
from tests.capture.doubles import ManualClock

HEIGHT, MARGIN = 24, 16


def painted(mark: Watermark, timestamp_us: int, width: int = 1920, height: int = 1080) -> Plane:
    luma = np.full((height, width), 100, np.uint8)
    mark.paint(luma, timestamp_us)
    return luma


def expected(text: str) -> Plane:
    return GlyphAtlas(HEIGHT).text(text)


def test_shows_device_officers_and_shanghai_time() -> None:
    clock = ManualClock(5_000_000)
    mark = Watermark(clock, MARGIN, HEIGHT, "zfy-000123")
    mark.set_text("zfy-000123", ("13010001", "13010002"))
    # wall_us of the double: 1 795 000 000 s + boot-time = 2026-11-18T11:06:40Z + 5 s
    strip = expected(" zfy-000123 13010001 13010002 2026-11-18 19:06:45.3 +08:00 ")
    luma = painted(mark, 5_300_000)
    bottom = 1080 - MARGIN
    assert np.array_equal(luma[bottom - HEIGHT : bottom, MARGIN : MARGIN + strip.shape[1]], strip)
    luma[bottom - HEIGHT : bottom, MARGIN : MARGIN + strip.shape[1]] = 100
    assert (luma == 100).all()  # nothing else was touched


def test_time_runs_with_the_frame() -> None:
    mark = Watermark(ManualClock(0), MARGIN, HEIGHT, "z")
    for timestamp_us, shown in ((0, "19:06:40.0"), (999_999, "19:06:40.9"), (20_000_000, "19:07:00.0")):
        strip = expected(f" z 2026-11-18 {shown} +08:00 ")
        bottom = 1080 - MARGIN
        assert np.array_equal(
            painted(mark, timestamp_us)[bottom - HEIGHT : bottom, MARGIN : MARGIN + strip.shape[1]], strip
        )


def test_the_time_is_whole_in_a_narrow_picture() -> None:
    """At 640 pixels the line did not fit, and what stood last was cut off: the time."""
    mark = Watermark(ManualClock(5_000_000), MARGIN, HEIGHT, "zfy-000123")
    mark.set_text("zfy-000123", ("13010001", "13010002"))
    luma = painted(mark, 5_300_000, 640, 360)
    lines = [" zfy-000123 13010001 13010002 ", " 2026-11-18 19:06:45.3 +08:00 "]
    for number, line in enumerate(reversed(lines)):
        strip = expected(line)
        bottom = 360 - MARGIN - number * HEIGHT
        assert MARGIN + strip.shape[1] <= 640
        assert np.array_equal(luma[bottom - HEIGHT : bottom, MARGIN : MARGIN + strip.shape[1]], strip)


@given(st.lists(st.text(st.sampled_from("ab1-"), min_size=1, max_size=30), min_size=1, max_size=6), st.integers(3, 120))
def test_rows_lose_no_word(words: list[str], columns: int) -> None:
    lines = rows(words, columns)
    assert " ".join(line.strip() for line in lines).split() == words
    assert all(len(line) <= columns or " " not in line.strip() for line in lines)


def test_small_pictures_are_cut_not_refused() -> None:
    mark = Watermark(ManualClock(0), 200, 96, "zfy-000123")
    for width, height in ((320, 180), (160, 120), (100, 98)):
        painted(mark, 0, width, height)


def test_a_character_without_glyph_is_a_question_mark() -> None:
    atlas = GlyphAtlas(HEIGHT)
    assert np.array_equal(atlas.cell("冀"), atlas.cell("?"))
    assert not np.array_equal(atlas.cell("1"), atlas.cell("?"))


def test_cost_per_frame() -> None:
    mark = Watermark(ManualClock(0), MARGIN, HEIGHT, "zfy-000123")
    mark.set_text("zfy-000123", ("13010001", "13010002"))
    luma = np.zeros((1080, 1920), np.uint8)
    frames = iter(range(1_000_000))
    best = min(timeit.repeat(lambda: mark.paint(luma, next(frames) * 33_333), number=30, repeat=20)) / 30
    assert best < 50e-6
