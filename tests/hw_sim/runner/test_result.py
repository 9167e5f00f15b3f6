"""What a run is judged by, and the table a newcomer reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hw_sim.runner.frame_audit import FrameAudit
from hw_sim.runner.journal_view import GapView, JournalView, SegmentView
from hw_sim.runner.result import Kill, collect, judge, media_lost_s, render
from hw_sim.scenario import Scenario

NO_FRAMES = FrameAudit(0, 0, 0, 0, 0, 0, (), {})


def scenario(*expect: dict[str, Any]) -> Scenario:
    return Scenario.model_validate(
        {"name": "x", "title_zh": "标题", "title_en": "title", "duration_s": 1, "action": [], "expect": list(expect)}
    )


def verdicts() -> dict[str, dict[str, Any]]:
    verdict = {"recorded_s": 5.0, "sentence_zh": "未全部证实", "sentence_en": "Not everything is proven"}
    return {"unit": verdict, "store": verdict}


def result(*expect: dict[str, Any], interrupted: bool = False) -> dict[str, Any]:
    made = scenario(*expect)
    return judge(made, collect(made, JournalView(), NO_FRAMES, [], verdicts(), 1.0), interrupted)


MET = {"field": "recorded_s", "op": "==", "value": 5.0}
UNMET = {"field": "segments", "op": ">=", "value": 3, "why": "three of them"}


def test_all_expectations_met_is_passed() -> None:
    assert result(MET)["passed"]


@pytest.mark.parametrize("case", ["unmet", "none", "interrupted"])
def test_anything_less_is_not(case: str) -> None:
    made = {
        "unmet": lambda: result(MET, UNMET),
        "none": lambda: result(),
        "interrupted": lambda: result(MET, interrupted=True),
    }[case]()
    assert not made["passed"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_table_names_what_was_not_met_and_where_everything_is(language: str) -> None:
    text = render(result(MET, UNMET), "T", Path("/out"), language)
    assert "✗ segments >= 3: 0   (three of them)" in text
    assert "1 / 2" in text and "/out/report.html" in text
    assert ("未全部证实" if language == "zh" else "Not everything is proven") in text
    interrupted = render(result(MET, interrupted=True), "T", Path("/out"), language)
    assert ("被中断" if language == "zh" else "interrupted") in interrupted


def segment(start_us: int, **changes: Any) -> SegmentView:
    values: dict[str, Any] = {
        "segment_id": "s",
        "session_id": "x",
        "camera_id": "cam0",
        "role": "live",
        "sealed": True,
        "boot": "b",
        "media_start_us": start_us,
        "media_end_us": start_us,
    }
    return SegmentView(**(values | changes))


def recording(gap: bool = True) -> tuple[JournalView, FrameAudit]:
    gaps = {"g": GapView("g", "worker-crash", 0, "b", last_segment_id="s")} if gap else {}
    frames = FrameAudit(1, 1, 0, 0, 0, 0, (), {"s": 2_000_000 - 33_334})
    return JournalView(segments={"s": segment(1_000_000)}, gaps=gaps), frames


def test_media_between_the_last_frame_and_the_kill_is_lost() -> None:
    assert media_lost_s(Kill("unit", "b", 2_500_000), [], *recording()) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("kill", "earlier", "gap"),
    [
        (Kill("unit", "b", 500_000), [], True),
        (Kill("unit", "other-boot", 2_500_000), [], True),
        (Kill("store", "b", 2_500_000), [], False),
        (Kill("unit", "b", 2_500_000), [Kill("worker", "b", 2_100_000)], True),
    ],
    ids=["before-it", "another-boot", "nothing-ended", "in-the-gap-of-another"],
)
def test_a_kill_that_met_nothing_lost_nothing(kill: Kill, earlier: list[Kill], gap: bool) -> None:
    assert media_lost_s(kill, earlier, *recording(gap)) is None


def test_a_kill_of_the_store_excuses_no_loss() -> None:
    earlier = [Kill("store", "b", 2_100_000)]
    assert media_lost_s(Kill("unit", "b", 2_500_000), earlier, *recording()) == pytest.approx(0.5)


def test_unknown_unaccounted_time_is_not_zero() -> None:
    made = result(
        {"field": "unaccounted_s", "op": "==", "value": 0.0}, {"field": "unaccounted_s", "op": "<=", "value": 1}
    )
    assert made["unaccounted_s"] is None and not any(item["met"] for item in made["expectations"])
    assert "unknown" in render(made, "T", Path("/out"), "en")
