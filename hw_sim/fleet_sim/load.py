"""What the fleet brings home and what goes wrong meanwhile. Pure: everything comes from the numbers and the seed."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from recorder.uplink.edf import Forecast, Job, forecast

MB = 1_000_000
WALL0 = 1_800_000_000.0
"""Wall seconds at the simulation's second 0."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """``dock_mean_s``, ``dock_sigma_s``: when units come in. ``tight``: share of units whose backlog is old, due within
    ``tight_s`` seconds (from, to) of docking; all else has 14 to 23 hours. ``marked``: share of segments. ``link_rate``:
    what the store takes, ``unit_rate``: what one unit's line carries, bytes per second. ``vanish``: share of units that
    leave in the middle and come back."""

    units: int
    seed: int = 1
    segments: int = 30
    segment_bytes: int = 30 * MB
    dock_mean_s: float = 300.0
    dock_sigma_s: float = 100.0
    tight: float = 0.03
    tight_s: tuple[float, float] = (600.0, 3600.0)
    marked: float = 0.01
    vanish: float = 0.01
    link_rate: float = 1250.0 * MB
    unit_rate: float = 12.0 * MB

    @property
    def total_bytes(self) -> int:
        return self.units * self.segments * self.segment_bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """One segment a unit brings. ``closed_at``: wall seconds; its deadline is 24 hours later."""

    closed_at: float
    marked: bool


@dataclass(frozen=True, slots=True)
class UnitLoad:
    """``away``: from when to when the unit is gone after having docked; None: it stays."""

    unit_id: str
    dock_s: float
    pieces: tuple[Piece, ...]
    away: tuple[float, float] | None
    tight: bool


@dataclass(frozen=True, slots=True)
class Outage:
    """Seconds: from, to."""

    start_s: float
    end_s: float

    def covers(self, now_s: float) -> bool:
        return self.start_s <= now_s < self.end_s


@dataclass(frozen=True, slots=True)
class Load:
    """``limit_s``: the moment before which nobody could have finished (see :func:`link_limit`)."""

    plan: LoadPlan
    units: tuple[UnitLoad, ...]
    limit_s: float
    mqtt_down: Outage
    store_down: Outage
    feasible: Forecast = field(repr=False)
    """Earliest deadline first over the link from the last docking on: the sure side."""


def make_load(plan: LoadPlan) -> Load:
    rnd = random.Random(plan.seed)
    drafts = [_unit(number, plan, rnd) for number in range(plan.units)]
    limit = link_limit(plan, [draft.dock_s for draft in drafts])
    span = limit - plan.dock_mean_s
    units = []
    for draft in drafts:
        away = None
        if rnd.random() < plan.vanish:
            gone = draft.dock_s + rnd.uniform(0.0, 0.3) * span
            # Back in time to be no reason by itself for a later finish.
            back = min(
                gone + rnd.uniform(0.05, 0.25) * span, limit - 2 * plan.segments * plan.segment_bytes / plan.unit_rate
            )
            away = (gone, back) if back > gone else None
        units.append(UnitLoad(draft.unit_id, draft.dock_s, draft.pieces, away, draft.tight))
    tight = [unit for unit in units if unit.tight]
    size = plan.segments * plan.segment_bytes
    jobs = [Job(u.unit_id, size, min(p.closed_at for p in u.pieces) + 86_400.0 - WALL0) for u in tight]
    start = max((unit.dock_s for unit in tight), default=0.0)
    return Load(
        plan,
        tuple(units),
        limit,
        mqtt_down=Outage(plan.dock_mean_s + 0.25 * span, plan.dock_mean_s + 0.25 * span + min(600.0, 0.15 * span)),
        store_down=Outage(plan.dock_mean_s + 0.6 * span, plan.dock_mean_s + 0.6 * span + min(45.0, 0.02 * span)),
        feasible=forecast(jobs, start, plan.link_rate),
    )


def _unit(number: int, plan: LoadPlan, rnd: random.Random) -> UnitLoad:
    dock = max(1.0, rnd.gauss(plan.dock_mean_s, plan.dock_sigma_s))
    tight = rnd.random() < plan.tight
    first_left = rnd.uniform(*plan.tight_s) if tight else rnd.uniform(14.0, 22.0) * 3600.0
    pieces = []
    for index in range(plan.segments):
        # Segments of a minute each, one after the other; the first is due first.
        left = first_left + index * 60.0
        pieces.append(Piece(WALL0 + dock + left - 86_400.0, rnd.random() < plan.marked))
    return UnitLoad(f"zfy-{number:06d}", dock, tuple(pieces), None, tight)


def link_limit(plan: LoadPlan, docks: list[float]) -> float:
    """The moment before which no schedule gets the last byte through: the link never carries a byte twice and no unit is
    faster than its own line.

    Exact. By then everything fits if and only if, for every set of units, what they bring fits into what they can send
    together: the link's rate, or less while few of them have docked (maximum flow, minimum cut; Horn 1974, Federgruen and
    Groenevelt 1986). All bring the same, so of each number of units only the ones that dock last have to be looked at: all
    of them give the link's own limit, in which the first minutes of a docking cannot fill the link; the last one alone
    gives its own line's.
    """
    size = plan.segments * plan.segment_bytes
    ordered = sorted(docks)
    filling = math.ceil(plan.link_rate / plan.unit_rate)
    """So many units fill the link."""
    return max(
        _through(ordered[first : first + filling], len(ordered) - first, size, plan) for first in range(len(ordered))
    )


def _through(docks: list[float], units: int, size: int, plan: LoadPlan) -> float:
    """When so many ``units`` are through if nobody else is there. ``docks``: of the first of them, until they fill the
    link."""
    left, at, rate = float(units * size), docks[0], 0.0
    for number, dock in enumerate(docks, 1):
        sent = rate * (dock - at)
        if sent >= left:
            break
        left, at, rate = left - sent, dock, min(plan.link_rate, number * plan.unit_rate)
    return at + left / rate
