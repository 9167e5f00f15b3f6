"""A made-up street, panned and peopled, cheap enough to render at 1080p30 beside the encoder. Pure: seed and time in.

``read_counter`` and ``read_file`` are offered here too, because a scene and the mark that proves its frames go together.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from firmware_bridge.ports import Plane
from hw_sim.devices.counter import read_counter, read_file

__all__ = ["Scene", "light_level", "read_counter", "read_file"]

NIGHT_LUX: Final = 10.0
"""Below this the sensor's gain is at its end: the picture darkens and loses its colour, as behind an open IR-cut filter."""
DARKEST: Final = 5
_PAN_X: Final = 256
_PAN_Y: Final = 64
_GRAIN: Final = 64
_CEILING: Final = 208  # texture stays below: grain is added without a check for overflow
_COVERED: Final = 18


def light_level(lux: float) -> int:
    """0 by day; one step darker for every halving below ``NIGHT_LUX``, at most ``DARKEST``."""
    return min(DARKEST, max(0, math.ceil(math.log2(NIGHT_LUX / max(lux, 1e-6)))))


class Scene:
    """Frames of one size. ``draw`` fills given planes and allocates next to nothing."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        self._width = width
        self._height = height
        random = np.random.default_rng(seed)
        self._day, self._u, self._v = _panorama(width + _PAN_X, height + _PAN_Y, random)
        self._grain_fine = _grain(random, height, width, 3)
        self._grain_coarse = _grain(random, height, width, 18)
        self._phase = float(random.uniform(0, 2 * math.pi))
        self._level = 0
        self._dimmed = self._day

    def draw(self, y: Plane, u: Plane, v: Plane, at_us: int, *, lux: float, covered: bool) -> None:
        """Paint the frame exposed at boot-time ``at_us`` into ``y`` (height x width), ``u`` and ``v`` (half of it)."""
        if covered:
            y.fill(_COVERED)
            u.fill(128)
            v.fill(128)
            return
        level = light_level(lux)
        if level != self._level:
            self._level, self._dimmed = level, dim(self._day, level)
        t = at_us / 1e6
        dx = int((_PAN_X - 2) * (0.5 + 0.5 * math.sin(t / 4.1 + self._phase))) & ~1
        dy = int((_PAN_Y - 2) * (0.5 + 0.5 * math.sin(t / 2.7))) & ~1
        grain = self._grain_coarse if level else self._grain_fine
        step = at_us // 1000 * 2_654_435_761  # Knuth's multiplicative hash: another piece of grain for each frame
        gx, gy = step >> 7 & (_GRAIN - 1), step >> 19 & (_GRAIN - 1)
        height, width = self._height, self._width
        np.add(self._dimmed[dy : dy + height, dx : dx + width], grain[gy : gy + height, gx : gx + width], out=y)
        if level >= 2:
            u.fill(128)
            v.fill(128)
        else:
            half_y, half_x = dy // 2, dx // 2
            np.copyto(u, self._u[half_y : half_y + height // 2, half_x : half_x + width // 2])
            np.copyto(v, self._v[half_y : half_y + height // 2, half_x : half_x + width // 2])
        self._people(y, t, level)

    def _people(self, y: Plane, t: float, level: int) -> None:
        for index in range(3):
            tall = self._height // (4 + index)
            wide = max(4, tall // 4)
            reach = self._width + 2 * wide
            x = int(t * self._width * (0.07 + 0.03 * index) + index * reach / 3) % reach - wide
            if index == 1:
                x = self._width - x - wide
            left, right = max(0, x), min(self._width, x + wide)
            if left >= right:
                continue
            top = self._height * 9 // 10 - tall - index * self._height // 16
            head = wide * 2 // 3
            y[top + head : top + tall, left:right] = (70 + 55 * index) >> level
            y[top : top + head, left + wide // 6 : max(left, right - wide // 6)] = 190 >> level


def blur(luma: Plane) -> None:
    """Out of focus, in place: circles of confusion of a thirty-second of the picture's width, as grease or fog make them.
    Quick rather than beautiful: every so many pixels are kept and the rest is drawn between them."""
    height, width = luma.shape
    pitch = max(2, width // 32)
    few = Image.fromarray(luma).reduce(pitch)
    luma[:] = np.asarray(few.resize((width, height), Image.Resampling.BILINEAR))


def dim(luma: Plane, level: int) -> Plane:
    """The same picture ``level`` halvings of light later (somewhat less each, after the sensor's curve)."""
    curve = 16 + (np.arange(256) - 16).clip(0) * 0.62**level
    return curve.astype(np.uint8)[luma]


def _grain(random: np.random.Generator, height: int, width: int, most: int) -> Plane:
    return random.integers(0, most + 1, (height + _GRAIN, width + _GRAIN), np.uint8)


def _panorama(width: int, height: int, random: np.random.Generator) -> tuple[Plane, Plane, Plane]:
    horizon = int(height * 0.45)
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    luma = np.where(rows < 0.45, 185 - 90 * rows, 70 + 70 * rows) + np.zeros((1, width), np.float32)
    u = np.where(rows < 0.45, 146.0, 126.0) + np.zeros((1, width), np.float32)
    v = np.where(rows < 0.45, 112.0, 130.0) + np.zeros((1, width), np.float32)
    x = 0
    while x < width:
        wide = int(random.integers(width // 16, width // 6))
        top = int(random.integers(height // 20, horizon))
        foot = horizon + height // 12
        shade, warmth = float(random.integers(60, 150)), float(random.integers(-14, 16))
        luma[top:foot, x : x + wide] = shade
        u[top:foot, x : x + wide] = 128 - warmth
        v[top:foot, x : x + wide] = 128 + warmth
        pitch = max(6, height // 28)
        for wy in range(top + pitch // 2, foot - pitch, pitch):
            for wx in range(x + pitch // 2, min(width, x + wide) - pitch // 2, pitch):
                luma[wy : wy + pitch // 2, wx : wx + pitch // 2] = 195 if random.random() < 0.3 else shade * 0.6
        x += wide + int(random.integers(0, max(2, width // 24)))
    for cells, weight in ((12, 16.0), (48, 9.0), (192, 6.0)):
        luma += weight * _clouds(width, height, cells, random)
    return _to_plane(luma, 16, _CEILING), _to_plane(u[::2, ::2], 16, 240), _to_plane(v[::2, ::2], 16, 240)


def _clouds(width: int, height: int, cells: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Smooth noise with about ``cells`` lumps across, mean 0, deviation about 1."""
    rows = max(2, cells * height // width)
    coarse = Image.fromarray(random.standard_normal((rows, cells)).astype(np.float32), mode="F")
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)


def _to_plane(values: npt.NDArray[np.float32], low: int, high: int) -> Plane:
    return np.ascontiguousarray(values.clip(low, high).astype(np.uint8))
