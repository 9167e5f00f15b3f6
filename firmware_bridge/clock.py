"""The real clock: the only module that reads clocks (ruff bans them everywhere else)."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

from firmware_bridge.ports import ClockQuality

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STA_UNSYNC = 0x0040  # <sys/timex.h>


class _Timex(ctypes.Structure):
    """struct timex of Linux (adjtimex(2)), 64-bit."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_sec", ctypes.c_long),
        ("time_usec", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    )


class SystemClock:
    """CLOCK_BOOTTIME, CLOCK_REALTIME and the kernel's own opinion of the latter (adjtimex, read-only)."""

    def __init__(self) -> None:
        self._boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
        self._libc = ctypes.CDLL(None, use_errno=True)

    def boottime_us(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    def wall_us(self) -> int:
        return time.time_ns() // 1000

    def boot_id(self) -> str:
        return self._boot_id

    def quality(self) -> ClockQuality:
        """``ntp`` while the kernel says a daemon disciplines it (chrony behind GNSS reports the same way); else
        ``none``: without that nobody vouches for the time, whatever it looks like."""
        timex = _Timex()
        state = self._libc.adjtimex(ctypes.byref(timex))
        if state < 0 or timex.status & _STA_UNSYNC:
            return ClockQuality(source="none", synchronized=False, max_error_ms=None)
        return ClockQuality(source="ntp", synchronized=True, max_error_ms=timex.maxerror / 1000)
