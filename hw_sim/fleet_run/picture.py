"""How a run went, as one drawing: how long evidence waited, and what was left to send beside the line's own limit. Pure."""

from __future__ import annotations

from hw_sim.fleet_run.judge import Judgement
from hw_sim.fleet_run.limit import left_at_best
from hw_sim.fleet_run.report import MARKED_S
from hw_sim.fleet_sim.chart import Line, Panel, chart, decades, linear
from hw_sim.fleet_sim.report import GRANTS, LIMIT, LOTTERY, cumulative


def picture(judged: Judgement, line_rate: float) -> str:
    """SVG. ``line_rate``: bytes per second of the shared line; 0: it was not shaped, and there is no limit to draw."""
    title = f"{len(judged.units)} 台设备入坞，真实进程 units dock, real processes"
    return chart(title, [waiting(judged), remaining(judged, line_rate)])


def waiting(judged: Judgement) -> Panel:
    """The share of the segments that is stored, over the time it waited since docking. What was never stored is in the
    whole alone."""
    waits = {marked: judged.waits(marked) for marked in (True, False)}
    counts = {marked: sum(item.marked is marked for item in judged.segments) for marked in (True, False)}
    every = [max(0.1, wait) for each in waits.values() for wait in each]
    x = decades("等待 waiting, s", min(every, default=1.0), max(every, default=1.0))
    lines = [
        Line("重点标记 marked", GRANTS, cumulative(waits[True], counts[True], x)),
        Line("其余 others", LOTTERY, cumulative(waits[False], counts[False], x)),
        Line(f"上限 bound, p99: {MARKED_S:.0f} s", LIMIT, [(MARKED_S, 0.0), (MARKED_S, 100.0)], dashed=True),
    ]
    return Panel("已存的比例 share that is stored", x, linear("%", 100.0), lines)


def remaining(judged: Judgement, line_rate: float) -> Panel:
    """Megabytes not yet stored, over seconds from the first docking."""
    docked, sizes = [unit.docked_at for unit in judged.units], [unit.bytes for unit in judged.units]
    first, left = min(docked), float(judged.payload)
    measured = [(0.0, left)]
    for stored_at, size in sorted(
        (item.stored_at, item.size) for item in judged.segments if item.stored_at is not None
    ):
        measured.append((stored_at - first, left))
        left -= size
        measured.append((stored_at - first, left))
    curves = {"存储已有 stored": (GRANTS, measured)}
    if line_rate:
        curves["线路极限 line's limit"] = (LIMIT, left_at_best(docked, sizes, line_rate))
    lines = [
        Line(name, colour, [(x, y / 1e6) for x, y in points], dashed=colour == LIMIT)
        for name, (colour, points) in curves.items()
    ]
    last = max(x for line in lines for x, _ in line.points)
    return Panel("待传 left to send", linear("秒 seconds", last), linear("MB", judged.payload / 1e6), lines)
