"""What the wall clock is worth, from what the kernel and others say of it. Pure.

Nobody is believed for saying the time; each source counts for what it shows:

- The kernel knows whether something disciplines the clock and how far it may be off (adjtimex(2), ``STA_UNSYNC`` and
  ``maxerror``). Without that there is no error bound, whoever else speaks.
- By whom it is disciplined: the kernel itself when it locks to a pulse (``STA_PPSTIME``); else what chrony's files say;
  else, where they say nothing, the pulse of the GNSS receiver falling on the wall clock's whole second. Else it is ``ntp``,
  the least of the three.
- A clock that nothing disciplines, but that a battery-backed clock agreed with at the start and that was not set since, is
  ``rtc``: a claim without an error bound, because nobody knows when the RTC was set.
"""

from __future__ import annotations

from typing import Final

from firmware_bridge.ports import ClockQuality, ClockSource

STA_PPSTIME: Final = 0x0004  # <linux/timex.h>
STA_UNSYNC: Final = 0x0040

PULSE_AGREES_NS: Final = 1_000_000
"""A clock disciplined by the pulse is never off by more than this. One disciplined over a good network is within it most of
the time, so the pulse falling on the second says something only while nobody tells whom the clock follows."""


def judged(
    *,
    status: int | None,
    max_error_us: int,
    discipline: ClockSource | None,
    pulse_offset_ns: int | None,
    rtc_agrees: bool,
) -> ClockQuality:
    """``status``: the kernel's flags, None when it refuses to tell; ``discipline``: what the time daemon says it follows;
    ``pulse_offset_ns``: wall clock against the whole second at the receiver's last pulse, None without one."""
    if status is None or status & STA_UNSYNC:
        return ClockQuality("rtc" if rtc_agrees else "none", synchronized=False, max_error_ms=None)
    return ClockQuality(
        _source(status, discipline, pulse_offset_ns), synchronized=True, max_error_ms=max_error_us / 1000
    )


def _source(status: int, discipline: ClockSource | None, pulse_offset_ns: int | None) -> ClockSource:
    if status & STA_PPSTIME:
        return "gnss"
    if discipline is not None:
        return discipline
    return "gnss" if pulse_offset_ns is not None and abs(pulse_offset_ns) <= PULSE_AGREES_NS else "ntp"
