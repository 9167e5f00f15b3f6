"""The visible mark in each frame: device number, certificate numbers (执法证号), time +08:00 to a tenth of a second.

Each glyph is made once (``glyphs``); a frame costs one copy of a ready strip into the luma plane at the bottom left, and
only the characters of the time that changed are set anew. The strip is opaque: what is behind it must not make it
unreadable.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Sequence
from typing import Final

import numpy as np

from firmware_bridge.ports import Clock, Plane
from recorder.capture import glyphs

_SHANGHAI: Final = dt.timezone(dt.timedelta(hours=8))
_GROUND: Final = 24
_INK: Final = 235
_UNKNOWN: Final = "?"
_TIME: Final = "0000-00-00 00:00:00.0 +08:00"


class GlyphAtlas:
    """Glyphs in cells of one size: ``height`` pixels high, as wide as the widest character of the time."""

    def __init__(self, height: int) -> None:
        self.height = height
        self.width = max(1, round(glyphs.CELL_WIDTH * height / glyphs.CELL_HEIGHT))
        self._cells: dict[str, Plane] = {}

    def cell(self, char: str) -> Plane:
        """``height`` x ``width`` luma. A character there is no glyph for is drawn as ``?``: never left out."""
        cell = self._cells.get(char)
        if cell is None:
            ink = glyphs.coverage(char if glyphs.has(char) else _UNKNOWN, self.height, self.width)
            cell = self._cells[char] = np.round(_GROUND + (_INK - _GROUND) * ink).astype(np.uint8)
        return cell

    def text(self, text: str) -> Plane:
        return np.concatenate([self.cell(char) for char in text] or [np.empty((self.height, 0), np.uint8)], axis=1)


def rows(words: Sequence[str], columns: int) -> list[str]:
    """``words`` in order on as few lines as fit, each with a space around every word; a word too long has its own line."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 1 <= columns:
            lines[-1] += f"{word} "
        else:
            lines.append(f" {word} ")
    return lines


class Watermark:
    """``paint`` is a ``ports.FramePainter``. ``set_text`` may come from any thread and holds from the next frame on.

    One line where the picture is wide enough; else as many as it takes, because the time stands last and was what a
    narrow picture used to cut off.
    """

    def __init__(self, clock: Clock, margin: int, height: int, device_id: str) -> None:
        self._clock = clock
        self._margin = margin
        self._atlas = GlyphAtlas(height)
        self._lock = threading.Lock()
        self._words: tuple[str, ...] = (device_id,)
        self._width = 0
        self._strips: list[Plane] = []
        self._time = ""
        self._tenth = -1

    def set_text(self, device_id: str, officers: tuple[str, ...]) -> None:
        with self._lock:
            self._words = (device_id, *officers)
            self._width = 0

    def paint(self, luma: Plane, timestamp_us: int) -> None:
        """Blit into the bottom left of ``luma``; what does not fit is cut at the right and at the top."""
        clock = self._clock
        wall_us = timestamp_us + clock.wall_us() - clock.boottime_us()
        with self._lock:
            if luma.shape[1] != self._width:
                self._lay_out(luma.shape[1])
            if wall_us // 100_000 != self._tenth:
                self._tenth = wall_us // 100_000
                self._set_time(self._tenth)
            strips = self._strips
            height = self._atlas.height
            bottom = luma.shape[0] - self._margin
            if bottom < height:
                bottom = luma.shape[0]
            left = min(self._margin, luma.shape[1])
            for strip in reversed(strips):
                if bottom < height:
                    break
                width = min(strip.shape[1], luma.shape[1] - left)
                luma[bottom - height : bottom, left : left + width] = strip[:, :width]
                bottom -= height

    def _lay_out(self, width: int) -> None:
        columns = (width - 2 * self._margin) // self._atlas.width
        self._strips = [self._atlas.text(line) for line in rows((*self._words, _TIME), columns)]
        self._width = width
        self._time = _TIME
        self._tenth = -1

    def _set_time(self, tenth: int) -> None:
        moment = dt.datetime.fromtimestamp(tenth // 10, _SHANGHAI)
        text = f"{moment:%Y-%m-%d %H:%M:%S}.{tenth % 10} +08:00"
        width = self._atlas.width
        strip = self._strips[-1]
        start = strip.shape[1] - (len(text) + 1) * width
        for index, char in enumerate(text):
            if char != self._time[index]:
                left = start + index * width
                strip[:, left : left + width] = self._atlas.cell(char)
        self._time = text
