"""A flag that a signal handler may set and the main thread waits for.

``threading.Event`` will not do: its ``set`` takes a lock that the interrupted ``wait`` of the same thread may just hold.
"""

from __future__ import annotations

import contextlib
import os
import select
import weakref


class StopFlag:
    """Set once, for good."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._set = False
        weakref.finalize(self, _close, self._read, self._write)

    def set(self) -> None:
        self._set = True
        with contextlib.suppress(BlockingIOError):  # full of earlier wake-ups
            os.write(self._write, b"\0")

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout_s: float) -> bool:
        """Until it is set or the time is over; whether it is set."""
        if not self._set:
            select.select([self._read], [], [], max(0.0, timeout_s))
        return self._set


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)
