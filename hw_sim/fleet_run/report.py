"""What a run says: a table for people, ``result.json``, ``fleet.db`` to be queried, a section of docs/fleet-scale.md."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import sqlite_utils

from hw_sim.fleet_run.judge import Judgement, percentile
from hw_sim.fleet_run.limit import limit_s
from hw_sim.fleet_run.run import FleetRun
from hw_sim.fleet_sim.report import OVER_LIMIT

DATABASE = "fleet.db"
RESULT = "result.json"
MARKED_S = 30.0
"""Hold on the p99 of marked evidence, from docking to the object; the simulation's (``hw_sim.fleet_sim``) too."""


def violations(run: FleetRun, judged: Judgement) -> list[str]:
    found = list(judged.violations)
    for unit_id in run.unfinished:
        found.append(f"{unit_id}: {run.limit_s:.0f} 秒内未完成 unfinished in time")
    marked = percentile(judged.waits(marked=True), 0.99)
    if marked > MARKED_S:
        found.append(f"重点标记 marked p99 {marked:.1f} s > {MARKED_S:.0f} s")
    limit = line_limit_s(run, judged)
    if limit is not None and judged.finish_s > OVER_LIMIT * limit:
        found.append(f"完成 finish {judged.finish_s:.0f} s > {OVER_LIMIT} × 线路极限 the line's limit, {limit:.0f} s")
    return found


def line_limit_s(run: FleetRun, judged: Judgement) -> float | None:
    """The moment before which nobody could have finished; None where the line was not shaped or nobody docked."""
    if not run.plan.line_rate or not judged.units:
        return None
    docked, sizes = [unit.docked_at for unit in judged.units], [unit.bytes for unit in judged.units]
    return limit_s(docked, sizes, run.plan.line_rate)


def summary(run: FleetRun, judged: Judgement) -> dict[str, Any]:
    """Times in seconds, sizes in bytes; ``waits`` from docking to the object."""
    marked, plain = judged.waits(marked=True), judged.waits(marked=False)
    found = violations(run, judged)
    limit = line_limit_s(run, judged)
    kinds: dict[str, int] = {}
    for fault in run.struck:
        kinds[fault.kind] = kinds.get(fault.kind, 0) + 1
    return {
        "v": 1,
        "passed": not found,
        "violations": found,
        "plan": dataclasses.asdict(run.plan),
        "objects": run.objects.partition("?")[0],
        "units": len(judged.units),
        "segments": len(judged.segments),
        "payload": judged.payload,
        "late": judged.late,
        "finish_s": round(judged.finish_s, 1),
        "limit_s": None if limit is None else round(limit, 1),
        "finish_over_limit": None if limit is None else round(judged.finish_s / limit, 3),
        "run_s": round(run.seconds, 1),
        "build_s": round(run.build_s, 1),
        "marked": {"count": len(marked), "p50_s": percentile(marked, 0.5), "p99_s": percentile(marked, 0.99)},
        "plain": {"count": len(plain), "p50_s": percentile(plain, 0.5), "p99_s": percentile(plain, 0.99)},
        "line_bytes": run.bytes_up,
        "mqtt_bytes": run.mqtt_bytes_up,
        "load_before": round(run.load_before, 1),
        "line_over_payload": round(run.bytes_up / judged.payload, 3) if judged.payload else None,
        "faults": kinds,
        "uplink_peak_kb": max((child.peak_kb for child in run.children.values()), default=0),
        "uplink_starts": sum(child.starts for child in run.children.values()),
        "verified": sum(unit.verified == "0" for unit in judged.units),
        "cores": os.cpu_count(),
        "programs": {
            name: {"cpu_s": round(usage.cpu_s, 1), "peak_kb": usage.peak_kb}
            for name, usage in run.usage.by_name.items()
        },
    }


def write_result(out: Path, values: dict[str, Any]) -> Path:
    path = out / RESULT
    path.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def write_database(out: Path, run: FleetRun, judged: Judgement, values: dict[str, Any]) -> Path:
    """Tables ``units``, ``segments`` (foreign key to units), ``faults``, ``programs``, ``violations``."""
    path = out / DATABASE
    path.unlink(missing_ok=True)
    db = sqlite_utils.Database(path)
    try:
        rows = [
            {
                **dataclasses.asdict(unit),
                "uplink_starts": run.children[unit.unit_id].starts,
                "uplink_peak_kb": run.children[unit.unit_id].peak_kb,
            }
            for unit in judged.units
        ]
        db.table("units").insert_all(rows, pk="unit_id")
        db.table("segments").insert_all(
            map(dataclasses.asdict, judged.segments),
            pk=("unit_id", "segment_id"),
            foreign_keys=[("unit_id", "units", "unit_id")],
        )
        db.table("faults").create({"id": int, "kind": str, "subject": str, "at_s": float, "for_s": float}, pk="id")
        db.table("faults").insert_all(map(dataclasses.asdict, run.struck))
        db.table("programs").create({"name": str, "cpu_s": float, "peak_kb": int}, pk="name")
        db.table("programs").insert_all({"name": name, **usage} for name, usage in values["programs"].items())
        db.table("violations").create({"id": int, "text": str}, pk="id")
        db.table("violations").insert_all({"text": text} for text in values["violations"])
    finally:
        db.close()
    return path


def table(values: dict[str, Any]) -> str:
    """Markdown."""
    payload, plan = values["payload"] / 1e6, values["plan"]
    faults = ", ".join(f"{kind} ×{count}" for kind, count in sorted(values["faults"].items())) or "–"
    rows = [
        (
            "设备，真实上传进程 units, real uplink processes",
            f"{values['units']}（启动 starts {values['uplink_starts']}）",
        ),
        ("片段 segments", f"{values['segments']}, {payload:,.0f} MB"),
        ("违反 violations", str(len(values["violations"]))),
        ("超时段 late segments", str(values["late"])),
        (
            f"重点标记等待 marked wait, {values['marked']['count']}: p50 / p99",
            f"{values['marked']['p50_s']:.1f} / {values['marked']['p99_s']:.1f} s",
        ),
        ("其余等待 other waits: p50 / p99", f"{values['plain']['p50_s']:.1f} / {values['plain']['p99_s']:.1f} s"),
        *finish_rows(values),
        ("线路字节 ÷ 片段字节 bytes on the line ÷ payload", f"{values['line_over_payload'] or 0:.3f}"),
        ("`recorder verify` 通过 passes", f"{values['verified']} 抽样 sampled"),
        ("故障 faults", faults),
        ("此前一分钟的负载（他人的工作）load in the minute before (others' work)", f"{values['load_before']:.1f}"),
        ("上传进程内存峰值 peak RSS of an uplink", megabytes(values["uplink_peak_kb"])),
    ]
    for name, usage in values["programs"].items():
        count = f" (×{plan['instances']})" if name == "ingest" else ""
        rows.append((f"{name}{count}: CPU; RSS", f"{usage['cpu_s']:.1f} s; {megabytes(usage['peak_kb'])}"))
    return "\n".join(["| 项 item | 值 value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def megabytes(kernel_kb: int) -> str:
    """The kernel's kB are 1024 bytes, a MB is 10⁶ (``recorder.units``)."""
    return f"{kernel_kb * 1024 / 1e6:.0f} MB"


def finish_rows(values: dict[str, Any]) -> list[tuple[str, str]]:
    finish = f"{values['finish_s']:.0f} s"
    if values["limit_s"] is None:
        return [("首台入坞至最后一段 first docking to last object", finish)]
    return [
        ("全部设备共用的线路 the line all units share", f"{values['plan']['line_rate'] / 1e6:g} MB/s"),
        (
            "首台入坞至最后一段 ÷ 线路极限 first docking to last object ÷ the line's limit",
            f"{finish} / {values['limit_s']:.0f} s = **{values['finish_over_limit']:.2f}**",
        ),
    ]
