"""What a run is judged by."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Seconds and bytes. ``late``: segments receipted after their deadline; ``late_tight``: those of units that came
    with an old backlog. ``curve``: (second, bytes carried), ``slots``: (second, slots)."""

    total_bytes: int
    receipts: int = 0
    late: int = 0
    late_tight: int = 0
    unfinished: int = 0
    finish_s: float = 0.0
    turned_away: int = 0
    requests: int = 0
    statuses: int = 0
    words: int = 0
    marked_waits: list[float] = field(default_factory=list)
    curve: list[tuple[float, float]] = field(default_factory=list)
    slots: list[tuple[float, int]] = field(default_factory=list)
    _per_second: Counter[int] = field(default_factory=Counter)

    def request(self, now_s: float) -> None:
        self.requests += 1
        self._per_second[int(now_s)] += 1

    def receipt(self, now_s: float, deadline_s: float, tight: bool, marked_wait_s: float | None) -> None:
        self.receipts += 1
        self.finish_s = max(self.finish_s, now_s)
        if now_s > deadline_s:
            self.late += 1
            self.late_tight += tight
        if marked_wait_s is not None:
            self.marked_waits.append(marked_wait_s)

    @property
    def peak_requests(self) -> int:
        """Of any one second."""
        return max(self._per_second.values(), default=0)

    @property
    def marked_p99_s(self) -> float:
        return percentile(self.marked_waits, 0.99)


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; 0 of nothing."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
