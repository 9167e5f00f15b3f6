"""What a new leader does once: each step until it has succeeded, none held up by another."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hw_sim.agency.store.alarms import Alarms

log = logging.getLogger("agency.store")

Step = tuple[str, Callable[[], None]]


class Takeover:
    """``steps`` in their order; one that raises is alarmed once and tried again at the next ``run``."""

    def __init__(self, steps: tuple[Step, ...], alarms: Alarms) -> None:
        self._left = list(steps)
        self._alarms = alarms
        self._alarmed: set[str] = set()

    @property
    def done(self) -> bool:
        return not self._left

    def run(self) -> None:
        self._left = [step for step in self._left if not self._succeeds(*step)]

    def _succeeds(self, name: str, do: Callable[[], None]) -> bool:
        try:
            do()
        except Exception as error:
            log.exception("takeover: %s", name)
            if name not in self._alarmed:
                self._alarms.raise_alarm(
                    "takeover-step-failed",
                    "接管时有一步失败，将继续重试",
                    "a step of taking the lead failed; it is tried again",
                    step=name,
                    error=f"{type(error).__name__}: {error}"[:500],
                )
                self._alarmed.add(name)
            return False
        return True
