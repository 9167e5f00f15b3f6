"""The 24 hours at work in the unit process: warned, recorded, shown; extended and restarted over the control socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recorder.evidence.records import DeadlineBasis
from recorder.session.elapsed import BootClock
from recorder.unit.events import ControlRequest
from tests.evidence.kit import BOOT_A, BOOT_B
from tests.unit.test_custody import JTI, receipt, shift_with_one_segment
from tests.unit.test_process import ask
from tests.unit.unit_kit import UnitKit

HOUR = 3_600_000_000
LOOK = 11_000_000


@pytest.fixture
def kit(tmp_path: Path) -> UnitKit:
    made, _ = shift_with_one_segment(tmp_path / "unit")
    made.spoken = []  # type: ignore[attr-defined]
    made.unit.voice = lambda prompt, **values: made.spoken.append((prompt, values))  # type: ignore[attr-defined]
    return made


def said(kit: UnitKit) -> list[tuple[str, dict[str, Any]]]:
    return kit.spoken  # type: ignore[attr-defined, no-any-return]


def pass_time(kit: UnitKit, us: int) -> None:
    kit.turn(us)
    kit.turn(LOOK)


def warnings(kit: UnitKit) -> list[str]:
    return [p["detail"]["level"] for typ, p in kit.records() if typ == "event" and p["event"] == "deadline-warning"]


def faults(kit: UnitKit) -> list[tuple[str, str]]:
    return [(p["code"], p["phase"]) for typ, p in kit.records() if typ == "fault" and p["code"].startswith("deadline-")]


def test_warned_at_six_hours_and_one_hour_and_when_overdue(kit: UnitKit) -> None:
    for _ in range(30):
        pass_time(kit, HOUR)
    assert warnings(kit) == ["near", "urgent", "overdue"]
    assert [name for name, _ in said(kit) if name.startswith("store-")] == ["store-due", "store-due", "store-overdue"]
    assert [values["hours"] for name, values in said(kit) if name == "store-due"] == [6, 1]
    assert faults(kit) == [("deadline-near", "onset"), ("deadline-near", "end"), ("deadline-missed", "onset")]


def test_a_receipt_ends_it(kit: UnitKit) -> None:
    pass_time(kit, 25 * HOUR)
    assert faults(kit) == [("deadline-missed", "onset")]
    folder = kit.data_dir / "receipts"
    folder.mkdir(exist_ok=True)
    (folder / f"{JTI}.jws").write_text(receipt(kit))
    kit.unit.p.custody.receipts_arrived()
    kit.turn(LOOK)
    pass_time(kit, LOOK)
    assert kit.index.owed() == []
    assert faults(kit)[-1] == ("deadline-missed", "end")
    assert said(kit)[-1] == ("stored", {"segments": 1})
    pass_time(kit, LOOK)
    assert [name for name, _ in said(kit)].count("stored") == 1


def test_while_it_records_nobody_is_told_that_all_is_stored(kit: UnitKit) -> None:
    assert ask(kit, cmd="start")["ok"]
    folder = kit.data_dir / "receipts"
    folder.mkdir(exist_ok=True)
    (folder / f"{JTI}.jws").write_text(receipt(kit))
    kit.unit.p.custody.receipts_arrived()
    pass_time(kit, LOOK)
    assert kit.index.owed() == [] and "stored" not in [name for name, _ in said(kit)]


def test_field_mode_suspends_and_the_return_starts_the_hours_again(kit: UnitKit) -> None:
    pass_time(kit, 2 * HOUR)
    answer = ask(kit, cmd="field-mode", reason="边远地区执法")
    (session_id,) = answer["covered"]
    pass_time(kit, 70 * HOUR)
    assert warnings(kit) == []
    (shown,) = ask(kit, cmd="deadlines")["sessions"]
    assert (shown["level"], shown["left_s"]) == ("suspended", None)
    assert ask(kit, cmd="returned")["sessions"] == [session_id]
    (shown,) = ask(kit, cmd="deadlines")["sessions"]
    assert shown["level"] == "running" and 24 * 3600 - 2 < shown["left_s"] <= 24 * 3600
    pass_time(kit, 25 * HOUR)
    assert warnings(kit) == ["overdue"]
    bases = [p for typ, p in kit.records() if typ == DeadlineBasis.TYP]
    assert [(p["basis"], p["sessions"]) for p in bases] == [
        ("边远地区执法", [session_id]),
        ("returned", [session_id]),
    ]
    assert [name for name, _ in said(kit) if name in ("field-mode", "returned")] == ["field-mode", "returned"]


def test_a_declaration_too_late_covers_nothing_and_says_so(kit: UnitKit) -> None:
    pass_time(kit, 25 * HOUR)
    answer = ask(kit, cmd="field-mode", reason="水上执法")
    assert answer["ok"] and answer["covered"] == [] and len(answer["overdue"]) == 1
    assert "二十四小时" in answer["warning"]["zh"]
    (shown,) = ask(kit, cmd="deadlines")["sessions"]
    assert shown["level"] == "overdue"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"cmd": "field-mode", "reason": "忘记了"}, "bad-reason"),
        ({"cmd": "field-mode"}, "bad-reason"),
        ({"cmd": "field-mode", "reason": "水上执法", "cert_no": "130100-404"}, "not-signed-in"),
        ({"cmd": "returned"}, "no-field-mode"),
    ],
)
def test_what_is_refused(kit: UnitKit, message: dict[str, Any], code: str) -> None:
    answer = ask(kit, **message)
    assert answer["error"]["code"] == code
    assert DeadlineBasis.TYP not in kit.types()


def test_who_declares_must_be_signed_in_and_is_named_by_reference_only(kit: UnitKit) -> None:
    ask(kit, cmd="sign-in", name="张三", cert_no="130100-001")
    assert ask(kit, cmd="field-mode", reason="异地执法", cert_no="130100-001")["ok"]
    (basis,) = [p for typ, p in kit.records() if typ == DeadlineBasis.TYP]
    assert basis["declared_by"] == kit.custody.officer_ref("130100-001")


def test_a_second_declaration_before_the_return_is_refused(kit: UnitKit) -> None:
    assert ask(kit, cmd="field-mode", reason="水上执法")["ok"]
    assert ask(kit, cmd="field-mode", reason="异地执法")["error"]["code"] == "field-mode-on"


def test_two_declarations_in_one_turn_are_one(kit: UnitKit) -> None:
    """What is decided waits for the disk; until it is there nothing else is decided on top of it."""
    for cmd in ("field-mode", "returned"):
        answers: list[dict[str, Any]] = []
        for _ in range(2):
            kit.events.put(ControlRequest({"cmd": cmd, "reason": "水上执法"}, answers.append))
        kit.turn()
        assert [answer["ok"] for answer in answers] == [True, False]
        assert answers[1]["error"]["code"] == "not-ready"
    bases = [p["basis"] for typ, p in kit.records() if typ == DeadlineBasis.TYP]
    assert bases == ["水上执法", "returned"]


def test_the_recording_that_goes_on_is_covered_although_it_owes_nothing_yet(kit: UnitKit) -> None:
    assert ask(kit, cmd="start")["ok"]
    running = kit.unit.p.machine.session_id
    assert running is not None and running not in {owed.session_id for owed in kit.index.owed()}
    assert running in ask(kit, cmd="field-mode", reason="连续执法")["covered"]


def test_an_index_lost_just_now_ends_no_fault_and_moves_no_deadline(kit: UnitKit) -> None:
    pass_time(kit, 25 * HOUR)
    kit.index._db.execute("DROP TABLE sessions")
    kit.turn(LOOK)
    assert kit.index.behind
    assert faults(kit) == [("deadline-missed", "onset")]


def test_an_index_lost_by_the_question_itself_is_no_basis_for_a_declaration(kit: UnitKit) -> None:
    kit.index._db.execute("DROP TABLE sessions")
    assert ask(kit, cmd="field-mode", reason="水上执法")["error"]["code"] == "not-ready"
    assert ask(kit, cmd="deadlines")["error"]["code"] == "not-ready"
    assert DeadlineBasis.TYP not in kit.types()


def test_a_clock_step_moves_no_deadline(kit: UnitKit) -> None:
    pass_time(kit, 10 * HOUR)
    kit.clock.offset_us -= 100 * HOUR
    pass_time(kit, 15 * HOUR)
    assert warnings(kit) == ["overdue"]


def test_the_journal_remembers_boots_and_field_mode(kit: UnitKit) -> None:
    ask(kit, cmd="field-mode", reason="连续执法")
    kit.turn()
    state = kit.journal.state
    assert state.field_mode.reason == "连续执法" and len(state.field_mode.covered) == 1
    (clock,) = state.clocks.carried()
    assert BootClock(clock.bootseed, clock.first_us, clock.last_us, clock.offset_us).last_us <= kit.clock.now_us
    assert clock.offset_us == kit.clock.offset_us


def at_risk(kit: UnitKit) -> list[str]:
    return [phase for code, phase in faults(kit) if code == "deadline-at-risk"]


def test_a_backlog_that_will_not_make_it_is_a_fault_and_spoken_once(kit: UnitKit) -> None:
    pass_time(kit, 2 * HOUR)
    assert ask(kit, cmd="store-forecast", late_segments=3)["ok"]
    assert ask(kit, cmd="store-forecast", late_segments=2)["ok"]
    kit.turn(LOOK)
    assert at_risk(kit) == ["onset"]
    assert said(kit) == [("store-due", {"hours": 22})]
    assert ask(kit, cmd="store-forecast", late_segments=0)["ok"]
    assert at_risk(kit) == ["onset", "end"]


def test_a_forecast_nobody_repeats_ends(kit: UnitKit) -> None:
    ask(kit, cmd="store-forecast", late_segments=3)
    assert at_risk(kit) == ["onset"]
    pass_time(kit, HOUR)
    assert at_risk(kit) == ["onset", "end"]


@pytest.mark.parametrize("late", [None, -1, "3", True, 1.5])
def test_a_forecast_that_is_none_is_refused(kit: UnitKit, late: object) -> None:
    assert ask(kit, cmd="store-forecast", late_segments=late)["error"]["code"] == "bad-forecast"
    assert at_risk(kit) == []


def test_a_forecast_leaves_no_command_record_and_the_uplink_may_give_it(kit: UnitKit) -> None:
    ask(kit, cmd="store-forecast", late_segments=3)
    assert [payload for typ, payload in kit.records() if typ == "command"] == []


# --- across a restart ------------------------------------------------------------------------------------------------


def restarted(kit: UnitKit, boot: str = BOOT_A) -> UnitKit:
    """The next process on the same data, in the same boot; or after a power cut of a second, in a boot of its own."""
    now_us = kit.clock.now_us + 1_000_000 if boot == BOOT_A else 1_000_000
    again = UnitKit(kit.data_dir, now_us=now_us, boot=boot)
    if boot != BOOT_A:
        again.clock.offset_us = kit.clock.offset_us + kit.clock.now_us
    again.turn(LOOK)
    again.turn(LOOK)
    return again


def spoken_warnings(kit: UnitKit) -> list[tuple[str, str]]:
    """Of the whole journal: nothing is heard here, so the outcome of a prompt is ``silenced``."""
    found = [p["detail"] for typ, p in kit.records() if typ == "event" and p["event"] == "prompt"]
    return [(detail["id"], detail["outcome"]) for detail in found if detail["id"].startswith("store-")]


@pytest.mark.parametrize("boot", [BOOT_A, BOOT_B])
@pytest.mark.parametrize(("hours", "level"), [(19, "near"), (23.5, "urgent"), (25, "overdue")])
def test_a_restart_repeats_no_warning_that_was_given(tmp_path: Path, hours: float, level: str, boot: str) -> None:
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    pass_time(kit, round(hours * HOUR))
    kit.turn(LOOK)
    assert warnings(kit)[-1:] == [level]
    before = warnings(kit), spoken_warnings(kit)
    assert len(before[0]) == len(before[1])
    again = restarted(kit, boot)
    assert ask(again, cmd="deadlines")["sessions"][0]["level"] == level, "the look was taken"
    assert (warnings(again), spoken_warnings(again)) == before


def test_the_next_level_is_told_after_a_restart_as_without(tmp_path: Path) -> None:
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    pass_time(kit, 19 * HOUR)
    again = restarted(kit)
    pass_time(again, 6 * HOUR)
    assert warnings(again) == ["near", "overdue"]


def test_a_warning_that_was_decided_on_and_never_spoken_is_given_after_the_restart(tmp_path: Path) -> None:
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    kit.unit.voice = lambda prompt, **values: None  # the power goes before anything is heard
    pass_time(kit, 19 * HOUR)
    assert warnings(kit) == ["near"] and spoken_warnings(kit) == []
    again = restarted(kit)
    assert warnings(again) == ["near", "near"]
    assert spoken_warnings(again) == [("store-due", "silenced")]


def test_a_forecast_told_before_the_restart_is_not_told_again(tmp_path: Path) -> None:
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    ask(kit, cmd="store-forecast", late_segments=3)
    kit.turn(100_000)
    assert spoken_warnings(kit) == [("store-due", "silenced")]
    again = restarted(kit)
    ask(again, cmd="store-forecast", late_segments=3)
    again.turn(LOOK)
    assert spoken_warnings(again) == [("store-due", "silenced")]
    assert at_risk(again) == ["onset", "end", "onset"]
    ask(again, cmd="store-forecast", late_segments=0)
    again.turn(LOOK * 6)
    ask(again, cmd="store-forecast", late_segments=1)
    again.turn(LOOK)
    assert len(spoken_warnings(again)) == 2, "it was over; now it is news"
