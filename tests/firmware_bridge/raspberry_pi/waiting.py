"""Waiting for what a driver's thread does."""

from __future__ import annotations

import threading
from collections.abc import Callable


def until(condition: Callable[[], bool], what: str, timeout_s: float = 5.0) -> None:
    """Look again and again; fails saying ``what`` did not come."""
    pause = threading.Event()
    for _ in range(round(timeout_s * 200)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError(f"没有等到 did not come: {what}")
