"""One button, one mouth, several questions: why there was a gap, why it shall stop, a voice note. The last wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.evidence.records import Event
from recorder.session.stop_rules import CHOICES
from tests.unit.test_interruption_desk import (
    NOBODY_ASKED_TO_SIGN_IN,
    SECOND,
    Voice,
    hold,
    media,
    resumed,
    speech,
    written,
)
from tests.unit.test_process import ask, press
from tests.unit.unit_kit import UnitKit


@pytest.fixture
def kit(tmp_path: Path) -> UnitKit:
    """In 全程 mode, where a stop needs a reason."""
    return UnitKit(tmp_path / "unit", duties=NOBODY_ASKED_TO_SIGN_IN, sections={"matter": {"mode": "whole"}})


def speak(kit: UnitKit, first: int) -> None:
    """Four seconds, in entries ``first`` and the seven behind it."""
    start = kit.clock.now_us
    media(kit, 2, range(first, first + 8))
    speech(kit, start, kit.clock.now_us)


def test_asked_to_stop_then_about_a_gap_the_officer_explains_the_gap(kit: UnitKit) -> None:
    """The camera fails in the two minutes in which the question for a reason to stop stands."""
    voice = Voice(kit)
    resumed(kit)
    media(kit, 2, range(5))
    kit.turn(61 * SECOND)
    hold(kit, "record")
    assert voice.ids[-1] == "stop-needs-reason"
    (gap,) = ask(kit, cmd="gaps")["gaps"]
    assert ask(kit, cmd="explain", gap=gap["gap_id"])["ok"]
    media(kit, 2, range(5, 9))
    speak(kit, 9)
    press(kit, "mark")
    media(kit, 2, range(17, 24))
    assert [mark["kind"] for mark in written(kit, "mark")] == ["explanation"]
    assert [explanation["confirmed"] for explanation in written(kit, "explanation")] == ["button"]
    assert "stop-reason-chosen" not in voice.ids
    hold(kit, "record")
    assert voice.ids[-1] == "stop-needs-reason", "asked again: what was said was for the gap"
    assert written(kit, "session-stop") == []


def test_asked_about_a_gap_then_to_stop_the_officer_chooses_why(kit: UnitKit) -> None:
    voice = Voice(kit)
    resumed(kit)
    media(kit, 2, range(5))
    hold(kit, "record")
    media(kit, 2, range(5, 8))
    speak(kit, 8)
    press(kit, "mark")
    assert voice.ids[-1] == "stop-reason-chosen"
    assert written(kit, "mark") == [] and written(kit, "explanation") == []
    assert voice.said[-1][1] == {"reason": CHOICES[0]}


def test_the_press_that_ends_a_voice_note_chooses_no_reason_to_stop(kit: UnitKit) -> None:
    voice = Voice(kit)
    resumed(kit)
    media(kit, 2, range(5))
    hold(kit, "record")
    hold(kit, "mark")
    assert voice.ids[-1] == "note-begin"
    media(kit, 2, range(5, 9))
    speech(kit, kit.clock.now_us - SECOND, kit.clock.now_us)
    press(kit, "mark")
    assert "stop-reason-chosen" not in voice.ids
    media(kit, 2, range(9, 16))
    (note,) = written(kit, "note")
    assert note["ended"] == "press"


def test_a_question_about_a_gap_that_was_never_heard_takes_nobodys_place(kit: UnitKit) -> None:
    voice = Voice(kit)
    resumed(kit)
    media(kit, 2, range(5))
    hold(kit, "record")
    now = kit.clock.now_us
    detail = {"id": "explanation-missing", "from_us": now, "to_us": now, "outcome": "dropped"}
    kit.unit.write(Event(event="prompt", at_us=now, detail=detail))
    kit.turn(SECOND)
    press(kit, "mark")
    assert voice.ids[-1] == "stop-reason-chosen"


def test_in_stealth_the_question_is_not_heard_but_felt_and_counts(kit: UnitKit) -> None:
    voice = Voice(kit)
    resumed(kit)
    media(kit, 2, range(5))
    hold(kit, "record")
    kit.turn(SECOND)
    now = kit.clock.now_us
    detail = {"id": "explanation-missing", "from_us": now, "to_us": now, "outcome": "silenced"}
    kit.unit.write(Event(event="prompt", at_us=now, detail=detail))
    kit.turn(SECOND)
    press(kit, "mark")
    assert "stop-reason-chosen" not in voice.ids
