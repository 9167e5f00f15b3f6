"""A vehicle unit: the ignition begins a recording and ends it, through pins, processes and journal, to the verifier."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.agency.agency import Agency
from tests.integration.rig import Rig

VEHICLE = {"vehicle": {"start_on_ignition": True, "stop_after_ignition_off_min": 0.02}}


@pytest.mark.timeout(90)
def test_the_ignition_begins_and_ends_a_recording(agency: Agency, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", agency, VEHICLE, unit_id="zfy-ignition", world={"ignition": "off"}) as rig:
        rig.enrol(agency)
        rig.start()
        rig.world.set("ignition", "on")
        rig.wait(lambda: rig.signed() >= 1, "media of the drive is signed")
        rig.world.set("ignition", "off")
        rig.wait(lambda: bool(rig.of("session-stop")), "the recording has ended")
        assert rig.stop() == 0
        (start,), (stop,) = rig.of("session-start"), rig.of("session-stop")
        assert (start["trigger"], stop["reason"]) == ("ignition", "ignition")
        levels = [event for event in rig.of("event") if event["event"].startswith("ignition")]
        assert [event["event"] for event in levels] == ["ignition-off", "ignition-on", "ignition-off"]
        assert stop["at_us"] - levels[-1]["at_us"] >= 1_200_000
        verdict = rig.verify(identity=rig.layout.identity)
        assert (verdict["integrity"], verdict["completeness"]) == ("intact", "complete")
        assert verdict["unaccounted_s"] == 0.0
