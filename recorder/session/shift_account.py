"""The open shift, and up to where its time is accounted for outside of recordings (待机 standby)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from recorder.evidence.records import Record, ShiftEnd, ShiftStart, Standby


class ShiftAccount:
    """``covered_us``: boot-time up to which standby intervals or a session speak for the unit."""

    def __init__(self, interval_us: int, new_id: Callable[[], str]) -> None:
        self.interval_us = interval_us
        self._new_id = new_id
        self.shift_id: str | None = None
        self.covered_us = 0
        self._boundary = False

    def resume(self, now_us: int, shift_id: str | None) -> None:
        """The unit process starts; what lay before is accounted for by others."""
        self.shift_id = shift_id
        self.covered_us = now_us
        self._boundary = True

    def session_ended(self, uncovered_from_us: int) -> None:
        """Standby begins. Its first record is due at once, not at the next interval: after a crash nothing else would say
        that the session's time is behind us."""
        self.covered_us = max(self.covered_us, uncovered_from_us)
        self._boundary = True

    @property
    def next_us(self) -> int:
        """When the next standby record is due, while in standby."""
        return self.covered_us + (1 if self._boundary else self.interval_us)

    def standby_to(self, to_us: int) -> list[Record]:
        """Sign standby up to ``to_us``. Outside a shift no time is owed and nothing is written."""
        if to_us <= self.covered_us:
            return []
        from_us, self.covered_us = self.covered_us, to_us
        self._boundary = False
        if self.shift_id is None:
            return []
        return [Standby(shift_id=self.shift_id, from_us=from_us, to_us=to_us)]

    def start(self, trigger: Literal["auto", "officer", "remote"]) -> Record:
        self.shift_id = self._new_id()
        return ShiftStart(shift_id=self.shift_id, trigger=trigger)

    def end(self, trigger: Literal["power-off", "officer", "remote"]) -> list[Record]:
        """Nothing when no shift is open."""
        if self.shift_id is None:
            return []
        shift_id, self.shift_id = self.shift_id, None
        return [ShiftEnd(shift_id=shift_id, trigger=trigger)]
