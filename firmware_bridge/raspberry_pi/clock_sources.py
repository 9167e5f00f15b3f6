"""The board's clock, with what its options name as witnesses of the time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from firmware_bridge.clock import SystemClock
from firmware_bridge.raspberry_pi.options import OptionReader
from firmware_bridge.raspberry_pi.timekeeping import board_clock

PPS_CLASS: Final = Path("/sys/class/pps")
RTC_CLASS: Final = Path("/sys/class/rtc")


def clock_of(reader: OptionReader) -> SystemClock:
    pulse, rtc = reader.text("gnss_pps"), reader.text("rtc_device")
    return board_clock(
        pps=PPS_CLASS / Path(pulse).name if pulse is not None else None,
        rtc=RTC_CLASS / rtc if rtc is not None else None,
    )
