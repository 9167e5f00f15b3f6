"""Shift completeness: one line per range of time, from the beginning to the end, nothing between them and nothing twice."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from recorder.evidence.verify.completeness import ranges
from recorder.evidence.verify.report import LineReport, Report, ShiftReport, StretchReport
from recorder.evidence.verify.text import render_text
from recorder.export.report import render_html
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import check
from tests.evidence.verify.vault_builder import VaultBuilder

KINDS = st.sampled_from(["recorded", "standby", "gap", "off", "seam", "unaccounted"])


@given(st.lists(st.tuples(KINDS, st.integers(1, 10**7)), min_size=1, max_size=30))
def test_the_ranges_cover_the_shift_without_a_hole_and_lose_no_segment(pieces: list[tuple[str, int]]) -> None:
    stretches, at = [], 0
    for number, (kind, length) in enumerate(pieces):
        stretches.append(StretchReport(kind, at, at + length, f"ref{number}" if kind in ("recorded", "gap") else ""))
        at += length
    line = LineReport("cam0", tuple(stretches), {})
    found = ranges(ShiftReport("s", 1000.0, 1000.0 + at / 1e6, True, at, (line,)), line)
    assert sum(item.length_us for item in found) == at
    assert found[0].start == 1000.0 and abs(found[-1].end - 1000.0 - at / 1e6) < 1e-6
    assert all(one.end == two.start and one.kind != two.kind for one, two in pairwise(found))
    assert [ref for item in found for ref in item.refs] == [stretch.ref for stretch in stretches if stretch.ref]
    # What nobody signed for is never folded into a neighbour.
    assert sum(item.length_us for item in found if item.kind == "unaccounted") >= sum(
        length for kind, length in pieces if kind == "unaccounted"
    )


def test_an_hour_of_recording_is_one_line_in_every_view(tmp_path: Path) -> None:
    b = VaultBuilder(TestAgency())
    b.boot()
    b.shift_start()
    b.standby(5)
    b.session(4)
    b.standby(5)
    b.shift_end()
    b.receipt()
    vault = check(b, tmp_path)
    report = Report(str(tmp_path), (vault,))
    (line,) = report.to_json()["vaults"][0]["shifts"][0]["lines"]
    assert [item["kind"] for item in line["ranges"]] == ["standby", "recorded", "standby"]
    assert len(line["ranges"][1]["refs"]) == 4
    assert "录制" in render_text(report, "zh") and "×4" in render_text(report, "zh")
    assert "班次完整性" in render_html(report)
