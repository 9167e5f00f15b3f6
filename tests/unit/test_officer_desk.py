"""Signing in by three ways, the windows in which the lens is watched, and what follows from too few officers."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hw_sim.agency.certificates import file_signer
from recorder.channel import messages
from recorder.evidence.personal import open_field
from recorder.evidence.records import AgencyLine
from recorder.unit.assignments import REFUSALS_RECORDED
from tests.unit.desk_kit import AGENCY, DeskKit


@pytest.fixture
def kit(tmp_path: Path) -> DeskKit:
    return DeskKit(tmp_path / "unit")


def looks(kit: DeskKit) -> list[int]:
    sent: list[messages.Look] = kit.link.of(messages.Look)
    return [look.until_us for look in sent]


def test_a_code_signs_in_once_however_long_it_is_shown(kit: DeskKit) -> None:
    kit.worker_up()
    code = kit.assignment(1)
    for _ in range(3):
        kit.show(code)
    (entry,) = kit.of("officer-sign-in")
    assert (entry["method"], entry["count"]) == ("qr", 1)
    (command,) = kit.of("command")
    assert (command["source"], command["result"]) == ("qr", "accepted")
    assert command["command_id"] == entry["assignment_id"]
    assert kit.prompts()[-2:] == ["signed-in-by-code", "one-officer"]
    line = AgencyLine.model_validate(command["agency_line"])
    assert (line.kid, open_field(line.signed, ())) == (AGENCY.kid, code), "what the agency signed, for whoever verifies"
    types = kit.types()
    assert types.index("command") < types.index("officer-sign-in"), "what is referred to stands before"


def test_a_self_made_code_is_refused_and_every_other_code_is_ignored(kit: DeskKit) -> None:
    kit.worker_up()
    kit.show("https://example.org/menu")
    assert kit.of("command") == []
    kit.show(kit.assignment(1, file_signer(ec.generate_private_key(ec.SECP256R1()))))
    (command,) = kit.of("command")
    assert (command["result"], command["detail"]) == ("refused", "assignment-signature")
    assert command["agency_line"] is None
    assert kit.unit.p.officers.count == 0
    assert kit.prompts()[-1] == "code-unreadable"


def test_whoever_holds_up_code_after_code_does_not_fill_the_journal(kit: DeskKit) -> None:
    kit.worker_up()
    stranger = file_signer(ec.generate_private_key(ec.SECP256R1()))
    for number in range(REFUSALS_RECORDED + 10):
        kit.show(kit.assignment(number, stranger))
    assert len(kit.of("command")) == REFUSALS_RECORDED


def test_an_assignment_from_afar_is_answered_and_never_taken_twice(kit: DeskKit) -> None:
    text = kit.assignment(1)
    first = kit.ask("assign", assignment=text)
    assert first["ok"] and first["officers"] == 1 and first["warning"]["code"] == "one-officer"
    assert kit.ask("assign", assignment=text)["repeated"] is True
    kit.ask("sign-out", cert_no="1301-1")
    replayed = kit.ask("assign", assignment=text)
    assert replayed["error"]["code"] == "assignment-replayed"
    assert [(c["source"], c["name"], c["result"]) for c in kit.of("command")] == [
        ("mqtt", "assign", "accepted"),
        ("control-socket", "sign-out", "accepted"),
        ("mqtt", "assign", "refused"),
    ]
    assert kit.of("officer-sign-in")[0]["method"] == "remote"


def test_a_used_assignment_is_remembered_over_a_restart(tmp_path: Path) -> None:
    kit = DeskKit(tmp_path / "unit")
    text = kit.assignment(1)
    assert kit.ask("assign", assignment=text)["ok"]
    kit.ask("shift", action="end")
    kit.journal.close()
    again = DeskKit(tmp_path / "unit")
    again.turn()
    assert again.ask("assign", assignment=text)["error"]["code"] == "assignment-replayed"


def test_without_the_agencys_key_nobody_is_believed(kit: DeskKit) -> None:
    (kit.data_dir / "trust" / "command-key.pem").unlink()
    assert kit.ask("assign", assignment=kit.assignment(1))["error"]["code"] == "assignment-key-missing"
    assert kit.ask("sign-in", name="typed", cert_no="7")["ok"], "the other way is open"


def test_a_clock_that_is_not_set_is_told(kit: DeskKit) -> None:
    text = kit.assignment(1)
    kit.clock.offset_us = 0
    assert kit.ask("assign", assignment=text)["error"]["code"] == "clock-not-set"


def test_the_lens_is_watched_from_the_start_of_the_shift_until_two_are_signed_in(kit: DeskKit) -> None:
    kit.worker_up()
    assert looks(kit) and looks(kit)[-1] > kit.clock.now_us, "a worker that comes later is told, too"
    kit.ask("sign-in", name="a", cert_no="1")
    kit.ask("sign-in", name="b", cert_no="2")
    assert looks(kit)[-1] == 0


def test_a_press_of_mark_in_standby_opens_a_window_and_marks_nothing(kit: DeskKit) -> None:
    kit.worker_up()
    kit.ask("sign-in", name="a", cert_no="1")
    kit.ask("sign-in", name="b", cert_no="2")
    kit.press("mark")
    assert looks(kit)[-1] > kit.clock.now_us
    assert kit.of("mark") == []


def test_no_window_when_codes_are_switched_off(tmp_path: Path) -> None:
    kit = DeskKit(tmp_path / "unit", officers={"look_s": 0})
    kit.worker_up()
    assert kit.ask("scan")["error"]["code"] == "look-off"
    assert looks(kit) == []


def test_nobody_signed_in_keeps_recording_and_is_a_fault_until_somebody_is(kit: DeskKit) -> None:
    kit.start()
    assert "no-officer" in kit.prompts()
    kit.turn(300_000)
    assert kit.unit.p.machine.session_id is not None
    assert "no-officer" in kit.unit.p.faults.present()
    kit.ask("sign-in", name="a", cert_no="1")
    kit.turn(300_000)
    phases = [fault["phase"] for fault in kit.of("fault") if fault["code"] == "no-officer"]
    assert phases == ["onset", "end"]
    assert kit.prompts()[-1] == "one-officer"
    kit.ask("sign-in", name="b", cert_no="2")
    assert kit.prompts()[-1] == "signed-in"


def test_shifts_by_command(kit: DeskKit) -> None:
    kit.worker_up()
    assert kit.ask("shift", action="start")["error"]["code"] == "shift-open"
    kit.start()
    assert kit.ask("shift", action="end")["error"]["code"] == "recording"
    assert kit.ask("shift", action="pause")["error"]["code"] == "bad-action"
    assert [payload["trigger"] for payload in kit.of("shift-start")] == ["auto"]


def test_a_new_shift_is_one_nobody_is_signed_in_to(kit: DeskKit) -> None:
    kit.ask("sign-in", name="a", cert_no="1")
    assert kit.ask("shift", action="end")["ok"]
    assert kit.ask("sign-in", name="b", cert_no="2")["error"]["code"] == "no-shift"
    assert kit.ask("shift", action="start")["ok"]
    assert kit.unit.p.officers.count == 0
    assert [payload["trigger"] for payload in kit.of("shift-start")] == ["auto", "officer"]
