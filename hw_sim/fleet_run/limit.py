"""When a run could have finished at the earliest: the simulation's limit, from what the units' journals say. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hw_sim.fleet_sim.load import LoadPlan, link_limit


def limit_s(docked_at: Sequence[float], sizes: Sequence[int], rate: float) -> float:
    """Seconds from the first docking to the moment before which no schedule gets the last byte over a line of ``rate``
    bytes per second that all share (:func:`hw_sim.fleet_sim.load.link_limit`). ``docked_at``: wall seconds of each unit;
    ``sizes``: payload of each. Headers, journals, everything else on the line and every outage are not taken off it; a
    unit's own line is as fast as the shared one. The limit is for units that bring the same: where sizes differ the
    smallest counts for all, which makes the limit earlier, never later. Raises ValueError without a unit."""
    if not sizes:
        raise ValueError("没有设备 no unit")
    first = min(docked_at)
    plan = LoadPlan(len(sizes), segments=1, segment_bytes=min(sizes), link_rate=rate, unit_rate=rate)
    return link_limit(plan, [at - first for at in docked_at])


def left_at_best(docked_at: Sequence[float], sizes: Sequence[int], rate: float) -> list[tuple[float, float]]:
    """(seconds from the first docking, payload not yet through) of a line that carries payload whenever a docked unit has
    any: corners of the curve, which ends in (the limit, 0) where all bring the same."""
    first, total = min(docked_at), float(sum(sizes))
    corners, at, waiting, through = [(0.0, total)], 0.0, 0.0, 0.0
    for docked, size in sorted((docked - first, size) for docked, size in zip(docked_at, sizes, strict=True)):
        sent = min(waiting, rate * (docked - at))
        if sent > 0:
            through += sent
            corners.append((at + sent / rate, total - through))
            if sent == waiting:
                corners.append((docked, total - through))
        waiting, at = waiting - sent + size, docked
    corners.append((at + waiting / rate, 0.0))
    return corners
