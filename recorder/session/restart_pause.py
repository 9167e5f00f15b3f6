"""How long a unit process that keeps ending waits before it begins again. Pure.

systemd starts it again for ever, half a second after its end (``StartLimitIntervalSec=0``); ``RestartSteps=`` would
make the pauses grow, but not before systemd 254. A process that ends in its first minute again and again would write a
``boot`` record and read the journal's end twice a second. So it counts its own starts. The pause stays short: each second
of it may be one that nobody records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SHORT_US: Final = 60_000_000
"""A run shorter than this was a failed start."""
FREE: Final = 3
"""So many failed starts in a row cost no pause: whatever ends a process once or twice is over when it comes back."""
PAUSES_US: Final = (1_000_000, 2_000_000, 4_000_000, 8_000_000)
KEPT: Final = 16


def pause_us(starts_us: Sequence[int], now_us: int) -> int:
    """``starts_us``: boot-times of the last starts of this boot, oldest first, without the one at ``now_us``."""
    failed = 0
    later = now_us
    for start_us in reversed(starts_us):
        if later - start_us > SHORT_US:
            break
        failed, later = failed + 1, start_us
    if failed < FREE:
        return 0
    return PAUSES_US[min(failed - FREE, len(PAUSES_US) - 1)]
