from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from recorder.capture import glyphs
from recorder.capture.watermark import GlyphAtlas


@pytest.mark.parametrize("height", [64, 96])
def test_each_digit_is_the_fonts_own(height: int) -> None:
    """Of all digits Pillow draws at a size, the nearest is the same one. (Smaller ones its hinting moves by a pixel.)"""
    width = GlyphAtlas(height).width
    numbers = [ord(char) - ord(glyphs.FIRST) for char in "0123456789-:+"]
    drawn = glyphs.draw(height, width)[numbers].astype(np.float32) / 255
    for place, number in enumerate(numbers):
        ours = glyphs.coverage(chr(ord(glyphs.FIRST) + number), height, width)
        distances = np.abs(drawn - ours).mean(axis=(1, 2))
        assert distances.argmin() == place


def test_the_file_is_what_pillow_draws() -> None:
    """To the pixel with the Pillow it was made with; another version may round an edge otherwise."""
    fresh = glyphs.draw() > 127
    stored = np.stack([glyphs.coverage(chr(c), glyphs.CELL_HEIGHT, glyphs.CELL_WIDTH) > 0.5 for c in range(32, 127)])
    assert (fresh != stored).mean() < 0.005


def test_ink_is_kept_when_shrinking() -> None:
    full = glyphs.coverage("8", glyphs.CELL_HEIGHT, glyphs.CELL_WIDTH)
    assert set(np.unique(full)) == {0.0, 1.0}
    for height, width in ((24, 13), (17, 9), (96, 52)):
        small = glyphs.coverage("8", height, width)
        assert small.min() >= -1e-3 and small.max() <= 1 + 1e-3
        assert small.mean() == pytest.approx(full.mean(), rel=1e-3)


def test_all_letters_differ_and_space_is_empty() -> None:
    cells = [glyphs.coverage(chr(code), 24, 13).tobytes() for code in range(ord(" "), ord("~") + 1)]
    assert len(set(cells)) == len(cells) == 95
    assert not glyphs.coverage(" ", 24, 13).any()
    assert not glyphs.has("冀") and not glyphs.has("\n")


def test_the_worker_carries_no_drawing_library() -> None:
    code = "import sys, recorder.capture.worker; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
