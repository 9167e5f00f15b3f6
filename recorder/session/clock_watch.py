"""Notices steps of the wall clock and a clock that is not set. Pure."""

from __future__ import annotations

from dataclasses import dataclass

NOT_SET_BEFORE_US = 1_704_067_200_000_000
"""2024-01-01T00:00:00Z, before this program existed: a wall clock earlier than this was never set."""


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock moved against boot-time: offsets are wall minus boot-time."""

    old_offset_us: int
    new_offset_us: int


class ClockWatch:
    """Feed both clocks regularly. Slewing (500 ppm at most) follows silently; more than ``threshold_us`` is a step."""

    def __init__(self, threshold_us: int = 250_000) -> None:
        self._threshold_us = threshold_us
        self._offset_us: int | None = None

    def update(self, boot_us: int, wall_us: int) -> ClockStep | None:
        offset = wall_us - boot_us
        old = self._offset_us
        self._offset_us = offset
        if old is None or abs(offset - old) <= self._threshold_us:
            return None
        return ClockStep(old, offset)

    @staticmethod
    def is_set(wall_us: int) -> bool:
        return wall_us >= NOT_SET_BEFORE_US
