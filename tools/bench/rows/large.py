"""The uplink's memory under one large segment: a file of a gigabyte must cost no more than a small one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.bench.measure import program, run
from tools.bench.model import Limit, Line, MeasurementError
from tools.bench.workshop import ROOT, Row, Workshop

SMALL_MB = 1.0


def measure(shop: Workshop) -> Sequence[Line]:
    program("mosquitto")
    program("nginx")
    large_mb = float(shop.count(1000, 100))
    with shop.folder("large") as folder:
        small, large = (
            _fleet(shop, folder / name, megabytes) for name, megabytes in (("s", SMALL_MB), ("l", large_mb))
        )
    peak, base = (result["uplink_peak_kb"] * 1024 / 1e6 for result in (large, small))
    return [
        Line(
            "large",
            f"上传进程内存峰值，一个 {large_mb:.0f} MB 的片段",
            f"peak RSS of the uplink, one segment of {large_mb:.0f} MB",
            "MB",
            peak,
            None,
            f"{peak:.1f} MB",
            f"{base:.1f} MB（{SMALL_MB:.0f} MB 的片段 segment）",
            Limit("<=", 40),
            Limit("<=", 34),
            "真实的上传进程对 nginx 与存储，含摘要、TLS、MQTT；旁边是同一程序上传一个小片段",
            "the real process against nginx and store, with digests, TLS and MQTT; beside it the same with a small segment",
        )
    ]


def _fleet(shop: Workshop, out: Path, segment_mb: float) -> dict[str, Any]:
    """``result.json`` of a fleet of one. Raises MeasurementError when the segment did not arrive."""
    options = ["--units", "1", "--segments", "1", "--segment-mb", str(segment_mb), "--no-faults", "--out", str(out)]
    run([sys.executable, "-c", "from hw_sim.cli import main; main()", "fleet", *options], shop.clock, cwd=ROOT)
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    if not isinstance(result, dict) or not result["passed"]:
        raise MeasurementError(f"large: {result}")
    return result


ROW = Row("large", "大片段", "a large segment", measure)
