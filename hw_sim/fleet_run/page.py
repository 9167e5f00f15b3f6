"""The run's part of docs/fleet-scale.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hw_sim.fleet_run.marked import replaced
from hw_sim.fleet_run.report import table

SECTION = Path(__file__).with_name("section.md")

SHAPED = (
    "全部设备共用一条 {rate} MB/s 的线路：nginx 之前的中继（`hw_sim/agency/proxy.py`）以一个令牌桶放行字节，各连接均分，"
    "两个方向合计，TLS、请求头、日志、收据都算在内；MQTT 不经过它。“线路极限”由仿真所用的同一函数（`link_limit`）"
    "按各台实际入坞时刻与片段字节算出：其中没有扣除协议开销、故障、冻结的线路和存储核验的时间。",
    "All units share one line of {rate} MB/s: a relay before nginx (`hw_sim/agency/proxy.py`) lets bytes pass by one "
    "token bucket, every connection has an equal share, both directions count, and so do TLS, headers, journals and "
    "receipts; MQTT does not go through it. The limit comes from the simulation's own function (`link_limit`), with the "
    "moments the units docked at and the bytes of their segments: neither protocol, faults, the stalled line nor the "
    "store's checks are taken off it.",
)
UNSHAPED = ("线路不限速。", "The line is not shaped.")


def command(values: dict[str, Any]) -> str:
    plan = values["plan"]
    seed = "" if plan["seed"] == 1 else f" --seed {plan['seed']}"
    faults = "" if plan["faults"] else " --no-faults"
    line = f" --link-mb-s {plan['line_rate'] / 1e6:g}" if plan["line_rate"] else ""
    return f"./dev run hw-sim fleet --units {plan['units']}{line}{seed}{faults}"


def section(values: dict[str, Any], picture_name: str) -> str:
    """Without the marks."""
    plan = values["plan"]
    rate = f"{plan['line_rate'] / 1e6:g}" if plan["line_rate"] else ""
    return SECTION.read_text(encoding="utf-8").format(
        command=command(values),
        units=values["units"],
        cores=values["cores"],
        line_zh=SHAPED[0].format(rate=rate) if rate else UNSHAPED[0],
        line_en=SHAPED[1].format(rate=rate) if rate else UNSHAPED[1],
        instances=plan["instances"],
        table=table(values),
        picture=picture_name,
    )


def write_section(path: Path, values: dict[str, Any], drawing: str) -> Path:
    """The section, and ``drawing`` (SVG) beside the page: its path. The page's own drawing is the simulation's."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    beside = path.with_name(f"{path.stem}-real.svg")
    beside.write_text(drawing, encoding="utf-8")
    path.write_text(replaced(page, section(values, beside.name)), encoding="utf-8")
    return beside
