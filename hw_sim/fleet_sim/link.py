"""The link into the store: everybody who sends shares it equally, nobody faster than his own line. Pure.

All flows have the same rate, so one number says how far each has come since it began: a flow of *n* bytes begun when the
number was *v* is through when it is *v + n*. That makes ten thousand flows as cheap as a heap of them.
"""

from __future__ import annotations

import heapq
import math


class SharedLink:
    def __init__(self, rate: float, flow_rate: float) -> None:
        """Bytes per second: of the link, and of one flow at most."""
        self._rate = rate
        self._flow_rate = flow_rate
        self._at_s = 0.0
        self._served = 0.0
        self._ends: list[tuple[float, int]] = []
        self._flows: dict[int, float] = {}
        """Flow to the served bytes at which it ends."""
        self._next = 0
        self.carried = 0.0
        """Bytes so far, of all flows."""

    def __len__(self) -> int:
        return len(self._flows)

    def _speed(self) -> float:
        return min(self._flow_rate, self._rate / len(self._flows)) if self._flows else 0.0

    def advance(self, now_s: float) -> None:
        gained = self._speed() * (now_s - self._at_s)
        self._served += gained
        self.carried += gained * len(self._flows)
        self._at_s = now_s

    def begin(self, size: float, now_s: float) -> int:
        self.advance(now_s)
        self._next += 1
        self._flows[self._next] = self._served + size
        heapq.heappush(self._ends, (self._served + size, self._next))
        return self._next

    def stop(self, flow: int, now_s: float) -> float:
        """End a flow before its time; the bytes it had left."""
        self.advance(now_s)
        return max(0.0, self._flows.pop(flow) - self._served)

    def next_end_s(self) -> float:
        """When the next flow is through if nothing changes; infinite without one."""
        self._prune()
        if not self._ends:
            return math.inf
        return self._at_s + max(0.0, self._ends[0][0] - self._served) / self._speed()

    def finished(self, now_s: float) -> list[int]:
        """Flows that are through by now; they are gone afterwards."""
        self.advance(now_s)
        done: list[int] = []
        self._prune()
        while self._ends and self._ends[0][0] - self._served <= 1.0:  # a byte of rounding
            _, flow = heapq.heappop(self._ends)
            del self._flows[flow]
            done.append(flow)
            self._prune()
        return done

    def _prune(self) -> None:
        while self._ends and self._ends[0][1] not in self._flows:
            heapq.heappop(self._ends)
