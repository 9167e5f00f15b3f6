"""Will it be there in time? Earliest deadline first over one link. Pure.

On one server no order meets deadlines that earliest-deadline-first misses (Jackson 1955; Liu and Layland 1973), so the
answer for this order is the answer for every order: work due by *d* must fit into the time until *d*, for each *d*.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """``bytes`` to be sent by ``deadline`` (seconds; infinite: whenever). ``name``: whose it is."""

    name: str
    bytes: int
    deadline: float


@dataclass(frozen=True, slots=True)
class Timed:
    """When ``job`` is through at the given rate, seconds; late by ``late_s`` (0: in time)."""

    job: Job
    done_at: float
    late_s: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """``slack_s``: the least time to spare at any deadline, negative when one is missed, infinite without deadlines.
    ``needed_rate``: bytes per second at which every deadline is just met, infinite when one has passed already."""

    jobs: tuple[Timed, ...]
    slack_s: float
    needed_rate: float
    done_at: float

    @property
    def late(self) -> tuple[Timed, ...]:
        return tuple(timed for timed in self.jobs if timed.late_s > 0)


def forecast(jobs: Iterable[Job], now: float, rate: float) -> Forecast:
    """What happens from ``now`` on at ``rate`` bytes per second. Raises ValueError for a rate that is not above 0."""
    if not rate > 0:
        raise ValueError(f"rate: {rate} 不大于 0 is not above 0")
    timed: list[Timed] = []
    at, before, slack, needed = now, 0, math.inf, 0.0
    for job in sorted(jobs, key=lambda job: (job.deadline, job.name)):
        at += job.bytes / rate
        before += job.bytes
        timed.append(Timed(job, at, max(0.0, at - job.deadline)))
        slack = min(slack, job.deadline - at)
        if math.isfinite(job.deadline) and before:
            left = job.deadline - now
            needed = max(needed, before / left if left > 0 else math.inf)
    return Forecast(tuple(timed), slack, needed, at)
