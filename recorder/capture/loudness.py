"""Levels of sound in dBFS, RMS: 0 dBFS is the power of a square wave that goes from one end of the scale to the other."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from firmware_bridge.ports import Samples

SILENCE_DBFS: Final = -120.0
"""Stands for digital silence, whose level is minus infinity: JSON has no word for that."""

_FULL_SCALE: Final = 32768.0


def power(samples: Samples) -> float:
    """Mean square about the mean (a converter's constant offset is no sound), 1.0 at full scale; 0.0 of nothing."""
    return float(np.var(samples, dtype=np.float64)) / _FULL_SCALE**2 if len(samples) else 0.0


def dbfs(mean_square: float) -> float:
    """Level of a :func:`power`, to a tenth of a decibel."""
    return max(SILENCE_DBFS, round(10 * math.log10(mean_square), 1)) if mean_square > 0 else SILENCE_DBFS
