"""SIGHUP as a flag the main loop looks at (why not an event: see ``recorder.unit.termination``)."""

from __future__ import annotations

import signal
from types import FrameType


class HangUp:
    def __init__(self) -> None:
        self._heard = False

    def install(self) -> None:
        """For the main thread only."""
        signal.signal(signal.SIGHUP, self._on_signal)

    def take(self) -> bool:
        """True once for what has been heard since the last call."""
        heard, self._heard = self._heard, False
        return heard

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._heard = True
