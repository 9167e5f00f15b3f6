"""The real clock: the only module that reads clocks (ruff bans them everywhere else)."""

from __future__ import annotations

import ctypes
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from firmware_bridge.clock_quality import judged
from firmware_bridge.ports import ClockQuality, ClockSource

LOG = logging.getLogger(__name__)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_HEARD_US: Final = 1_000_000
_RTC_AGREES_S: Final = 2.0
"""The RTC tells whole seconds, and the start reads it once."""


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
    """CLOCK_BOOTTIME, CLOCK_REALTIME, and what others say of the latter; see ``clock_quality``.

    ``discipline(wall_us)``: what the time daemon follows. ``pulse_offset_ns(wall_us)``: the wall clock against the whole
    second at the receiver's last pulse. ``rtc_offset_s(wall_us)``: the RTC minus the wall clock; called once, here, because
    the chip may be slow. Each returns None when it knows nothing.
    """

    def __init__(
        self,
        *,
        discipline: Callable[[int], ClockSource | None] | None = None,
        pulse_offset_ns: Callable[[int], int | None] | None = None,
        rtc_offset_s: Callable[[int], float | None] | None = None,
    ) -> None:
        self._boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._discipline = discipline
        self._pulse_offset_ns = pulse_offset_ns
        self._refused = False
        self._heard_us: int | None = None
        self._hearing: tuple[ClockSource | None, int | None] = None, None
        self._rtc_agreed_us = None if rtc_offset_s is None else self._agreement(rtc_offset_s)

    def boottime_us(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    def wall_us(self) -> int:
        return time.time_ns() // 1000

    def boot_id(self) -> str:
        return self._boot_id

    def quality(self) -> ClockQuality:
        timex = _Timex()
        refused = self._libc.adjtimex(ctypes.byref(timex)) < 0
        if refused and not self._refused:
            # A sandbox that forbids the question makes every clock worth nothing: see systemd/recorder-unit.service.
            LOG.warning(
                "内核拒绝说明时钟质量 the kernel refuses to judge the clock: %s", os.strerror(ctypes.get_errno())
            )
        self._refused = refused
        discipline, pulse_offset_ns = self._heard()
        return judged(
            status=None if refused else timex.status,
            max_error_us=timex.maxerror,
            discipline=discipline,
            pulse_offset_ns=pulse_offset_ns,
            rtc_agrees=self._still_agrees(),
        )

    def _heard(self) -> tuple[ClockSource | None, int | None]:
        """What daemon and pulse say: asked once a second, since that is files and each record of the journal bears it."""
        now_us = self.boottime_us()
        if self._heard_us is None or now_us - self._heard_us >= _HEARD_US:
            wall_us = self.wall_us()
            self._hearing = (
                self._discipline(wall_us) if self._discipline else None,
                self._pulse_offset_ns(wall_us) if self._pulse_offset_ns else None,
            )
            self._heard_us = now_us
        return self._hearing

    def _agreement(self, rtc_offset_s: Callable[[int], float | None]) -> int | None:
        """Wall clock minus boot-time, when the RTC says the same as the wall clock."""
        wall_us = self.wall_us()
        offset_s = rtc_offset_s(wall_us)
        return wall_us - self.boottime_us() if offset_s is not None and abs(offset_s) <= _RTC_AGREES_S else None

    def _still_agrees(self) -> bool:
        """Nobody has set the wall clock since."""
        if self._rtc_agreed_us is None:
            return False
        moved_us = self.wall_us() - self.boottime_us() - self._rtc_agreed_us
        return abs(moved_us) <= _RTC_AGREES_S * 1e6
