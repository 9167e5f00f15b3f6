"""Faults that are on right now, counted and logged: for the status file and whoever reads the log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recorder.uplink.faults import UplinkFault

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it: 13 MB this process has no use for

log = logging.getLogger("recorder.uplink")
RECENT = 20
ACTIVE_MAX = 200


@dataclass(slots=True)
class _Active:
    area: str
    fault: UplinkFault
    since_us: int
    last_us: int
    count: int


class FaultBoard:
    """Thread-safe. ``area``: what has to work again for the fault to be over (``store``, ``journal``, a segment id …)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._active: dict[tuple[str, str], _Active] = {}
        self._recent: list[dict[str, Any]] = []

    def report(self, area: str, fault: UplinkFault, **fields: object) -> None:
        wall = self._clock.wall_us()
        key = (area, fault.kind.code)
        with self._lock:
            known = self._active.get(key)
            if known is None:
                if len(self._active) >= ACTIVE_MAX:
                    self._active.pop(next(iter(self._active)))
                self._active[key] = known = _Active(area, fault, wall, wall, 0)
                self._recent = [*self._recent, _shown(known)][-RECENT:]
            known.fault, known.last_us, known.count = fault, wall, known.count + 1
            count = known.count
        log.warning(
            "uplink.fault",
            extra={
                "fields": {
                    "code": fault.kind.code,
                    "area": area,
                    "zh": fault.kind.zh,
                    "en": fault.kind.en,
                    "detail": fault.detail,
                    "count": count,
                    **fields,
                }
            },
        )

    def clear(self, area: str, code: str | None = None) -> None:
        with self._lock:
            over = [key for key in self._active if key[0] == area and code in (None, key[1])]
            ended = [self._active.pop(key) for key in over]
        for active in ended:
            log.info("uplink.fault-end", extra={"fields": {"code": active.fault.kind.code, "area": area}})

    def active(self) -> list[dict[str, Any]]:
        """Newest last; times in wall seconds."""
        with self._lock:
            return [_shown(entry) for entry in self._active.values()]

    def recent(self) -> list[dict[str, Any]]:
        """The last onsets, ended or not."""
        with self._lock:
            return list(self._recent)


def _shown(entry: _Active) -> dict[str, Any]:
    return {
        "code": entry.fault.kind.code,
        "area": entry.area,
        "zh": entry.fault.kind.zh,
        "en": entry.fault.kind.en,
        "detail": entry.fault.detail,
        "since": entry.since_us / 1e6,
        "last": entry.last_us / 1e6,
        "count": entry.count,
    }


def guarded(board: FaultBoard, area: str, work: Callable[[], None]) -> bool:
    """Run ``work``; a fault is reported and False returned."""
    try:
        work()
    except UplinkFault as fault:
        board.report(area, fault)
        return False
    return True
