"""Who is believed about the wall clock, and how far."""

from __future__ import annotations

from functools import partial

import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.clock_quality import STA_PPSTIME, STA_UNSYNC, judged
from firmware_bridge.ports import ClockQuality, ClockSource


def quality(
    status: int | None = 0,
    discipline: ClockSource | None = None,
    pulse: int | None = None,
    rtc: bool = False,
) -> ClockQuality:
    return judged(status=status, max_error_us=8_500, discipline=discipline, pulse_offset_ns=pulse, rtc_agrees=rtc)


def test_without_the_kernel_s_word_there_is_no_bound_whoever_else_speaks() -> None:
    for status in (None, STA_UNSYNC, STA_UNSYNC | STA_PPSTIME):
        assert quality(status, "gnss", 100) == ClockQuality("none", False, None)
        assert quality(status, "gnss", 100, rtc=True) == ClockQuality("rtc", False, None)


@pytest.mark.parametrize(
    ("status", "discipline", "pulse", "source"),
    [
        (0, None, None, "ntp"),
        (0, "ntp", None, "ntp"),
        (0, "nts", None, "nts"),
        (0, "gnss", None, "gnss"),
        (0, None, 900_000, "gnss"),
        (0, None, -900_000, "gnss"),
        (0, None, 1_000_001, "ntp"),  # the receiver pulses, and this clock does not follow it
        (0, "nts", 100, "nts"),  # a good server's time falls on the pulse as well: who follows whom, chrony knows
        (0, "ntp", 100, "ntp"),
        (0, "gnss", 1_000_001, "gnss"),
        (STA_PPSTIME, "nts", None, "gnss"),
        (STA_PPSTIME, None, None, "gnss"),
    ],
)
def test_a_disciplined_clock_is_what_it_follows(
    status: int, discipline: ClockSource | None, pulse: int | None, source: ClockSource
) -> None:
    assert quality(status, discipline, pulse, rtc=True) == ClockQuality(source, True, 8.5)


def _told(offset_s: float | None, wall_us: int) -> float | None:
    return offset_s


def test_the_kernel_is_asked_and_answers() -> None:
    """Whatever it says of this machine: a bound only with synchronisation, and the RTC only where one agreed."""
    plain = SystemClock().quality()
    assert (plain.max_error_ms is not None) is plain.synchronized is (plain.source != "none")
    borne_out = SystemClock(rtc_offset_s=lambda wall_us: 1.5).quality()
    assert borne_out.source == (plain.source if plain.synchronized else "rtc")
    for offset_s in (None, 2.5, -40.0):
        assert SystemClock(rtc_offset_s=partial(_told, offset_s)).quality().source == plain.source


def test_sources_are_asked_with_the_wall_clock_s_time() -> None:
    asked: list[int] = []

    def follows(wall_us: int) -> ClockSource | None:
        asked.append(wall_us)
        return "nts"

    clock = SystemClock(discipline=follows)
    before = clock.wall_us()
    found = clock.quality()
    for _ in range(50):
        clock.quality()
    assert len(asked) < 50, "not for every record"
    assert before <= asked[0] <= clock.wall_us()
    assert found.source == ("nts" if found.synchronized else "none")
