"""The simulated clock over boots and steps."""

from __future__ import annotations

import pytest

from firmware_bridge.ports import ClockQuality
from hw_sim.clock import SimClock, WorldClock
from hw_sim.world_keys import State
from tests.firmware_bridge.manual_clock import ManualClock


def state(**changes: str | float | int) -> State:
    return {
        "boot_id": "boot-1",
        "boot_offset_us": 7_000_000,
        "wall_offset_us": 0,
        "wall_drift_ppm": 0.0,
        "wall_drift_from_us": 0,
        "clock_source": "gnss",
        "clock_error_ms": 5.0,
        **changes,
    }


def test_a_process_keeps_the_boot_it_was_born_in() -> None:
    host, truth = ManualClock(10_000_000), state()
    mine, worlds = SimClock(host, "boot-1", 7_000_000, truth.__getitem__), WorldClock(host, truth.__getitem__)
    assert mine.boottime_us() == worlds.boottime_us() == 3_000_000
    host.now_us = 50_000_000
    truth.update(boot_id="boot-2", boot_offset_us=47_000_000)
    assert (mine.boottime_us(), mine.boot_id()) == (43_000_000, "boot-1")
    assert (worlds.boottime_us(), worlds.boot_id()) == (3_000_000, "boot-2")


def test_wall_steps_and_boot_time_does_not() -> None:
    host, truth = ManualClock(), state()
    clock = SimClock(host, "boot-1", 7_000_000, truth.__getitem__)
    wall, boot = clock.wall_us(), clock.boottime_us()
    truth["wall_offset_us"] = -86_400_000_000
    assert clock.wall_us() - wall == -86_400_000_000 and clock.boottime_us() == boot


def test_the_wall_clock_drifts_from_where_the_world_says() -> None:
    host, truth = ManualClock(20_000_000), state(wall_drift_ppm=1000.0, wall_drift_from_us=10_000_000)
    clock = SimClock(host, "boot-1", 7_000_000, truth.__getitem__)
    assert clock.wall_us() - host.wall_us() == 10_000
    host.now_us += 5_000_000
    assert clock.wall_us() - host.wall_us() == 15_000


@pytest.mark.parametrize(
    ("source", "quality"),
    [
        ("ntp", ClockQuality("ntp", True, 5.0)),
        ("rtc", ClockQuality("rtc", False, None)),
        ("none", ClockQuality("none", False, None)),
    ],
)
def test_quality(source: str, quality: ClockQuality) -> None:
    truth = state(clock_source=source)
    assert SimClock(ManualClock(), "b", 0, truth.__getitem__).quality() == quality
