"""Is the card slow? Judged by how long each entry takes to become durable, the one under way included. Pure.

A card that collects garbage stalls now and then; one that does so longer than ``slow_ms``, or that takes ``slow_p90_ms`` in
one of ten writes, does not keep up with half-second fragments for long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Protocol

from recorder.faults.latch import Change, Latch

_SAMPLES: Final = 60
_FEW: Final = 10


class StorageLimits(Protocol):
    @property
    def slow_ms(self) -> float: ...

    @property
    def slow_p90_ms(self) -> float: ...


class SlowStorage:
    """``storage-slow``. Call ``done`` for each durable write, ``look`` a few times a second."""

    def __init__(self, limits: StorageLimits) -> None:
        self._limits = limits
        self._latch = Latch("storage-slow")
        self._ms: deque[float] = deque(maxlen=_SAMPLES)
        self._worst_ms = 0.0
        self._slow = 0

    def done(self, duration_us: int) -> None:
        ms = duration_us / 1000
        self._ms.append(ms)
        if self._latch.present:
            self._worst_ms = max(self._worst_ms, ms)
            self._slow += ms >= self._limits.slow_p90_ms

    def look(self, now_us: int, pending_since_us: int | None) -> Change | None:
        """``pending_since_us``: begin of the write that is under way, if one is."""
        pending_ms = 0.0 if pending_since_us is None else (now_us - pending_since_us) / 1000
        slow = self._condition(pending_ms)
        since_us = pending_since_us if slow else None
        change = self._latch.update(now_us, slow, lambda: self._evidence(pending_ms), since_us=since_us)
        if change is not None:
            self._worst_ms, self._slow = (max(pending_ms, *self._ms, 0.0), 0) if change.present else (0.0, 0)
            if not change.present:
                self._ms.clear()  # else the slow ones would count again for a fault of their own
        return change

    def _condition(self, pending_ms: float) -> bool:
        limits, newest = self._limits, self._ms[-1] if self._ms else 0.0
        if self._latch.present:
            return max(pending_ms, newest) >= limits.slow_p90_ms
        if max(pending_ms, newest) >= limits.slow_ms:
            return True
        return len(self._ms) >= _FEW and percentile(self._ms, 90) >= limits.slow_p90_ms

    def _evidence(self, pending_ms: float) -> dict[str, Any]:
        found: dict[str, Any] = {"threshold_ms": self._limits.slow_ms, "threshold_p90_ms": self._limits.slow_p90_ms}
        if self._ms:
            found |= {
                "writes": len(self._ms),
                "p50_ms": round(percentile(self._ms, 50), 1),
                "p90_ms": round(percentile(self._ms, 90), 1),
                "max_ms": round(max(*self._ms, self._worst_ms), 1),
                "last_ms": [round(ms, 1) for ms in list(self._ms)[-8:]],
            }
        if pending_ms:
            found["pending_ms"] = round(pending_ms, 1)
        if self._slow:
            found["slow_writes"] = self._slow
        return found


def percentile(values: Sequence[float] | deque[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]
