"""What a signal handler may set while the same thread waits for it.

``threading.Event`` may not be: its lock is held for a moment by whoever begins to wait, and a handler that runs just then,
on the same thread, would wait for that lock for ever.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import Protocol


class Stop(Protocol):
    """A ``threading.Event`` or a :class:`StopFlag`."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> bool: ...


class StopFlag:
    """``set`` takes no lock. Lives as long as the process, as its pipe does."""

    def __init__(self) -> None:
        self._set = False
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def set(self) -> None:
        self._set = True
        with contextlib.suppress(BlockingIOError):  # full: whoever waits wakes up anyway
            os.write(self._write, b"x")

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float) -> bool:
        """True as soon as it is set, False after ``timeout`` seconds."""
        if not self._set:
            select.select([self._read], [], [], timeout)
        return self._set
