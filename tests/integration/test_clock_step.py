"""The wall clock jumps while recording: a signed event, no split, nothing lost, and the verifier still finds it sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.agency.agency import Agency
from tests.integration.rig import Rig


@pytest.mark.timeout(90)
@pytest.mark.parametrize("step_s", [3.0, -90.0], ids=["forward", "back"])
def test_a_clock_step_is_an_event_and_nothing_more(step_s: float, agency: Agency, tmp_path: Path) -> None:
    unit_id = f"zfy-step-{'on' if step_s > 0 else 'back'}"
    with Rig(tmp_path / "run", agency, {"capture": {"segment_s": 30}}, unit_id=unit_id) as rig:
        rig.enrol(agency)
        rig.start()
        rig.unit.start_uplink()
        rig.record()
        rig.world.step_wall_clock(round(step_s * 1e6))
        rig.wait(lambda: any(event["event"] == "clock-step" for event in rig.of("event")), "the step is recorded")
        heads = len(rig.of("head"))
        rig.wait(lambda: len(rig.of("head")) >= heads + 3, "it records on")
        rig.end_recording()
        rig.wait(lambda: rig.view().uploadable <= rig.view().receipted, "every segment has its receipt")
        assert rig.stop() == 0
        last = rig.view().next_seq - 1
        rig.wait(lambda: agency.anchored_seq(rig.layout.unit / "receipts") >= last, "the end is anchored")
        rig.unit.stop("uplink")

        (event,) = [event for event in rig.of("event") if event["event"] == "clock-step"]
        moved = event["detail"]["new_offset_us"] - event["detail"]["old_offset_us"]
        assert moved == pytest.approx(step_s * 1e6, abs=100_000)
        assert len(rig.view().segments) == 1 and rig.view().gaps == {}
        verdict = rig.verify(identity=rig.layout.identity)
        assert (verdict["integrity"], verdict["completeness"], verdict["anchor"]) == ("intact", "complete", "anchored")
        assert verdict["unaccounted_s"] == 0.0
        assert not any("clock-step" in code or "unrecorded" in code for code in verdict["finding_codes"])
