"""From a condition that comes and goes to one fault with an onset and an end. Pure.

Three things keep a flickering condition from filling the journal: it must hold for ``onset_after_us`` before it is a
fault, it must be gone for ``end_after_us`` before it is over, and one that came back ``FLAPS`` times within
``FLAP_WINDOW_US`` must be gone for ``CALM_US``. The dwell is short (a fault is to be recorded within a second); the last
rule bounds the number of records whatever the condition does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

FLAPS: Final = 4
FLAP_WINDOW_US: Final = 60_000_000
CALM_US: Final = 15_000_000

Evidence: TypeAlias = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Change:
    """Onset or end of a fault. ``evidence`` always has ``from_us``: the boot-time at which the condition began, which is
    before the record by the dwell; the end has ``to_us``, too: when it was first seen gone."""

    code: str
    phase: Literal["onset", "end"]
    evidence: dict[str, Any]

    @property
    def present(self) -> bool:
        return self.phase == "onset"


class Latch:
    """One code of one component. Feed it at least a few times a second for as long as the condition may change."""

    def __init__(self, code: str, *, onset_after_us: int = 0, end_after_us: int = 0) -> None:
        self.code = code
        self._onset_after_us = onset_after_us
        self._end_after_us = end_after_us
        self._present = False
        self._since_us: int | None = None
        self._from_us = 0
        self._flapping = False
        self._onsets: deque[int] = deque(maxlen=FLAPS)

    @property
    def present(self) -> bool:
        return self._present

    @property
    def from_us(self) -> int:
        """When the condition of the present (or last) fault began."""
        return self._from_us

    def update(
        self, now_us: int, condition: bool | None, evidence: Evidence | None = None, *, since_us: int | None = None
    ) -> Change | None:
        """``condition`` None: nothing is known at the moment, the fault stays what it is. ``since_us``: when the condition
        began, where that is known better than by this call. ``evidence`` may be a function: it is called for news only."""
        if condition is None or condition == self._present:
            self._since_us = None
            return None
        if self._since_us is None:
            self._since_us = now_us if since_us is None else min(since_us, now_us)
        if now_us - self._since_us < self._dwell_us():
            return None
        began_us, self._since_us, self._present = self._since_us, None, condition
        if condition:
            self._from_us = began_us
            self._onsets.append(now_us)
        self._flapping = condition and len(self._onsets) == FLAPS and now_us - self._onsets[0] < FLAP_WINDOW_US
        told = evidence() if callable(evidence) else evidence
        found: dict[str, Any] = {**(told or {}), "from_us": self._from_us}
        if not condition:
            found["to_us"] = began_us
        return Change(self.code, "onset" if condition else "end", found)

    def _dwell_us(self) -> int:
        if not self._present:
            return self._onset_after_us
        return max(CALM_US, self._end_after_us) if self._flapping else self._end_after_us


def above(value: float | None, present: bool, on: float, off: float) -> bool | None:
    """Hysteresis: true from ``on`` upwards, false below ``off`` (≤ ``on``), between them what it was. None stays None."""
    if value is None:
        return None
    return value >= (off if present else on)


def below(value: float | None, present: bool, on: float, off: float) -> bool | None:
    """Hysteresis: true from ``on`` downwards, false above ``off`` (≥ ``on``), between them what it was. None stays None."""
    if value is None:
        return None
    return value <= (off if present else on)
