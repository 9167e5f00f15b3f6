"""Notices steps of the wall clock and a clock that is not set. Pure.

A clock is set when somebody vouches for it (GNSS, NTP, an RTC), and stays so for the rest of the boot: it runs on by
itself, however long nobody is there to ask. That it shows a year of this decade is not enough: systemd-timesyncd and
fake-hwclock start a unit without a battery-backed clock at the time of its last shutdown.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.ports import ClockQuality

NOT_SET_BEFORE_US = 1_704_067_200_000_000
"""2024-01-01T00:00:00Z, before this program existed: a wall clock earlier than this was never set."""


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock moved against boot-time: offsets are wall minus boot-time."""

    old_offset_us: int
    new_offset_us: int


def looks_set(wall_us: int) -> bool:
    """A time that no clock shows that was never set."""
    return wall_us >= NOT_SET_BEFORE_US


class ClockWatch:
    """Feed both clocks regularly. Slewing (500 ppm at most) follows silently; more than ``threshold_us`` is a step.

    ``quality``: of the wall clock when the watch begins.
    """

    def __init__(self, quality: ClockQuality, threshold_us: int = 250_000) -> None:
        self._threshold_us = threshold_us
        self._offset_us: int | None = None
        self._vouched = _vouches(quality)

    def update(self, boot_us: int, wall_us: int, quality: ClockQuality) -> ClockStep | None:
        offset = wall_us - boot_us
        old = self._offset_us
        self._offset_us = offset
        stepped = old is not None and abs(offset - old) > self._threshold_us
        # Somebody set the clock: what vouched for it before does not vouch for this.
        self._vouched = _vouches(quality) or (self._vouched and not stepped)
        return ClockStep(old, offset) if stepped and old is not None else None

    def is_set(self, wall_us: int) -> bool:
        return self._vouched and looks_set(wall_us)


def _vouches(quality: ClockQuality) -> bool:
    return quality.synchronized or quality.source == "rtc"
