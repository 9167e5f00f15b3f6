from __future__ import annotations

import timeit

import numpy as np

from firmware_bridge.ports import Plane
from recorder.capture.watermark import GlyphAtlas, Watermark
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
