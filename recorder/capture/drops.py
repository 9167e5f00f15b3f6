"""Which moment of the media each lost frame belongs to.

The camera only counts. Frames wait in memory before they are written, half a minute of them before a press: the count at
the time of writing says nothing about the media being written. So it is noted as each frame arrives.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

_MOST: Final = 4096
"""Changes remembered. One each frame for two minutes, longer than any pre-roll; older ones are one sum."""


class DropBook:
    """``note`` on the camera's thread, ``until`` on the writer's. Frames lost count with the first frame behind them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes: deque[tuple[int, int]] = deque()
        self._before = 0
        self._total = 0

    def note(self, frame_us: int, total: int) -> None:
        """A frame of boot-time ``frame_us`` arrived, and the camera has counted ``total`` lost ones since it was made."""
        if total == self._total:
            return
        with self._lock:
            self._total = total
            self._changes.append((frame_us, total))
            if len(self._changes) > _MOST:
                self._before = self._changes.popleft()[1]

    def until(self, at_us: int) -> int:
        """Frames lost before the last frame that is not later than ``at_us``."""
        with self._lock:
            total = self._before
            for frame_us, count in self._changes:
                if frame_us > at_us:
                    break
                total = count
            return total
