"""What a run of the fleet shows: the verdict, the table and the page ``docs/fleet-scale.md``."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hw_sim.fleet_sim.chart import Axis, Line, Panel, chart, decades, linear
from hw_sim.fleet_sim.engine import ADMITTED, FleetRun, Scheme
from hw_sim.fleet_sim.load import MB, Load, LoadPlan, make_load
from hw_sim.fleet_sim.tally import Tally

MARKED_S = 30.0
OVER_LIMIT = 1.1

STEPS = 200
"""Places along an axis at which a line is drawn."""

LIMIT, GRANTS, LOTTERY = "#888", "#06c", "#c30"


@dataclass(frozen=True, slots=True)
class FleetResult:
    load: Load
    tallies: dict[Scheme, Tally]

    @property
    def failures(self) -> list[str]:
        """What the grants did not reach, empty when all is well. The lottery is only there to compare."""
        tally, units = self.tallies["grants"], self.load.plan.units
        found = []
        if tally.late or tally.unfinished:
            found.append(f"{units}: {tally.late} 段超时 late, {tally.unfinished} 段未完成 unfinished")
        if tally.marked_p99_s > MARKED_S:
            found.append(f"{units}: 重点标记 marked p99 {tally.marked_p99_s:.1f} s > {MARKED_S:.0f} s")
        if tally.finish_s > OVER_LIMIT * self.load.limit_s:
            found.append(f"{units}: 完成 finish {tally.finish_s / self.load.limit_s:.2f} × > {OVER_LIMIT} ×")
        return found


def simulate(plan: LoadPlan) -> FleetResult:
    load = make_load(plan)
    schemes: tuple[Scheme, ...] = ("lottery", "grants")
    return FleetResult(load, {scheme: FleetRun(load, scheme).run() for scheme in schemes})


NAMES: dict[Scheme, str] = {"lottery": "429 + 随机退避 full jitter", "grants": "**许可 grants**"}


def table(results: Sequence[FleetResult]) -> str:
    rows = [
        "| 设备 units | 方式 scheme | 超时段 late segments | 重点标记 p99 / 最久 marked p99 / longest, s "
        "| 完成 ÷ 线路极限 finish ÷ limit | 429 | 每段请求 requests per segment | 每秒最多 peak per second |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        limit = result.load.limit_s
        for scheme, tally in result.tallies.items():
            rows.append(
                f"| {result.load.plan.units:,} | {NAMES[scheme]} | {tally.late:,} | {tally.marked_p99_s:.0f} / "
                f"{max(tally.marked_waits, default=0.0):.0f} | {tally.finish_s:,.0f} / {limit:,.0f} = "
                f"{tally.finish_s / limit:.2f} | {tally.turned_away:,} | {tally.requests / max(1, tally.receipts):.2f} | "
                f"{tally.peak_requests:,} |"
            )
    return "\n".join(rows)


def picture(result: FleetResult) -> str:
    """How long marked evidence waits, and, beside it, what is left to send."""
    return chart(f"{result.load.plan.units:,} 台设备入坞 units dock", [waiting(result), remaining(result)])


def waiting(result: FleetResult) -> Panel:
    """The share of the marked segments that has its receipt, over the time it waited."""
    marked = sum(piece.marked for unit in result.load.units for piece in unit.pieces)
    waits = {scheme: sorted(tally.marked_waits) for scheme, tally in result.tallies.items()}
    every = [wait for each in waits.values() for wait in each]
    x = decades("等待 waiting, s", max(0.1, min(every, default=1.0)), max(every, default=1.0))
    lines = [
        Line("许可 grants", GRANTS, cumulative(waits["grants"], marked, x)),
        Line("429 + full jitter", LOTTERY, cumulative(waits["lottery"], marked, x)),
        Line(f"上限 bound, p99: {MARKED_S:.0f} s", LIMIT, [(MARKED_S, 0.0), (MARKED_S, 100.0)], dashed=True),
    ]
    title = "重点标记：已有回执的比例 marked evidence: share that has its receipt"
    return Panel(title, x, linear("%", 100.0), lines)


def cumulative(waits: Sequence[float], of: int, x: Axis) -> list[tuple[float, float]]:
    """Percent of ``of`` that waited no longer than each of the places along ``x``. ``waits`` in ascending order; what never
    got its receipt is in ``of`` alone, so the line then ends below 100 %."""
    places = [x.low * (x.high / x.low) ** (step / STEPS) for step in range(STEPS + 1)]
    return [(place, 100.0 * bisect_right(waits, place) / max(1, of)) for place in places]


def remaining(result: FleetResult) -> Panel:
    """Bytes left over time: no scheme can be faster than the link."""
    total, limit = float(result.load.plan.total_bytes), result.load.limit_s
    plan, docks = result.load.plan, sorted(unit.dock_s for unit in result.load.units)
    ideal, at, left_over = [(0.0, total)], 0.0, total
    for docked, dock in enumerate(docks):
        # Those who are there can fill no more of the link than their own lines do.
        left_over = max(0.0, left_over - min(plan.link_rate, docked * plan.unit_rate) * (dock - at))
        at = dock
        if docked % max(1, len(docks) // STEPS) == 0:
            ideal.append((at, left_over))
    left = {
        "许可 grants": _left(result.tallies["grants"], total),
        "429 + full jitter": _left(result.tallies["lottery"], total),
        "线路极限 link's limit": [*ideal, (limit, 0.0)],
    }
    lines = [
        Line(name, colour, [(x / 60, y / 1e12) for x, y in points], dashed=colour == LIMIT)
        for (name, points), colour in zip(left.items(), (GRANTS, LOTTERY, LIMIT), strict=True)
    ]
    last = max(x for line in lines for x, _ in line.points)
    return Panel(
        "全部录像：待传 everything: left to send",
        linear("分钟 minutes", last),
        linear("TB", total / 1e12),
        lines,
    )


def _left(tally: Tally, total: float) -> list[tuple[float, float]]:
    return [
        *((at, max(0.0, total - carried)) for at, carried in tally.curve if at <= tally.finish_s),
        (tally.finish_s, 0.0),
    ]


def page(results: Sequence[FleetResult], command: str, picture_name: str) -> str:
    """``page.md``, filled in from the largest of the runs."""
    result = max(results, key=lambda each: each.load.plan.units)
    plan, load = result.load.plan, result.load
    size = plan.segments * plan.segment_bytes
    two_hours = 120 * plan.segment_bytes
    tight = sum(unit.tight for unit in load.units)
    soonest, latest = plan.tight_s
    template = Path(__file__).with_name("page.md").read_text(encoding="utf-8")
    return template.format(
        command=command,
        table=table(results),
        picture=picture_name,
        units=f"{plan.units:,}",
        segments=plan.segments,
        segment_mb=plan.segment_bytes // MB,
        dock_mean=f"{plan.dock_mean_s:.0f}",
        dock_sigma=f"{plan.dock_sigma_s:.0f}",
        tight_share=f"{plan.tight * 100:.0f}",
        marked_share=f"{plan.marked * 100:.0f}",
        vanish_share=f"{plan.vanish * 100:.0f}",
        link_mb=f"{plan.link_rate / MB:,.0f}",
        unit_mb=f"{plan.unit_rate / MB:.0f}",
        admitted=ADMITTED,
        mqtt_s=f"{load.mqtt_down.end_s - load.mqtt_down.start_s:.0f}",
        store_s=f"{load.store_down.end_s - load.store_down.start_s:.0f}",
        total_tb=f"{plan.total_bytes / 1e12:.2f}",
        whole_min=f"{plan.total_bytes / plan.link_rate / 60:.0f}",
        two_hours_gb=f"{two_hours / 1e9:.1f}",
        two_hours_h=f"{plan.units * two_hours / plan.link_rate / 3600:.1f}",
        unit_gb=f"{size / 1e9:.1f}",
        unit_s=f"{size / plan.unit_rate:.0f}",
        soonest_min=f"{soonest / 60:.0f}",
        latest_min=f"{latest / 60:.0f}",
        possible=f"{min(100.0, 100 * plan.link_rate * soonest / plan.total_bytes):.0f}",
        tight=f"{tight:,}",
        tight_tb=f"{tight * size / 1e12:.2f}",
        tight_min=f"{tight * size / plan.link_rate / 60:.1f}",
        slack_s=f"{load.feasible.slack_s:.0f}",
        marked_s=f"{MARKED_S:.0f}",
        over_limit=OVER_LIMIT,
    )
