"""The store's upload slots: hears ``up/status``, says ``down/grant``. What is decided is :mod:`recorder.fleet.dispatch`'s.

Kept in memory only. A store that starts anew hears every retained status again as it subscribes, and a grant it knows
nothing of ends by itself.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, Final

from firmware_bridge.ports import Clock
from hw_sim.agency.store.register import Register
from recorder.fleet.dispatch import Demand, Dispatcher, DispatchPolicy
from recorder.fleet.gauge import SlotGauge, SlotLimits

log = logging.getLogger("agency.store")

TICK_S: Final = 1.0
WINDOW_S: Final = 30.0
MOST: Final = 1e15
"""Bytes, segments or seconds: a petabyte, or thirty million years. What is more is no backlog, and may not be a float."""


class GrantDesk:
    """One thread. ``tell(unit_id, members, expiry_s)`` publishes a ``down/grant``."""

    def __init__(
        self,
        register: Register,
        clock: Clock,
        limits: SlotLimits,
        tell: Callable[[str, dict[str, Any], int], None],
        policy: DispatchPolicy | None = None,
    ) -> None:
        self._register = register
        self._clock = clock
        self._tell = tell
        self._gauge = SlotGauge(limits)
        self._dispatcher = Dispatcher(policy or DispatchPolicy(), limits.start)
        self._row = register.newest_object_row()
        self._window_from_s = clock.boottime_us() / 1e6
        self._next_s = 0.0
        self._holders: list[int] = []

    def status(self, unit_id: str, payload: dict[str, Any]) -> None:
        """An ``up/status``. Raises ValueError for a backlog that is none; an old unit that tells too little has no
        deadline here, and comes by itself when it presses."""
        if payload.get("online") is not True:
            self._dispatcher.lost(unit_id)
            return
        self._dispatcher.heard(unit_id, demand_of(payload.get("backlog")), self._clock.boottime_us() / 1e6)

    def tick(self) -> None:
        """Often; it does something about once a second."""
        now = self._clock.boottime_us() / 1e6
        if now < self._next_s:
            return
        self._next_s = now + TICK_S
        self._measure(now)
        for word in self._dispatcher.tick(now):
            members = {"for_s": word.for_s, "wait_s": word.wait_s}
            self._tell(word.unit_id, members, math.ceil(word.for_s or word.wait_s))
        self._holders.append(len(self._dispatcher.holders))

    def _measure(self, now: float) -> None:
        seconds = now - self._window_from_s
        if seconds < WINDOW_S or not self._holders:
            return
        self._row, received = self._register.stored_after(self._row)
        before = self._dispatcher.slots
        self._dispatcher.slots = self._gauge.window(seconds, received, sum(self._holders) / len(self._holders))
        self._window_from_s = now
        self._holders.clear()
        if self._dispatcher.slots != before:
            log.info("upload slots: %d, %d units wait", self._dispatcher.slots, self._dispatcher.waiting())


def demand_of(backlog: object) -> Demand:
    """Raises ValueError."""
    if not isinstance(backlog, dict):
        raise ValueError("backlog is not an object")
    deadline = backlog.get("earliest_deadline")
    if deadline is not None:
        deadline = _number("earliest_deadline", deadline)
    return Demand(
        segments=int(_number("segments", backlog.get("segments"))),
        bytes=int(_number("bytes", backlog.get("bytes"))),
        marked=int(_number("marked", backlog.get("marked", 0))),
        earliest_deadline=deadline,
    )


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
        raise ValueError(f"backlog.{key} is not a number of 0 to {MOST:.0f}")
    return value
