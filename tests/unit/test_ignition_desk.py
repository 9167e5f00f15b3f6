"""The ignition in the unit process: events, starts and ends in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recorder.session import events as ev
from recorder.unit.events import IgnitionChanged, WorkerDisconnected, WorkerExited
from tests.evidence.kit import BOOT_A
from tests.unit.unit_kit import UnitKit

SECOND, MINUTE = 1_000_000, 60_000_000
BOTH = {"start_on_ignition": True, "stop_after_ignition_off_min": 10}


def unit(data_dir: Path, vehicle: Mapping[str, object] | None = None, **changes: Any) -> UnitKit:
    """No worker ever comes up: what the ignition begins and ends is the session, pictures or not."""
    return UnitKit(data_dir, sections={"vehicle": vehicle or {}, **changes.pop("sections", {})}, **changes)


def switch(kit: UnitKit, on: bool) -> int:
    since_us = kit.clock.now_us
    kit.events.put(IgnitionChanged(on, since_us))
    kit.turn(SECOND)
    return since_us


def of(kit: UnitKit, typ: str) -> list[dict[str, Any]]:
    return [payload for found, payload in kit.records() if found == typ]


def ignition_events(kit: UnitKit) -> list[tuple[str, int]]:
    return [(e["event"], e["at_us"]) for e in of(kit, "event") if e["event"].startswith("ignition")]


def test_by_default_each_change_is_recorded_and_nothing_else_happens(tmp_path: Path) -> None:
    kit = unit(tmp_path)
    times = [switch(kit, on) for on in (False, True, False)]
    kit.turn(60 * MINUTE)
    assert ignition_events(kit) == list(zip(("ignition-off", "ignition-on", "ignition-off"), times, strict=True))
    assert not of(kit, "session-start")


def test_it_starts_a_recording_and_ends_it_after_its_time(tmp_path: Path) -> None:
    kit = unit(tmp_path, BOTH)
    switch(kit, True)
    (start,) = of(kit, "session-start")
    assert start["trigger"] == "ignition"
    switch(kit, False)
    kit.turn(9 * MINUTE)
    assert kit.unit.p.machine.session_id == start["session_id"] and not of(kit, "session-stop")
    kit.turn(MINUTE)
    kit.turn(20 * SECOND)
    (stop,) = of(kit, "session-stop")
    assert (stop["session_id"], stop["reason"]) == (start["session_id"], "ignition")


def test_a_recording_that_runs_is_left_alone(tmp_path: Path) -> None:
    kit = unit(tmp_path, BOTH)
    kit.unit.decide(kit.unit.start_request("button"))
    switch(kit, True)
    switch(kit, False)
    kit.turn(60 * MINUTE)
    assert [start["trigger"] for start in of(kit, "session-start")] == ["button"]
    assert kit.unit.p.machine.session_id is not None and not of(kit, "session-stop")


def test_a_drive_that_begins_while_the_last_one_is_being_closed_is_recorded(tmp_path: Path) -> None:
    kit = unit(tmp_path, BOTH)
    kit.worker_up()
    switch(kit, True)
    switch(kit, False)
    for _ in range(601):
        kit.progress(frames=kit.clock.now_us // SECOND)
        kit.turn(SECOND)
    assert kit.unit.p.machine.state.value == "stopping"
    switch(kit, True)
    kit.events.put(WorkerDisconnected("cam0", "closed"))
    kit.events.put(WorkerExited("cam0", 1, 0))
    kit.turn(SECOND)
    assert [start["trigger"] for start in of(kit, "session-start")] == ["ignition", "ignition"]
    assert [stop["reason"] for stop in of(kit, "session-stop")] == ["ignition"]


def test_in_whole_mode_nothing_ends_without_a_reason(tmp_path: Path) -> None:
    kit = unit(tmp_path, BOTH, sections={"matter": {"mode": "whole"}})
    switch(kit, True)
    switch(kit, False)
    for _ in range(3):
        kit.turn(30 * MINUTE)
    assert kit.unit.p.machine.session_id is not None and not of(kit, "session-stop")


def test_a_mark_after_the_ignition_went_off_keeps_it_going(tmp_path: Path) -> None:
    kit = unit(tmp_path, BOTH)
    switch(kit, True)
    switch(kit, False)
    kit.unit.decide(ev.MarkRequested(at_us=kit.clock.now_us))
    kit.turn(60 * MINUTE)
    assert of(kit, "mark") and not of(kit, "session-stop")


def test_a_program_that_starts_again_in_the_same_boot_starts_nothing(tmp_path: Path) -> None:
    first = unit(tmp_path, BOTH)
    switch(first, True)
    first.unit.decide(ev.StopRequested(at_us=first.clock.now_us, reason="button"))
    first.turn(20 * SECOND)
    first.journal.close()
    first.index.close()
    again = unit(tmp_path, BOTH, now_us=first.clock.now_us + SECOND, boot=BOOT_A)
    switch(again, True)
    assert again.unit.p.machine.session_id is None and len(of(again, "session-start")) == 1
    again.journal.close()
    again.index.close()
    rebooted = unit(tmp_path, BOTH, boot="bbbbbbbb-0000-4000-8000-00000000000b")
    switch(rebooted, True)
    assert [start["trigger"] for start in of(rebooted, "session-start")] == ["ignition", "ignition"]
