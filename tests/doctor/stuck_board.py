"""A board module whose devices do the worst a library can do, one after the other. For ``recorder doctor``'s tests."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from firmware_bridge.ports import BoardOptions, Check, DeviceCheck


def unit_board(options: BoardOptions) -> Any:
    raise NotImplementedError


def capture_board(options: BoardOptions, camera_id: str) -> Any:
    raise NotImplementedError


def well(device: str) -> Iterator[Check]:
    os.write(1, b"what libraries print is no answer\n")
    yield Check(device, "ok", "好", "well")


def holds_the_lock() -> Iterator[Check]:
    """A call into C that never returns and keeps the interpreter to itself: PyDLL does not let go of the lock."""
    yield from well("camera.seen")
    ctypes.PyDLL(None).sleep(3600)


def hangs() -> Iterator[Check]:
    threading.Event().wait(3600)
    yield from ()


def crashes() -> Iterator[Check]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield from ()


def breaks() -> Iterator[Check]:
    yield Check("battery", "ok", "好", str(1 // 0))


def diagnose(options: BoardOptions, cameras: Sequence[str]) -> list[DeviceCheck]:
    if options.get("module") == "hangs":
        ctypes.PyDLL(None).sleep(3600)
    return [
        ("first", lambda: well("first")),
        ("camera", holds_the_lock),
        ("microphone", crashes),
        ("gpio", lambda: well("gpio")),
        ("gnss", hangs),
        ("battery", breaks),
        ("last", lambda: well("last")),
    ]
