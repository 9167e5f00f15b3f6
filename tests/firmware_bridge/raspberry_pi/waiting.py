"""Waiting for what a driver's thread does."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path


def until(condition: Callable[[], bool], what: str, timeout_s: float = 5.0) -> None:
    """Look again and again; fails saying ``what`` did not come."""
    pause = threading.Event()
    for _ in range(round(timeout_s * 200)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError(f"没有等到 did not come: {what}")


class HeldFile:
    """A file of a driver that hangs: whoever reads it waits until it is let go. (A FIFO in place of what was there.)"""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: int | None = None
        new = path.with_name(f"{path.name}.held")
        os.mkfifo(new)
        new.replace(path)

    def until_read(self) -> None:
        until(self._is_read, f"a reader of {self._path.name}")

    def let_go(self) -> None:
        self.until_read()
        self._path.unlink()
        if self._writer is not None:
            os.close(self._writer)

    def _is_read(self) -> bool:
        if self._writer is None:
            with contextlib.suppress(OSError):  # ENXIO while nobody reads
                self._writer = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        return self._writer is not None
