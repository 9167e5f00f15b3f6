"""The battery-backed clock: /sys/class/rtc/rtcN (kernel ABI sysfs-class-rtc). It keeps UTC, in whole seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.sysfs import number_in, text_in

PLAUSIBLE_FROM_S: Final = 1_704_067_200
"""2024-01-01T00:00:00Z, before this program existed: a clock that lost its battery starts at 1970, 2000 or 2020."""


@dataclass(frozen=True, slots=True)
class RtcReading:
    """``time_s``: seconds since 1970; ``set_system``: the kernel set the system clock from this one when it booted."""

    time_s: int
    set_system: bool

    def plausible(self) -> bool:
        return self.time_s >= PLAUSIBLE_FROM_S

    def offset_s(self, wall_us: int) -> float:
        """The RTC minus the wall clock that shows ``wall_us``; half a second is added for the RTC's missing fraction."""
        return self.time_s + 0.5 - wall_us / 1e6


class RealTimeClock:
    """``folder``: /sys/class/rtc/rtcN. A reading is a transfer to the chip: a thousandth of a second, or up to one when the
    bus hangs; it belongs to the start and to ``recorder doctor``, not to a loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> RtcReading:
        """Raises DeviceError when there is no such clock, or its chip says that its time is lost (EINVAL)."""
        epoch = self._folder / "since_epoch"
        try:
            text = epoch.read_text(encoding="ascii").strip()
            seconds = int(text)
        except OSError as error:
            raise DeviceError(
                "rtc",
                f"{epoch}: 无法读取实时时钟，或者其时间已丢失（电池） "
                f"cannot be read, or its time is lost (battery): {error}",
                error.errno,
            ) from error
        except ValueError as error:
            raise DeviceError("rtc", f"{epoch}: 不是时间 no time: {error}") from error
        return RtcReading(seconds, set_system=number_in(self._folder / "hctosys") == 1)

    def name(self) -> str | None:
        """The driver's name and bus address, ``rtc-ds1307 1-0068``; None when there is no such clock."""
        return text_in(self._folder / "name")
