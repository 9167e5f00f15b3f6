"""How much of the bodies of requests is held in memory at once: of one unit, and of all together.

Uploads are streamed and do not count. What is whole in memory is a journal post of up to 4 MiB, and the length a client
declares is only a word: memory is taken as bytes come, and a stolen unit's certificate buys no more than a few of them.
"""

from __future__ import annotations

import threading

from hw_sim.agency.store.problem import REGISTER_BUSY, Problem
from hw_sim.agency.store.quota import Gate

UNIT_BODIES = 4
"""At once. A unit posts its journal on one connection; the others are of connections it has not yet noticed to be dead."""
TOTAL_BYTES = 64 << 20
RETRY_S = 2


class Bodies:
    """Of one process. Thread-safe. ``gate``: bodies of one unit at once; its ``enter`` raises Problem 429."""

    def __init__(self, unit_bodies: int = UNIT_BODIES, total_bytes: int = TOTAL_BYTES) -> None:
        self.gate = Gate(unit_bodies)
        self._total = total_bytes
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        return self._held

    def take(self, count: int) -> None:
        """``count`` bytes more. Raises Problem 503 when all requests together hold as much as they may."""
        with self._lock:
            if self._held + count > self._total:
                raise Problem(
                    REGISTER_BUSY,
                    f"{self._total} bytes of requests under way",
                    headers={"Retry-After": str(RETRY_S)},
                )
            self._held += count

    def give_back(self, count: int) -> None:
        with self._lock:
            self._held -= count
