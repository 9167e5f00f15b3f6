"""The interruption desk in a whole unit process: records, speech, prompts, the button and commands reach it and it them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from recorder.channel import messages
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.records import Event
from recorder.evidence.verify import load_trust, verify_vaults
from recorder.officer.indicators import Indicators
from recorder.unit.duties.officer_desk import OfficerDesk
from recorder.unit.events import ButtonEdge, Shutdown, WorkerConnected, WorkerDisconnected, WorkerExited
from tests.evidence.verify.agency import TestAgency
from tests.unit.test_process import ask, press, record
from tests.unit.unit_kit import SEGMENT, WITHOUT_WATCH, UnitKit

SECOND = 1_000_000


NOBODY_ASKED_TO_SIGN_IN = tuple(duty for duty in WITHOUT_WATCH if duty is not OfficerDesk)


class Voice:
    """Stands for the loudspeaker: keeps what was said and reports each prompt as spoken for a second."""

    def __init__(self, kit: UnitKit) -> None:
        self.kit = kit
        self.said: list[tuple[str, dict[str, Any]]] = []
        kit.unit.voice = self

    def __call__(self, prompt_id: str, **values: Any) -> None:
        self.said.append((prompt_id, values))
        now = self.kit.clock.now_us
        detail = {"id": prompt_id, "from_us": now}
        self.kit.unit.write(Event(event="prompt-begun", at_us=now, detail=detail))
        self.kit.unit.write(Event(event="prompt", at_us=now, detail={**detail, "to_us": now + SECOND}))

    @property
    def ids(self) -> list[str]:
        return [prompt_id for prompt_id, _ in self.said]


@pytest.fixture
def kit(tmp_path: Path) -> UnitKit:
    return UnitKit(tmp_path / "unit", duties=NOBODY_ASKED_TO_SIGN_IN)


@dataclass
class Motor:
    """Counts how often it is switched on."""

    times: int = 0

    def set(self, on: bool) -> None:
        self.times += on

    def is_on(self) -> bool:
        return False

    def close(self) -> None:
        pass


def lose_worker(kit: UnitKit, pid: int = 1) -> None:
    kit.events.put(WorkerExited("cam0", pid, -9))
    kit.events.put(WorkerDisconnected("cam0", "closed"))
    kit.turn()


def worker_back(kit: UnitKit) -> None:
    kit.turn(2 * SECOND)
    kit.events.put(WorkerConnected("cam0", 2))
    kit.progress(frames=1)
    kit.turn()


def media(kit: UnitKit, segment: int, entries: range) -> None:
    """One entry each half second of the unit's time."""
    for index in entries:
        stored = sha256_b64u(f"{segment}/{index}".encode())
        kit.say(replace(kit.entry(segment, index), sha256_stored=stored))
        kit.progress(frames=10 * index + 10, entries=index + 1, recording=True)
        kit.turn(SECOND // 2)


def speech(kit: UnitKit, start_us: int, end_us: int, final: bool = True) -> None:
    kit.say(
        messages.Speech(
            camera_id="cam0",
            at_us=kit.clock.now_us,
            n=kit.next_n(),
            start_us=start_us,
            end_us=end_us,
            final=final,
            level_dbfs=-30.0,
        )
    )
    kit.turn()


def resumed(kit: UnitKit) -> tuple[str, str]:
    """A recording whose worker died and came back; returns session and gap."""
    session_id = record(kit)
    media(kit, 1, range(4))
    lose_worker(kit)
    worker_back(kit)
    kit._n = 0
    kit.say(kit.opened(2, session_id))
    kit.turn()
    (gap_id,) = [payload["gap_id"] for typ, payload in kit.records() if typ == "interruption"]
    return session_id, gap_id


def written(kit: UnitKit, typ: str) -> list[dict[str, Any]]:
    return [payload for found, payload in kit.records() if found == typ]


def answered(kit: UnitKit) -> str:
    """The officer speaks for four seconds after the prompt and presses mark; returns the gap."""
    _, gap_id = resumed(kit)
    media(kit, 2, range(5))
    start = kit.clock.now_us
    media(kit, 2, range(5, 13))
    speech(kit, start, kit.clock.now_us)
    press(kit, "mark")
    media(kit, 2, range(13, 20))
    return gap_id


def test_the_officer_is_asked_and_the_confirmed_answer_stands_in_the_journal(kit: UnitKit) -> None:
    voice = Voice(kit)
    gap_id = answered(kit)
    (explanation,) = written(kit, "explanation")
    assert (explanation["gap_id"], explanation["confirmed"], explanation["counts"]) == (gap_id, "button", True)
    (mark,) = written(kit, "mark")
    assert (mark["mark_id"], mark["kind"]) == (explanation["mark_id"], "explanation")
    assert {span["segment_id"] for span in explanation["speech"]} == {SEGMENT.format(2)}
    assert voice.ids == ["interrupted", "resumed-clock-not-set", "explanation-saved", "reason-help"]
    assert voice.said[1][1] == {"lasted": 2}
    assert kit.index.unexplained_gaps() == 0
    (gap,) = ask(kit, cmd="gaps")["gaps"]
    assert (gap["gap_id"], gap["state"]) == (gap_id, "explained")


def test_what_the_unit_wrote_the_verifier_finds_to_hold(tmp_path: Path) -> None:
    """Two programs that share no code for it agree on entries, offsets, digests and the sides of the gap."""
    agency = TestAgency()
    kit = UnitKit(tmp_path / "unit", device=agency.issue("zfy-000001"))
    Voice(kit)
    gap_id = answered(kit)
    kit.journal.close()
    (vault,) = verify_vaults(tmp_path / "unit", load_trust(agency.trust(tmp_path / "trust"))).vaults
    (gap,) = vault.gaps
    assert (gap.gap_id, gap.confirmed, gap.counted, gap.explained) == (gap_id, "button", True, True)
    assert 3_000_000 <= gap.speech_us <= 4_000_000
    found = {finding.code for finding in vault.findings}
    assert not [code for code in found if code.startswith(("speech-altered", "speech-m", "speech-o", "explanation-"))]


def test_a_press_that_answers_nothing_is_an_ordinary_mark(kit: UnitKit) -> None:
    record(kit)
    media(kit, 1, range(4))
    press(kit, "mark")
    assert [mark["kind"] for mark in written(kit, "mark")] == ["key"]


def test_presses_choose_the_class_and_are_no_marks(kit: UnitKit) -> None:
    voice = Voice(kit)
    answered(kit)
    press(kit, "mark")
    press(kit, "mark")
    media(kit, 2, range(20, 26))
    assert [e["legal_cause"] for e in written(kit, "explanation")] == [None, "天气恶劣"]
    assert [mark["kind"] for mark in written(kit, "mark")] == ["explanation"]
    assert voice.said[-1] == ("class-chosen", {"cause": "weather"})


def test_commands_choose_the_class_ask_again_and_are_refused_with_reasons(kit: UnitKit) -> None:
    voice = Voice(kit)
    _, gap_id = resumed(kit)
    media(kit, 2, range(5))
    assert ask(kit, cmd="explain", gap=gap_id[:8], cause="人为阻挠") == {"ok": True}
    assert ask(kit, cmd="explain", gap=gap_id)["ok"]
    media(kit, 2, range(5, 8))
    assert voice.ids[-1] == "explanation-missing"
    assert ask(kit, cmd="explain", gap=gap_id, cause="weather")["error"]["code"] == "bad-cause"
    assert ask(kit, cmd="explain", gap="ffffffff")["error"]["code"] == "unknown-gap"
    assert ask(kit, cmd="explain")["error"]["code"] == "unknown-gap"
    assert ask(kit, cmd="cannot-resume")["error"]["code"] == "no-open-gap"
    assert ask(kit, cmd="cannot-resume", gap="ffffffff")["error"]["code"] == "unknown-gap"
    assert [command["result"] for command in written(kit, "command")] == ["accepted"] * 2 + ["refused"] * 5
    (gap,) = ask(kit, cmd="gaps")["gaps"]
    assert (gap["legal_cause"], gap["suggested"], gap["state"]) == ("人为阻挠", None, "unexplained")


def test_the_unit_suggests_a_device_fault_and_writes_it_nowhere(kit: UnitKit) -> None:
    resumed(kit)
    (gap,) = ask(kit, cmd="gaps")["gaps"]
    assert (gap["cause"], gap["suggested"], gap["legal_cause"]) == ("worker-crash", "设备故障", None)
    assert written(kit, "explanation") == []


def test_the_exit_that_began_the_gap_is_no_failed_restart_but_five_more_are(kit: UnitKit) -> None:
    voice = Voice(kit)
    record(kit)
    media(kit, 1, range(4))
    lose_worker(kit)
    for pid in range(2, 6):
        kit.turn(SECOND)
        kit.events.put(WorkerExited("cam0", pid, 1))
        kit.turn()
    assert "cannot-resume" not in voice.ids
    kit.turn(SECOND)
    kit.events.put(WorkerExited("cam0", 6, 1))
    kit.turn()
    assert voice.ids[-1] == "cannot-resume"
    (event,) = [event for event in written(kit, "event") if event["event"] == "cannot-resume"]
    assert event["detail"]["reason"] == "restarts"


def test_a_declared_gap_owes_a_statement_when_the_session_is_over_and_is_counted_out(kit: UnitKit) -> None:
    voice = Voice(kit)
    record(kit)
    media(kit, 1, range(4))
    lose_worker(kit)
    assert ask(kit, cmd="cannot-resume") == {"ok": True}
    ask(kit, cmd="stop")
    for _ in range(4):
        kit.turn(SECOND)
    assert (kit.index.unexplained_gaps(), kit.index.statements_owed()) == (0, 1)
    kit.events.put(Shutdown())
    kit.turn()
    assert ("statements-pending", {"count": 1}) in voice.said


def hold(kit: UnitKit, button: str) -> None:
    kit.events.put(ButtonEdge(button, True, kit.clock.now_us))
    kit.turn(1_600_000)
    kit.turn()
    kit.events.put(ButtonEdge(button, False, kit.clock.now_us))
    kit.turn(100_000)


def test_a_voice_note_by_a_long_press(kit: UnitKit) -> None:
    voice = Voice(kit)
    record(kit)
    media(kit, 1, range(4))
    hold(kit, "mark")
    assert voice.ids == ["note-begin"]
    media(kit, 1, range(4, 8))
    start = kit.clock.now_us
    for first in range(8, 14, 2):
        media(kit, 1, range(first, first + 2))
        speech(kit, start, kit.clock.now_us, final=first == 12)
    press(kit, "mark")
    media(kit, 1, range(14, 20))
    (note,) = written(kit, "note")
    assert note["ended"] == "press" and len(note["speech"]) == 1
    assert written(kit, "mark") == [], "the press that ended it is no mark"
    assert voice.ids[-1] == "note-saved"


def test_a_voice_note_without_a_recording_is_refused_and_felt(kit: UnitKit) -> None:
    voice = Voice(kit)
    kit.worker_up()
    motor = Motor()
    kit.unit.p.indicators = Indicators(kit.config.indicators, {"vibration": motor}, None)
    hold(kit, "mark")
    assert motor.times == 1
    assert voice.ids == [] and written(kit, "note") == []


def test_a_restart_knows_the_gaps_of_before(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path / "unit")
    record(kit)
    media(kit, 1, range(4))
    lose_worker(kit)
    ask(kit, cmd="stop")
    for _ in range(4):
        kit.turn(SECOND)
    (before,) = ask(kit, cmd="gaps")["gaps"]
    kit.journal.close()
    again = UnitKit(tmp_path / "unit")
    (after,) = ask(again, cmd="gaps")["gaps"]
    assert after == before and after["state"] == "owed"


def test_a_restart_does_not_say_again_that_a_statement_is_owed_but_a_new_shift_does(tmp_path: Path) -> None:
    """Nothing is heard here: the records say what would have been, over both processes."""

    def reminders(kit: UnitKit) -> list[str]:
        prompts = [p["detail"]["id"] for typ, p in kit.records() if typ == "event" and p["event"] == "prompt"]
        return [name for name in prompts if name in ("cannot-resume", "statements-pending")]

    kit = UnitKit(tmp_path / "unit")
    record(kit)
    media(kit, 1, range(4))
    lose_worker(kit)
    ask(kit, cmd="stop")
    for _ in range(4):
        kit.turn(SECOND)
    assert reminders(kit) == ["cannot-resume"]
    kit.journal.close()
    again = UnitKit(tmp_path / "unit", now_us=kit.clock.now_us + SECOND)
    for _ in range(90):
        again.turn(SECOND)
    # The kit's second process begins a shift of its own, and a shift's beginning reminds once; nothing else is repeated.
    assert [typ for typ in again.types() if typ == "shift-start"] == ["shift-start"] * 2
    assert reminders(again) == ["cannot-resume", "statements-pending"]
