"""``down/grant`` on its way to the upload queue, and the unit's demand on its way to whoever grants.

The store chooses by what units tell of their backlog, so a backlog that has changed in kind (more marked, another nearest
deadline, nothing left) is told at once instead of at the next ``up/status``, though never more often than ``MIN_US``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from recorder.uplink.carrier import Answer
from recorder.uplink.mqtt import MessageProperties
from recorder.uplink.turn import MqttState, StoreState, TurnWord

MIN_US: Final = 5_000_000


class GrantCarrier:
    """A carrier (:mod:`recorder.uplink.carrier`). ``tell`` gives the queue what the store said; ``status()`` are the
    members of up/status besides ``online``; ``linked()``: whether there is a connection."""

    suffix = "down/grant"

    def __init__(
        self,
        tell: Callable[[TurnWord | StoreState | MqttState], None],
        status: Callable[[], dict[str, Any]],
        linked: Callable[[], bool],
    ) -> None:
        self._tell = tell
        self._status = status
        self._linked = linked
        self._was_linked = False
        self._told: object = None
        self._not_before_us = 0

    def arrived(self, value: dict[str, Any], _properties: MessageProperties) -> None:
        self._tell(TurnWord(_seconds(value, "for_s"), _seconds(value, "wait_s")))

    def store_state(self, value: dict[str, Any]) -> None:
        """A ``store/state``. A store that does not say ``grants`` grants none."""
        self._tell(StoreState(value.get("online") is True, value.get("grants") is True))

    def connected(self) -> None:
        self._told = None  # the desk publishes a status by itself

    def tick(self, now_us: int) -> list[Answer]:
        linked = self._linked()
        if linked != self._was_linked:
            self._was_linked = linked
            self._tell(MqttState(linked))
        if not linked:
            return []
        status = self._status()
        backlog = status["backlog"]
        demand = (backlog["segments"] > 0, backlog["marked"], backlog["earliest_deadline"])
        first, changed = self._told is None, demand != self._told
        if not changed or now_us < self._not_before_us:
            return []
        self._told = demand
        self._not_before_us = now_us + MIN_US
        return [] if first else [Answer("up/status", {"online": True, **status}, retain=True)]


def _seconds(value: dict[str, Any], key: str) -> float:
    """0 when it is not there. Raises ValueError for what is no number of seconds."""
    number = value.get(key, 0)
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number) or number < 0:
        raise ValueError(f"{key} is no number of seconds")
    return float(number)
