"""Whose turn it is, as the store says it: grants, waiting, and what to do without either. Pure.

The store grants upload slots over MQTT (docs/wire.md, ``down/grant``). That helps the fleet; it must never keep one unit
from the store: only a recent word of the store's holds a unit back. Where the words stop (broker gone, store without
grants, message lost) the unit goes to the store by itself after its patience is over, jittered, because the whole fleet
hears the same silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

MAX_GRANT_S: Final = 3600.0
MAX_WAIT_S: Final = 1800.0
"""Nobody may park evidence for longer with one message."""


Slot: TypeAlias = Literal["none", "granted", "waiting", "free"]
"""``none``: no slots are granted; ``granted``; ``waiting`` for one; ``free``: the waiting is over without one."""


@dataclass(frozen=True, slots=True)
class TurnWord:
    """A ``down/grant``: upload for ``for_s`` seconds; at 0 wait, for up to ``wait_s``."""

    for_s: float
    wait_s: float


@dataclass(frozen=True, slots=True)
class StoreState:
    """``store/state``. ``grants``: it grants slots, so waiting for one makes sense."""

    online: bool
    grants: bool


@dataclass(frozen=True, slots=True)
class MqttState:
    connected: bool


class Turn:
    """``patience_s``: how long silence is taken for an answer still to come. Times are boot-time microseconds."""

    def __init__(self, patience_s: float) -> None:
        self._patience_us = round(patience_s * 1e6)
        self._offered = False
        self._granted_until_us = 0
        self._hold_until_us = 0

    def _silence_us(self, fraction: float) -> int:
        return round(self._patience_us * (0.5 + fraction / 2))

    def store(self, state: StoreState, now_us: int, fraction: float) -> None:
        if not state.online:
            self._unheard(now_us, fraction)
            return
        if not state.grants:
            self._offered, self._hold_until_us = False, now_us
        elif not self._offered:
            # Said again after a reconnection it is no news: a line that comes and goes must not renew the waiting.
            self._offered = True
            self._hold_until_us = now_us + self._silence_us(fraction)

    def mqtt(self, state: MqttState, now_us: int, fraction: float) -> None:
        if not state.connected:
            self._unheard(now_us, fraction)

    def told(self, word: TurnWord, now_us: int, fraction: float) -> None:
        self._offered = True
        if word.for_s > 0:
            self._granted_until_us = now_us + round(min(word.for_s, MAX_GRANT_S) * 1e6)
            self._hold_until_us = self._granted_until_us + self._silence_us(fraction)
        else:
            self._granted_until_us = now_us
            waiting = max(round(min(word.wait_s, MAX_WAIT_S) * 1e6), self._silence_us(fraction))
            self._hold_until_us = now_us + waiting

    def _unheard(self, now_us: int, fraction: float) -> None:
        """No word can come any more: a grant stays good, and the waiting ends within the patience, spread over it."""
        latest = max(now_us, self._granted_until_us) + round(self._patience_us * fraction)
        self._hold_until_us = min(self._hold_until_us, latest)

    # --- the answer --------------------------------------------------------------------------------------------------

    def granted(self, now_us: int) -> bool:
        return now_us < self._granted_until_us

    def free(self, now_us: int) -> bool:
        """What is neither marked nor pressing may go now."""
        return not self._offered or self.granted(now_us) or now_us >= self._hold_until_us

    def slot(self, now_us: int) -> Slot:
        """For people."""
        if not self._offered:
            return "none"
        if self.granted(now_us):
            return "granted"
        return "free" if self.free(now_us) else "waiting"

    def free_from_us(self, now_us: int) -> int:
        """Now, or when it becomes free by the mere passing of time."""
        return now_us if self.free(now_us) else self._hold_until_us
