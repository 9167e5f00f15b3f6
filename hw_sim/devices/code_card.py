"""A card with a QR code before the lens, printed by the library that reads it: on white, in the middle of the picture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import zxingcpp
from PIL import Image

from firmware_bridge.ports import Plane

BLACK: Final = 16
WHITE: Final = 235
_FREE_ROWS: Final = 80
"""The frame counter's mark stands in the rows above."""


@lru_cache(maxsize=4)
def modules(text: str) -> Plane:
    """The code with its quiet zone, one pixel to a module, 0 or 255. Raises ValueError for a text that does not fit."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="L")
    return np.array(code.to_image(scale=1, add_quiet_zones=True), np.uint8)


def write_png(path: Path, text: str) -> None:
    """The code for paper or a telephone, 8 pixels to a module. Raises ValueError, OSError."""
    Image.fromarray(np.kron(modules(text), np.ones((8, 8), np.uint8))).save(path, "PNG")


def hold_up(luma: Plane, text: str) -> None:
    """Paint the card into ``luma`` (height x width), as large as fits below the counter's mark."""
    card = modules(text)
    height, width = luma.shape
    room = height - _FREE_ROWS if height > 2 * _FREE_ROWS else height * 3 // 4
    scale = max(1, min(room, width) // card.shape[0])
    large = np.where(np.kron(card, np.ones((scale, scale), np.uint8)) > 127, WHITE, BLACK).astype(np.uint8)
    rows, columns = min(large.shape[0], height), min(large.shape[1], width)
    top, left = height - rows, (width - columns) // 2
    luma[top:, left : left + columns] = large[:rows, :columns]
