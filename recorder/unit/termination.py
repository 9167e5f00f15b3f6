"""SIGTERM and SIGINT as a flag the main loop looks at.

A handler must not put into the event queue: it runs on the main thread, between any two of its instructions, and if that
thread is just inside ``Queue.get`` it holds the queue's lock, for which the handler would then wait for ever.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

STEP_S = 0.05


class Termination:
    """``requested`` turns true with the first signal and stays so."""

    def __init__(self) -> None:
        self.requested = False

    def install(self) -> None:
        """For the main thread only."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def wait(self, seconds: float) -> None:
        """A pause that a signal ends."""
        pause = threading.Event()
        for _ in range(round(seconds / STEP_S)):
            if self.requested:
                return
            pause.wait(STEP_S)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
