"""The section says how the line was, and the drawing shows what the run reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hw_sim.fleet_run.judge import Judgement, SegmentRow, UnitRow
from hw_sim.fleet_run.page import command, write_section
from hw_sim.fleet_run.picture import picture
from hw_sim.fleet_run.report import finish_rows

PLAN = {"units": 2, "seed": 1, "instances": 2, "faults": True, "line_rate": 2_500_000.0}


def values(**changes: Any) -> dict[str, Any]:
    waits = {"count": 1, "p50_s": 1.0, "p99_s": 2.0}
    return {
        "plan": PLAN,
        "units": 2,
        "segments": 2,
        "payload": 2_000_000,
        "violations": [],
        "late": 0,
        "finish_s": 21.0,
        "limit_s": 20.0,
        "finish_over_limit": 1.05,
        "marked": waits,
        "plain": waits,
        "line_over_payload": 1.01,
        "verified": 2,
        "faults": {},
        "load_before": 0.4,
        "uplink_peak_kb": 30_000,
        "uplink_starts": 2,
        "cores": 2,
        "programs": {},
        **changes,
    }


def judged() -> Judgement:
    units = [UnitRow(f"zfy-{number}", 1000.0 + number, 9, 1, 1_000_000, 1, 1, "0") for number in range(2)]
    rows = [
        SegmentRow(unit.unit_id, "s", 1_000_000, number == 0, 9000.0, 1010.0 + number, 10.0, 7990.0)
        for number, unit in enumerate(units)
    ]
    return Judgement(units, rows)


def test_a_shaped_line_is_named_with_its_rate_and_its_limit(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    drawing = write_section(page, values(), picture(judged(), 2_500_000.0))
    text = page.read_text(encoding="utf-8")
    assert "--units 2 --link-mb-s 2.5" in text
    assert "2.5 MB/s" in text
    assert "21 s / 20 s = **1.05**" in text
    assert f"]({drawing.name})" in text
    assert ElementTree.fromstring(drawing.read_text(encoding="utf-8")).tag.endswith("svg")


def test_a_line_that_was_not_shaped_has_no_limit(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    open_line = values(plan={**PLAN, "line_rate": 0.0}, limit_s=None, finish_over_limit=None)
    write_section(page, open_line, picture(judged(), 0.0))
    text = page.read_text(encoding="utf-8")
    assert "The line is not shaped." in text
    assert [value for _, value in finish_rows(open_line)] == ["21 s"]
    assert "--link-mb-s" not in command(open_line)


def test_the_limit_is_drawn_where_there_is_one() -> None:
    assert "线路极限" in picture(judged(), 2_500_000.0)
    assert "线路极限" not in picture(judged(), 0.0)
