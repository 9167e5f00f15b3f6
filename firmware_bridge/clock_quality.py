"""What the wall clock is worth, from what the kernel and others say of it. Pure.

Nobody is believed for saying the time; each source counts for what it shows:

- The kernel knows whether something disciplines the clock and how far it may be off (adjtimex(2), ``STA_UNSYNC`` and
  ``maxerror``). Without that there is no error bound, whoever else speaks.
- By whom it is disciplined: the kernel itself when it locks to a pulse (``STA_PPSTIME``), chrony's files, or the pulse of
  the GNSS receiver falling on the wall clock's whole second. Else it is ``ntp``, the least of the three.
- A clock that nothing disciplines, but that a battery-backed clock agreed with at the start and that was not set since, is
  ``rtc``: a claim without an error bound, because nobody knows when the RTC was set.
"""

from __future__ import annotations

from typing import Final

from firmware_bridge.ports import ClockQuality, ClockSource

STA_PPSTIME: Final = 0x0004  # <linux/timex.h>
STA_UNSYNC: Final = 0x0040

PULSE_AGREES_NS: Final = 1_000_000
"""A clock disciplined over a network is off by more than this now and then, one disciplined by the pulse never is."""


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
    pulsed = pulse_offset_ns is not None and abs(pulse_offset_ns) <= PULSE_AGREES_NS
    gnss = pulsed or bool(status & STA_PPSTIME)
    return ClockQuality("gnss" if gnss else discipline or "ntp", synchronized=True, max_error_ms=max_error_us / 1000)
