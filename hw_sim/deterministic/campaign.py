"""Many seeds on all cores, in order of their numbers."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from hw_sim.deterministic.judge import Outcome, run_seed
from hw_sim.deterministic.promises import Violation

CHUNK = 4
GARBAGE = 50_000


def replay_command(seed: int) -> str:
    return f"./dev simulate --seed {seed} --trace"


def _run(seed: int) -> Outcome:
    """An error of the simulation itself is a violation of this seed, never the end of the others."""
    try:
        return run_seed(seed)
    except Exception as error:  # noqa: BLE001
        return Outcome(seed, (Violation(0, f"the simulation itself failed: {type(error).__name__}: {error}"),), 0)


def _settle() -> None:
    """Once in each process. What is imported lives as long as the process does: no use in looking through it for garbage.
    And a shift leaves so little that looking for it at every 700 new objects, as Python does, was an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def campaign(first: int, count: int, jobs: int | None = None) -> Iterator[Outcome]:
    """The outcomes of ``count`` seeds from ``first`` on. ``jobs``: processes, as many as there are cores by default."""
    seeds = range(first, first + count)
    jobs = min(count, jobs or len(os.sched_getaffinity(0)))
    if jobs <= 1:
        yield from map(_run, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_settle) as pool:
        yield from pool.map(_run, seeds, chunksize=CHUNK)


@dataclass(slots=True)
class Tally:
    """What a campaign came to."""

    shifts: int = 0
    violations: int = 0
    simulated_us: int = 0

    def add(self, outcome: Outcome) -> None:
        self.shifts += 1
        self.violations += len(outcome.violations)
        self.simulated_us += outcome.simulated_us

    def __str__(self) -> str:
        return f"{self.shifts} shifts, {self.violations} violations"
