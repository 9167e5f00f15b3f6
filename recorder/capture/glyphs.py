"""The watermark's letters: printable ASCII, drawn once when the program is made and kept in ``glyphs.bin``.

Drawing them at run time costs the worker 5 MB resident for a library that is used for a tenth of a second. The font is
Aileron Regular (Sora Sagano, CC0), the one Pillow carries. ``python -m recorder.capture.glyphs`` draws the file anew.

``glyphs.bin``: zlib (RFC 1950) over 95 cells of ``CELL_HEIGHT`` x ``CELL_WIDTH`` pixels, a bit each, U+0020 to U+007E.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from firmware_bridge.ports import Plane

CELL_HEIGHT: Final = 192
"""Twice the tallest letters that can be configured."""

CELL_WIDTH: Final = 104
FIRST, LAST = " ", "~"
FILE: Final = Path(__file__).with_name("glyphs.bin")

Coverage = npt.NDArray[np.float32]


@lru_cache(maxsize=1)
def _packed() -> Plane:
    """All cells, 8 pixels to a byte: a row a character. Unpacked all at once they would be 2 MB."""
    bits = np.frombuffer(zlib.decompress(FILE.read_bytes()), np.uint8)
    return bits.reshape(ord(LAST) - ord(FIRST) + 1, CELL_HEIGHT * CELL_WIDTH // 8)


def has(char: str) -> bool:
    return FIRST <= char <= LAST


def coverage(char: str, height: int, width: int) -> Coverage:
    """How much ink lies on each pixel of a ``height`` x ``width`` cell, 0 to 1. ``char`` must be one that ``has``."""
    bits = np.unpackbits(_packed()[ord(char) - ord(FIRST)])
    cell = bits.reshape(CELL_HEIGHT, CELL_WIDTH).astype(np.float32)
    return _shrink(_shrink(cell, height).T, width).T


def _shrink(image: Coverage, size: int) -> Coverage:
    """Rows of ``image`` averaged to ``size`` rows by area. By running sums: a product of matrices would wake the algebra
    library and its buffers for this alone."""
    sums = np.concatenate([np.zeros((1, image.shape[1]), np.float32), np.cumsum(image, axis=0, dtype=np.float32)])
    edges = np.linspace(0, image.shape[0], size + 1)
    whole = np.minimum(edges.astype(np.intp), image.shape[0] - 1)
    part = (edges - whole).astype(np.float32)[:, np.newaxis]
    at_edges = sums[whole] + part * (sums[whole + 1] - sums[whole])
    rows: Coverage = (at_edges[1:] - at_edges[:-1]) * np.float32(size / image.shape[0])
    return rows


def draw(height: int = CELL_HEIGHT, width: int = CELL_WIDTH) -> Plane:
    """The cells as Pillow draws them: 95 x ``height`` x ``width``, 0 to 255. Not used by the recorder itself."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(height * 0.75)
    cells = []
    for code in range(ord(FIRST), ord(LAST) + 1):
        image = Image.new("L", (width, height), 0)
        left = (width - font.getlength(chr(code))) / 2
        ImageDraw.Draw(image).text((left, height / 2), chr(code), fill=255, font=font, anchor="lm")
        cells.append(np.array(image, dtype=np.uint8))
    return np.stack(cells)


def packed(cells: Plane) -> bytes:
    """The contents of ``glyphs.bin`` for ``draw()``."""
    return zlib.compress(np.packbits(cells > 127).tobytes(), 9)


if __name__ == "__main__":
    FILE.write_bytes(packed(draw()))
