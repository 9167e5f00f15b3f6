"""Checks that cannot hold up those after them, be it by an exception or by a library that never returns."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Final, NoReturn

from firmware_bridge.ports import Check

SILENCE_S: Final = 15.0
"""How long one check may take: the slowest, a receiver that is listened to, takes three seconds."""
_THREAD: Final = "check "


def in_time(device: str, checks: Callable[[], Iterator[Check]], silence_s: float = SILENCE_S) -> Iterator[Check]:
    """What ``checks`` yields, and a fault in the name of ``device`` if it breaks or is silent for ``silence_s``: its thread
    is then left behind, for no kernel call can be ended from outside."""
    found: queue.SimpleQueue[Check | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            for check in checks():
                found.put(check)
        except Exception as error:  # noqa: BLE001 - whatever a library makes of a broken board, the next device is looked at
            found.put(broken(device, error))
        finally:
            found.put(None)

    thread = threading.Thread(target=run, name=f"{_THREAD}{device}", daemon=True)
    thread.start()
    while True:
        try:
            check = found.get(timeout=silence_s)
        except queue.Empty:
            yield silent(device, silence_s)
            return
        if check is None:
            thread.join()  # at its end: ``leave`` is not to take it for one that hangs
            return
        yield check


def broken(device: str, error: Exception) -> Check:
    """Its check raised."""
    what = f"{type(error).__name__}: {error}"
    advice = ("请报告此问题", "please report this")
    return Check(device, "fault", f"检查出错：{what}", f"the check failed: {what}", *advice)


def silent(device: str, silence_s: float) -> Check:
    """Its check said nothing for so long."""
    return Check(
        device,
        "fault",
        f"{silence_s:g} 秒内没有应答：驱动或设备停滞",
        f"no answer within {silence_s:g} s: the driver or the device hangs",
        "断电重启；仍然如此则检查接线，或更换器件",
        "switch off and on; if it stays, check the wires or replace the part",
    )


def leave(code: int) -> NoReturn:
    """Ends the process, also where a check hangs: the libraries' own clean-up at exit would wait for it."""
    if any(thread.name.startswith(_THREAD) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
