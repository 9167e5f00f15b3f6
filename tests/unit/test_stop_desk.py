"""Stopping in 全程 mode: by button and by command, with every kind of reason, and never without; the power key always."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recorder.evidence.records import Event
from recorder.session.stop_rules import CHOICES
from recorder.unit.events import Shutdown
from tests.unit.desk_kit import DeskKit

S = 1_000_000


@pytest.fixture
def kit(tmp_path: Path) -> DeskKit:
    made = DeskKit(tmp_path / "unit", matter={"mode": "whole"})
    made.worker_up()
    return made


def hold(kit: DeskKit) -> None:
    kit.press("record", 2 * S)


def recording(kit: DeskKit) -> bool:
    return kit.unit.p.machine.state.value == "recording"


def stated(kit: DeskKit, session_id: str) -> dict[str, object]:
    kit.closed(session_id)
    (stop,) = kit.of("session-stop")
    assert isinstance(stop["stated"], dict)
    return stop["stated"]


def test_the_first_hold_asks_and_the_recording_goes_on(kit: DeskKit) -> None:
    kit.start()
    hold(kit)
    assert recording(kit) and "stop-needs-reason" in kit.prompts()
    hold(kit)
    assert recording(kit), "silence is no reason"


def test_a_spoken_reason_and_a_second_hold_end_it(kit: DeskKit) -> None:
    session_id = kit.start()
    hold(kit)
    asked_us = kit.clock.now_us
    own = {"id": "stop-needs-reason", "from_us": asked_us, "expected_to_us": asked_us + 4 * S}
    kit.unit.write(Event(event="prompt-begun", at_us=asked_us, detail=own))
    kit.speak(asked_us + S, asked_us + 4 * S)
    kit.turn(5 * S)
    hold(kit)
    assert recording(kit), "that was the prompt itself"
    start_us = asked_us + 8 * S
    kit.speak(start_us, start_us + 3 * S)
    kit.turn(5 * S)
    hold(kit)
    assert not recording(kit)
    said = stated(kit, session_id)
    assert said["by"] == "speech" and said["spoken"] == [[start_us, start_us + 3 * S]]


def test_a_choice_by_the_mark_button_ends_it_and_makes_no_mark(kit: DeskKit) -> None:
    session_id = kit.start()
    kit.press("mark")
    hold(kit)
    kit.press("mark")
    kit.press("mark")
    hold(kit)
    assert not recording(kit)
    assert stated(kit, session_id)["choice"] == CHOICES[1]
    assert len(kit.of("mark")) == 1


def test_the_command_needs_a_reason_and_names_the_choices(kit: DeskKit) -> None:
    session_id = kit.start()
    refused = kit.ask("stop")
    assert refused["error"]["code"] == "stop-needs-reason"
    assert all(choice in refused["error"]["zh"] for choice in CHOICES)
    assert kit.ask("stop", reason=" ")["error"]["code"] == "bad-reason"
    assert kit.ask("stop", reason="x" * 501)["error"]["code"] == "bad-reason"
    assert recording(kit)
    assert kit.ask("stop", reason=CHOICES[2])["ok"]
    said = stated(kit, session_id)
    assert (said["by"], said["choice"], said["text"]) == ("choice", CHOICES[2], None)


def test_own_words_are_sealed(kit: DeskKit) -> None:
    session_id = kit.start()
    assert kit.ask("stop", reason="当事人要求停止")["ok"]
    said = stated(kit, session_id)
    assert said["by"] == "text" and isinstance(said["text"], dict)
    plain = json.loads(said["text"]["plain"])  # sealing is off in this kit
    assert plain["value"] == "当事人要求停止"


def test_the_power_key_needs_no_reason(kit: DeskKit) -> None:
    session_id = kit.start()
    kit.events.put(Shutdown())
    kit.turn()
    kit.closed(session_id)
    (stop,) = kit.of("session-stop")
    assert (stop["reason"], stop["stated"]) == ("shutdown", None)


def test_an_ordinary_recording_stops_at_once(kit: DeskKit) -> None:
    kit.start(mode="一般")
    hold(kit)
    assert not recording(kit)


def test_there_is_no_way_to_mute(kit: DeskKit) -> None:
    kit.start()
    assert kit.ask("mute")["error"]["code"] == "unknown-command"
