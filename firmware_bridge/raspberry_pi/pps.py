"""The receiver's pulse per second, as the kernel stamps it: /sys/class/pps/ppsN (kernel ABI sysfs-pps, RFC 2783).

``assert`` holds the wall clock's time of the last pulse and its number: ``1795651200.000004317#86400``, and nothing before
the first. The pulse marks the beginning of a UTC second, so its fraction is the wall clock's error; which second it is, the
pulse does not say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ASSERT: Final = re.compile(r"(\d{1,12})\.(\d{9})#(\d+)")

LOST_US: Final = 2_500_000
"""Without a pulse for so long the receiver has lost its fix or its wire."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """``wall_ns``: the wall clock when the pulse came; ``sequence``: counted since the source was set up."""

    wall_ns: int
    sequence: int

    @property
    def offset_ns(self) -> int:
        """Wall clock minus the nearest whole second: -500 000 000 … 499 999 999."""
        return (self.wall_ns + 500_000_000) % 1_000_000_000 - 500_000_000

    def fresh(self, wall_us: int) -> bool:
        """Is this the pulse of the present second (or nearly)?"""
        return -LOST_US < wall_us - self.wall_ns // 1000 < LOST_US


def parse_assert(text: str) -> Pulse | None:
    """None: no pulse yet, or another format than the kernel's."""
    match = _ASSERT.fullmatch(text.strip())
    if match is None or match[3] == "0":
        return None
    return Pulse(int(match[1]) * 1_000_000_000 + int(match[2]), int(match[3]))


class PulsePerSecond:
    """``folder``: /sys/class/pps/ppsN."""

    def __init__(self, folder: Path) -> None:
        self._assert = folder / "assert"

    def last(self) -> Pulse | None:
        """The last pulse; None before the first and when the source is gone."""
        try:
            return parse_assert(self._assert.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError):
            return None

    def offset_ns(self, wall_us: int) -> int | None:
        """How far the wall clock, which shows ``wall_us`` now, was from the whole second at the last pulse; None while
        there is no pulse each second."""
        pulse = self.last()
        return pulse.offset_ns if pulse is not None and pulse.fresh(wall_us) else None
