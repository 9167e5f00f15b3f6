"""A new unit process without an end of the shift: it waits for quiet, and the next one goes on where this one was."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.session.reload import QUIET_US
from recorder.unit.process import UnitProcess
from tests.unit.desk_kit import DeskKit


@pytest.fixture
def kit(tmp_path: Path) -> DeskKit:
    made = DeskKit(tmp_path / "unit")
    made.unit.p.reloading.restarts = True
    return made


def test_it_waits_for_the_end_of_the_recording_and_ends_no_shift(kit: DeskKit) -> None:
    session_id = kit.start()
    answer = kit.ask("restart")
    assert (answer["ok"], answer["recording"]) == (True, True)
    kit.turn(10 * QUIET_US)
    assert not kit.unit.restarting
    kit.ask("stop")
    kit.turn(round(kit.config.capture.post_event_s * 1e6))
    kit.closed(session_id)
    assert kit.unit.p.machine.session_id is None and not kit.unit.restarting
    kit.turn(QUIET_US)
    unit: UnitProcess = kit.unit
    assert unit.restarting and not unit.finished
    kit.unit.close()
    kit.unit.commit()
    assert [e["detail"] for e in kit.of("event") if e["event"] == "unit-restart"] == [{"asked_by": "control-socket"}]
    assert kit.of("event")[-1]["event"] == "unit-stop" and kit.of("shift-end") == []
    assert kit.of("standby")[-1]["to_us"] == kit.clock.now_us, "up to here this process speaks for its time"


def test_while_nothing_is_recorded_it_is_at_once(kit: DeskKit) -> None:
    kit.turn(QUIET_US)
    assert kit.ask("restart") == {"ok": True, "code": "when-idle", "recording": False}
    assert kit.unit.restarting


def test_without_a_service_manager_nobody_would_start_it_again(tmp_path: Path) -> None:
    kit = DeskKit(tmp_path / "unit")
    assert kit.ask("restart")["error"]["code"] == "not-supervised"
    kit.turn(2 * QUIET_US)
    assert not kit.unit.restarting
