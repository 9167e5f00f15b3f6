"""The shipped scenarios of interruptions, run to the end as a person runs them: every expectation met, within 90 seconds.

A desk runs the two that nothing else covers: the officer's spoken answer from the prompt to the verifier, and a clock that
is set while recording. ``CI=true`` runs all of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.test_sim_run import hw_sim, mentioning
from tests.support import require_program, tier

DESK: Final = ("clock_not_set",)
CI: Final = (
    "camera_unplugged",
    "lens_covered",
    "battery_dies_and_returns",
    "card_full",
    "cannot_resume_two_officers_sign",
    "no_answer_to_prompt",
    "officer_deletes_a_file",
)
CHOSEN: Final = DESK if tier() == "quick" else (*DESK, *CI)

TOLD: Final = {"lens-covered": "镜头被遮挡", "camera-unplugged": "摄像头被拔出", "clock-not-set": "时钟未校准"}
"""What the report calls a fault."""


def run(name: str, tmp_path: Path) -> dict[str, Any]:
    require_program("mosquitto")
    out = tmp_path / "out"
    done = hw_sim(tmp_path / "tmp", "run", name, "--out", str(out), timeout_s=240)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert list(mentioning(tmp_path)) == []
    result: dict[str, Any] = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert result["passed"] and result["script_unmet"] == []
    return result


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CHOSEN)
def test_a_shipped_scenario_meets_every_expectation(name: str, tmp_path: Path) -> None:
    result = run(name, tmp_path)
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert result["verify"]["unit"]["sentence_zh"] in report, "the report says what the verdict is"
    for path in result["files_deleted"]:
        assert path in report, "and names what was deleted"
    for code in TOLD.keys() & result["faults"].keys():
        assert TOLD[code] in report
