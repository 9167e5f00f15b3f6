"""A clock that stands still until told otherwise."""

from __future__ import annotations

from firmware_bridge.ports import ClockQuality


class ManualClock:
    """``ports.Clock``. ``step_us`` is added at every reading of boot-time, for code that waits by the clock."""

    def __init__(self, boottime_us: int = 10_000_000, step_us: int = 0) -> None:
        self.now_us = boottime_us
        self.step_us = step_us

    def boottime_us(self) -> int:
        self.now_us += self.step_us
        return self.now_us

    def wall_us(self) -> int:
        return 1_790_000_000_000_000 + self.now_us

    def boot_id(self) -> str:
        return "00000000-0000-4000-8000-000000000001"

    def quality(self) -> ClockQuality:
        return ClockQuality("gnss", True, 5.0)
