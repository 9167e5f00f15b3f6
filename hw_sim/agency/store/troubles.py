"""Troubles with the object store: each said once, and a store that is away is left alone for a while.

While it is away every segment of every unit would meet the same trouble, each after a time-out, and the units' journals
would wait behind them.
"""

from __future__ import annotations

import threading

from firmware_bridge.ports import Clock
from hw_sim.agency.objects.ports import LockMissing, ObjectDamaged, ObjectStoreError
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.register import Named

PAUSE_S = 10.0
"""How long a store that could not be used is left alone."""

_AWAY = ("object-store", "")


class Troubles:
    """Thread-safe. Alarms: ``object-damaged`` and ``lock-missing`` of a segment, ``object-store`` of the whole store, and
    the end of each (``-over``)."""

    def __init__(self, alarms: Alarms, clock: Clock) -> None:
        self._alarms = alarms
        self._clock = clock
        self._again_us = 0
        self._lock = threading.Lock()
        self._said: set[tuple[str, str]] = set()

    def may_try(self) -> bool:
        with self._lock:
            return self._clock.boottime_us() >= self._again_us

    def met(self, named: Named, error: ObjectStoreError) -> None:
        if isinstance(error, ObjectDamaged):
            code, subject = "object-damaged", named.segment_id
            zh, en = "对象存储读出的片段与写入的不同", "the object store gives back other bytes than were put"
        elif isinstance(error, LockMissing):
            code, subject = "lock-missing", named.segment_id
            zh, en = (
                "片段已写入对象存储，但未按要求锁定",
                "the segment is in the object store, but not locked as it must be",
            )
        else:
            code, subject = _AWAY
            zh, en = "对象存储不可用，片段留在暂存区", "the object store cannot be used; segments stay staged"
        with self._lock:
            if (code, subject) == _AWAY:
                self._again_us = self._clock.boottime_us() + round(PAUSE_S * 1e6)
            if (code, subject) in self._said:
                return
            self._said.add((code, subject))
        facts = {"unit_id": named.unit_id, "segment_id": named.segment_id, "reason": str(error)}
        self._alarms.raise_alarm(code, zh, en, **facts)

    def over(self, named: Named) -> None:
        """A segment was stored."""
        with self._lock:
            self._again_us = 0
            gone = {_AWAY, ("object-damaged", named.segment_id), ("lock-missing", named.segment_id)}
            ended = self._said & gone
            self._said -= gone
        for code, _ in sorted(ended):
            self._alarms.raise_alarm(
                f"{code}-over", "已恢复正常", "is in order again", unit_id=named.unit_id, segment_id=named.segment_id
            )
