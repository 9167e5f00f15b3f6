"""Cheap statistics of a luma plane, whatever its size: 64 rows, on each sixteen runs of up to 32 neighbouring pixels. Pure.

Runs, because detail shows in neighbours only; a sample, because the painter's callback has 33 ms for everything.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from firmware_bridge.ports import Plane
from recorder.faults.lens import LumaStatistics

_ROWS: Final = 64
_BANDS: Final = 8
_COLUMNS: Final = 16
_RUN: Final = 32
_CELL: Final = 4
"""Pixels taken together: a covered sensor at full gain shows noise, which is no detail; a blur that matters is wider."""
_DETAIL: Final = 5.0
"""Deviation in luma steps, of cells, from which a tile has detail."""
_FEW: Final = 8
"""Tiles with detail below which nothing is said of the focus."""


def statistics(luma: Plane, at_us: int) -> LumaStatistics | None:
    """``luma``: height x width uint8, only read. None for a picture too small to judge."""
    height, width = luma.shape
    pitch, step = width // _COLUMNS, height // _ROWS
    cells = min(_RUN, pitch) // _CELL
    if step < 1 or cells < 2:
        return None
    rows = luma[step // 2 : step // 2 + step * _ROWS : step, : pitch * _COLUMNS]
    pixels = rows.reshape(_ROWS, _COLUMNS, pitch)[:, :, : cells * _CELL].astype(np.float32)
    total = pixels[:, :, 0::_CELL] + pixels[:, :, 1::_CELL] + pixels[:, :, 2::_CELL] + pixels[:, :, 3::_CELL]
    tiles = total.reshape(_BANDS, _ROWS // _BANDS, _COLUMNS, cells)
    each = _ROWS // _BANDS * cells
    mean = np.einsum("brcp->bc", tiles) / each
    variance = np.einsum("brcp,brcp->bc", tiles, tiles) / each - np.square(mean)
    detailed = variance >= (_DETAIL * _CELL) ** 2
    found = int(np.count_nonzero(detailed))
    sharpness = None
    if found >= _FEW:
        edges = tiles[..., 1:] - tiles[..., :-1]
        energy = np.einsum("brcp,brcp->bc", edges, edges) / (each - _ROWS // _BANDS)
        sharpness = float(np.median(energy[detailed] / variance[detailed]))
    return LumaStatistics(at_us, float(np.median(mean)) / _CELL, 1.0 - found / mean.size, sharpness)
