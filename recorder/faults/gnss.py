"""Is the position lost, old, or not to be believed? Pure.

*Lost*: the receiver is gone, says nothing, or says that it has no fix. *Stale*: there is a receiver, but the last believed
position is older than ``stale_s``. *Implausible*: positions were refused (jumps, impossible speeds); counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from recorder.faults.latch import Change, Latch

_FIRST_FIX_US: Final = 3_000_000
"""Without any word of the receiver for so long after the start there is no position: a fault like any other."""


@dataclass(frozen=True, slots=True)
class GnssReading:
    """``failure``: what the driver cannot do; the counts are its own, since it started; ``fix_us``: when the last believed
    fix was received, ``fix``: its evidence (no position: that is never readable in the journal)."""

    failure: str | None
    errno: int | None
    no_fix: int
    implausible: int
    repeated: int
    bad_checksum: int
    fix_us: int | None
    fix: dict[str, Any]


class GnssWatch:
    """``gnss-lost``, ``gnss-stale``, ``gnss-implausible``."""

    def __init__(self, *, lost_after_us: int, stale_us: int, implausible_clear_us: int) -> None:
        self._stale_us = stale_us
        self._lost = Latch("gnss-lost", onset_after_us=lost_after_us)
        self._stale = Latch("gnss-stale")
        self._implausible = Latch("gnss-implausible", end_after_us=implausible_clear_us)
        self._before: GnssReading | None = None
        self._begun_us: int | None = None
        self._no_fix_us: int | None = None
        self._implausible_at_onset = 0

    @property
    def present(self) -> bool:
        """There is no position to rely on."""
        return self._lost.present or self._stale.present

    def look(self, now_us: int, reading: GnssReading) -> list[Change]:
        before, self._before = self._before, reading
        if self._begun_us is None:
            self._begun_us = now_us
        no_fix = before is not None and reading.no_fix > before.no_fix
        refused = reading.implausible - (before.implausible if before is not None else 0)
        newest = max(self._begun_us, reading.fix_us or 0)
        if reading.fix_us is not None and (self._no_fix_us is None or reading.fix_us > self._no_fix_us):
            self._no_fix_us = None
        if no_fix and self._no_fix_us is None:
            self._no_fix_us = now_us
        never = reading.fix_us is None and now_us - self._begun_us > _FIRST_FIX_US
        lost = reading.failure is not None or self._no_fix_us is not None or never
        stale = reading.fix_us is not None and now_us - newest > self._stale_us
        if refused > 0 and not self._implausible.present:
            self._implausible_at_onset = reading.implausible - refused
        changes = (
            self._lost.update(now_us, lost, lambda: self._evidence(now_us, reading)),
            # One word for one thing: a position that is lost is not also stale.
            self._stale.update(now_us, stale and not lost and not self._lost.present, self._evidence(now_us, reading)),
            self._implausible.update(
                now_us,
                refused > 0,
                lambda: {
                    "refused": reading.implausible - self._implausible_at_onset,
                    "refused_ever": reading.implausible,
                },
            ),
        )
        return [change for change in changes if change is not None]

    def _evidence(self, now_us: int, reading: GnssReading) -> dict[str, Any]:
        found: dict[str, Any] = {
            "no_fix": reading.no_fix,
            "repeated": reading.repeated,
            "bad_checksum": reading.bad_checksum,
        }
        if reading.failure is not None:
            found |= {"error": reading.failure, "errno": reading.errno}
        if reading.fix_us is not None:
            found |= {"fix_age_s": round((now_us - reading.fix_us) / 1e6, 1), "fix_us": reading.fix_us, **reading.fix}
        return found
