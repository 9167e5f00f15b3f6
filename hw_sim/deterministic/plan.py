"""What a seed stands for: the unit, its surroundings, and what goes wrong when. Nothing here happens yet."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, get_args

from hw_sim.deterministic.timeline import SECOND

Kind = Literal[
    "power-cut",
    "unit-killed",
    "worker-crash",
    "worker-deaf",
    "worker-immortal",
    "camera-frozen",
    "camera-unplugged",
    "card-errors",
    "write-errors",
    "journal-errors",
    "receipt-errors",
    "card-full",
    "card-slow",
    "bit-rot",
    "partition",
    "bad-line",
    "store-busy",
    "clock-step",
    "clock-lost",
    "shutdown",
    "darkness",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

_WEIGHTS: dict[Kind, float] = {
    "power-cut": 3.0,
    "unit-killed": 2.0,
    "worker-crash": 2.0,
    "camera-frozen": 2.0,
    "card-errors": 1.5,
    "write-errors": 1.5,
    "journal-errors": 1.5,
    "partition": 2.0,
    "bad-line": 2.0,
}
REAL_SIGNER_EACH = 20


@dataclass(frozen=True, slots=True)
class Trouble:
    """``kind`` begins at ``at_us`` and lasts ``lasts_us``, where it lasts at all; ``strength`` from 0 to 1."""

    at_us: int
    kind: Kind
    lasts_us: int
    strength: float


@dataclass(frozen=True, slots=True)
class Plan:
    """One shift. Times in µs, sizes in bytes. ``real_signer``: ES256 instead of the stand-in."""

    seed: int
    duration_us: int
    cameras: tuple[str, ...]
    sealed: bool
    real_signer: bool
    segment_us: int
    pre_event_us: int
    post_event_us: int
    standby_interval_us: int
    head_interval_us: int
    checkpoint_records: int
    releases: bool
    capacity: int
    wall_offset_us: int
    tampers: bool
    troubles: tuple[Trouble, ...]
    commands: bool = False
    """The agency commands from afar."""
    impatient_watchdog: bool = False
    """The board's watchdog is set so that the troubles of a shift reach it; as shipped it waits longer than most last."""


def plan_of(seed: int) -> Plan:
    """The shift of this seed."""
    rnd = random.Random(f"plan {seed}")
    duration = round(rnd.triangular(5 * 60, 15 * 60, 5 * 60)) * SECOND
    count = 0 if rnd.random() < 0.05 else rnd.randint(1, 7)
    return Plan(
        seed=seed,
        duration_us=duration,
        cameras=("cam0", "cam1") if rnd.random() < 0.12 else ("cam0",),
        sealed=rnd.random() < 0.92,
        real_signer=seed % REAL_SIGNER_EACH == 0,
        segment_us=rnd.choice([10, 20, 30, 60]) * SECOND,
        pre_event_us=rnd.choice([0, 0, 4 * SECOND]),
        post_event_us=rnd.choice([0, 0, 2 * SECOND]),
        standby_interval_us=rnd.choice([2, 5, 10]) * SECOND,
        head_interval_us=rnd.choice([100_000, 300_000, 1_000_000]),
        checkpoint_records=rnd.choice([16, 64, 512]),
        releases=rnd.random() < 0.4,
        capacity=512 << 20,
        wall_offset_us=rnd.choice([0, 0, rnd.randint(-2 * SECOND, 2 * SECOND)]),
        tampers=rnd.random() < 0.35,
        troubles=tuple(sorted((_trouble(rnd, duration) for _ in range(count)), key=lambda trouble: trouble.at_us)),
        commands=random.Random(f"commands {seed}").random() < 0.4,
    )


def _trouble(rnd: random.Random, duration_us: int) -> Trouble:
    kind = rnd.choices(KINDS, [_WEIGHTS.get(kind, 1.0) for kind in KINDS])[0]
    lasts = round(rnd.choice([rnd.uniform(0.2, 4), rnd.uniform(2, 30), rnd.uniform(10, 90)]) * SECOND)
    return Trouble(rnd.randint(2 * SECOND, duration_us), kind, lasts, rnd.random())
