"""What happens in a run: when each unit docks and what it brings, when what is killed or stalled. Pure, by seed."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Literal

FaultKind = Literal["kill-ingest", "kill-broker", "kill-unit", "stall-line", "reset-line"]

MB = 1_000_000
TIGHT_SHARE = 0.03
MARKED_SHARE = 0.03
"""Of the units and of the segments: what goes first. The simulation's share of the tight; of marked segments it has 1 %, of
which a run this small would have a dozen. On a shaped line all that goes first has to fit into it while the fleet docks."""
BUILD_S = 1.0
"""For one unit, on a machine that has other work: what is due soon is fixed while it is built, before anybody docks."""


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """``segments`` of about ``segment_bytes`` each for every unit. ``slots``: upload slots the store grants.
    ``line_rate``: bytes per second of the agency's line, which all units share in both directions; 0: it is not shaped."""

    units: int = 200
    seed: int = 1
    segments: int = 6
    segment_bytes: int = 1 * MB
    instances: int = 2
    slots: int = 16
    faults: bool = True
    line_rate: float = 0.0

    @property
    def dock_over_s(self) -> float:
        """All units have docked after so many seconds."""
        return round(max(4.0, self.units * 0.6), 2)


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """``docks_s``: seconds from the start of the run. ``due_s``: its oldest deadline, seconds after that; None: hours away.
    ``marked``: numbers of its marked segments."""

    unit_id: str
    docks_s: float
    due_s: float | None
    marked: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """``at_s`` from the start of the run, for ``for_s``. ``pick``: chooses among what can be struck then, 0 to 1."""

    at_s: float
    kind: FaultKind
    for_s: float
    pick: float


def unit_plans(plan: FleetPlan) -> list[UnitPlan]:
    """In the order of docking: normal around the middle of ``dock_over_s``, cut at its ends."""
    rnd = random.Random(f"units {plan.seed}")
    over = plan.dock_over_s
    docks = sorted(min(over, max(0.0, rnd.gauss(over / 2, over / 5))) for _ in range(plan.units))
    tight = set(rnd.sample(range(plan.units), math.ceil(plan.units * TIGHT_SHARE)))
    made = []
    for number, docks_s in enumerate(docks):
        marked = tuple(index for index in range(plan.segments) if rnd.random() < MARKED_SHARE)
        if number == plan.units // 2 and not marked:
            marked = (plan.segments - 1,)  # never a run without marked evidence
        due_s = round(docks_s + rnd.uniform(120.0, 300.0), 1) if number in tight else None
        made.append(UnitPlan(f"zfy-{number + 1:06d}", round(docks_s, 2), due_s, marked))
    return made


def fault_plans(plan: FleetPlan) -> list[FaultPlan]:
    """While units dock and upload: at least one of each kind, more with more units."""
    if not plan.faults:
        return []
    rnd = random.Random(f"faults {plan.seed}")
    times = max(1, plan.units // 70)
    counts: dict[FaultKind, int] = {
        "kill-ingest": times,
        "kill-broker": max(1, times // 2),
        "kill-unit": max(1, plan.units // 20),
        "stall-line": times,
        "reset-line": times,
    }
    lasting: dict[FaultKind, tuple[float, float]] = {
        "kill-ingest": (0.5, 4.0),
        "kill-broker": (0.5, 4.0),
        "kill-unit": (0.1, 2.0),
        "stall-line": (1.0, 5.0),
        "reset-line": (0.0, 0.0),
    }
    over = plan.dock_over_s
    made = [
        FaultPlan(
            round(rnd.uniform(0.2 * over, 1.1 * over), 2), kind, round(rnd.uniform(*lasting[kind]), 2), rnd.random()
        )
        for kind, count in counts.items()
        for _ in range(count)
    ]
    return sorted(made, key=lambda fault: fault.at_s)
