"""A PATCH that was begun and left half done, before anything else is asked of the store."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest


def underway(root: Path, location: str, beyond: int = 0) -> None:
    """Bytes of the PATCH that was begun are on the disk: it holds its upload. ``root``: the store's."""
    part = root / "staging" / f"{location.rpartition('/')[2]}.part"
    waiting = threading.Event()
    for _ in range(4000):
        if part.stat().st_size > beyond:
            return
        waiting.wait(0.005)
    pytest.fail("the PATCH has not begun")
