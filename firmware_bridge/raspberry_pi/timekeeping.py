"""The system clock of a board, with everything on it that vouches for the time."""

from __future__ import annotations

import logging
from pathlib import Path

from firmware_bridge.chrony import ChronyFiles
from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.pps import PulsePerSecond
from firmware_bridge.raspberry_pi.rtc import RealTimeClock

LOG = logging.getLogger(__name__)


def board_clock(*, pps: Path | None = None, rtc: Path | None = None, chrony: ChronyFiles | None = None) -> SystemClock:
    """``pps``: /sys/class/pps/ppsN of the receiver; ``rtc``: /sys/class/rtc/rtcN. Both are read where they are there; what
    cannot be read vouches for nothing. ``chrony`` None: its files where Debian has them."""
    return SystemClock(
        discipline=(chrony or ChronyFiles()).follows,
        pulse_offset_ns=None if pps is None else PulsePerSecond(pps).offset_ns,
        rtc_offset_s=None if rtc is None else lambda wall_us: rtc_offset_s(RealTimeClock(rtc), wall_us),
    )


def rtc_offset_s(clock: RealTimeClock, wall_us: int) -> float | None:
    """The RTC minus the wall clock; None when it has no time to tell."""
    try:
        reading = clock.read()
    except DeviceError as error:
        LOG.warning("%s", error)
        return None
    return reading.offset_s(wall_us) if reading.plausible() else None
