"""The unit process's loop: order of signing and acknowledging, disks that refuse, workers that die, commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from recorder.channel import messages
from recorder.channel.exits import EXIT_INCOMPLETE
from recorder.unit.assignments import REFUSALS_RECORDED
from recorder.unit.duties.officer_desk import OfficerDesk
from recorder.unit.events import (
    ButtonEdge,
    ControlRequest,
    Shutdown,
    WorkerConnected,
    WorkerDisconnected,
    WorkerExited,
)
from recorder.unit.officers import Officer, Officers
from tests.unit.unit_kit import SEGMENT, UnitKit


@pytest.fixture
def kit(tmp_path: Path) -> UnitKit:
    return UnitKit(tmp_path / "unit")


def press(kit: UnitKit, button: str, hold_us: int = 100_000) -> None:
    kit.events.put(ButtonEdge(button, True, kit.clock.now_us))
    kit.turn(hold_us)
    kit.events.put(ButtonEdge(button, False, kit.clock.now_us))
    kit.turn(100_000)


def record(kit: UnitKit) -> str:
    """Worker up, record pressed, first segment open; returns the session id."""
    kit.worker_up()
    press(kit, "record")
    session_id = kit.unit.p.machine.session_id
    assert session_id is not None
    kit.say(kit.opened(1, session_id))
    kit.turn()
    return session_id


def ask(kit: UnitKit, **message: Any) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []
    kit.events.put(ControlRequest(message, answers.append))
    kit.turn()
    (answer,) = answers
    return answer


def test_a_press_records_the_session_before_the_worker_is_told(kit: UnitKit) -> None:
    kit.worker_up()
    kit.files.refuse = True
    press(kit, "record")
    assert kit.link.of(messages.Start) == []
    kit.files.refuse = False
    kit.turn()
    (start,) = kit.link.of(messages.Start)
    assert start.session_id == kit.unit.p.machine.session_id
    assert "session-start" in kit.types()


def test_what_was_ended_while_the_journal_was_refused_does_not_begin(kit: UnitKit) -> None:
    """The session is over in the journal: a worker told of it now would record outside of it, with nothing between."""
    kit.worker_up()
    kit.files.refuse = True
    press(kit, "record")
    kit.events.put(WorkerExited("cam0", 1, -9))
    kit.events.put(WorkerDisconnected("cam0", "closed"))
    kit.turn()
    press(kit, "record", hold_us=1_600_000)
    kit.turn(100_000)
    assert kit.unit.p.machine.session_id is None, "without a worker there is nothing to wait for"
    kit.files.refuse = False
    kit.turn()
    assert kit.types().count("session-stop") == 1
    assert kit.link.of(messages.Start) == []


def test_an_entry_is_acknowledged_only_after_its_head_is_on_disk(kit: UnitKit) -> None:
    record(kit)
    kit.say(kit.entry(1, 0))
    kit.turn()
    assert kit.acked() == 1
    kit.files.refuse = True
    kit.turn(600_000)
    assert kit.acked() == 1
    kit.files.refuse = False
    kit.turn()
    assert kit.acked() == 2
    heads = [payload for typ, payload in kit.records() if typ == "head"]
    assert [(head["first"], len(head["entries"])) for head in heads] == [(0, 1)]


def test_media_that_waits_for_its_signature_is_no_gap(kit: UnitKit) -> None:
    """The worker gave a file up after a failed write and reports the next: what was durable in the first comes before."""
    session_id = record(kit)
    kit.say(kit.entry(1, 0))
    kit.turn(600_000)
    kit.clock.now_us += 3_000_000
    kit.say(kit.entry(1, 1))
    kit.say(
        messages.FaultReport(
            camera_id="cam0",
            at_us=kit.clock.now_us,
            n=kit.next_n(),
            code="storage-fault",
            phase="onset",
            component="cam0",
            evidence={},
        )
    )
    kit.say(kit.opened(2, session_id))
    kit.turn()
    assert [typ for typ in kit.types() if typ in ("interruption", "resumption")] == []


def test_a_refusing_disk_is_one_fault_from_onset_to_end(kit: UnitKit) -> None:
    record(kit)
    kit.files.refuse = True
    for _ in range(3):
        kit.say(kit.entry(1, 0)) if not kit.camera.heads.due_us() else None
        kit.turn(600_000)
    kit.files.refuse = False
    kit.turn()
    kit.turn()
    faults = [payload for typ, payload in kit.records() if typ == "fault" and payload["component"] == "journal"]
    assert [fault["phase"] for fault in faults] == ["onset", "end"]
    assert len({fault["fault_id"] for fault in faults}) == 1


def test_a_dead_worker_is_a_gap_with_its_cause_and_the_next_one_resumes(kit: UnitKit) -> None:
    session_id = record(kit)
    kit.say(kit.entry(1, 0))
    folder = kit.data_dir / "segments" / session_id
    folder.mkdir(parents=True)
    (folder / f"{SEGMENT.format(1)}.mp4").write_bytes(bytes(65536 + 100))
    kit.events.put(WorkerExited("cam0", 1, -9))
    kit.turn()
    assert "interruption" not in kit.types(), "what the dead worker still said has to be read first"
    kit.events.put(WorkerDisconnected("cam0", "closed"))
    kit.turn()
    kinds = kit.types()
    assert kinds.index("head") < kinds.index("recovery") < kinds.index("interruption")
    recovery = next(payload for typ, payload in kit.records() if typ == "recovery")
    assert (recovery["kept_bytes"], recovery["torn_bytes"], recovery["signed_entries"]) == (65536, 100, 1)
    gap = next(payload for typ, payload in kit.records() if typ == "interruption")
    assert gap["cause"] == "worker-crash"
    kit.turn(200_000)
    assert kit.launcher.launched == ["cam0", "cam0"]
    kit.worker_up()
    opened = kit.opened(2, session_id)
    kit.say(opened)
    kit.say(kit.entry(2, 0))
    kit.turn()
    assert "resumption" not in kit.types(), "a file and its first entry hold no media"
    kit.clock.now_us += 20_000
    kit.say(kit.entry(2, 1))
    kit.turn()
    resumption = next(payload for typ, payload in kit.records() if typ == "resumption")
    assert (resumption["gap_id"], resumption["to_us"]) == (gap["gap_id"], opened.media_start_us)
    kinds = kit.types()
    assert kinds.index("resumption") == len(kinds) - 1 - kinds[::-1].index("head") - 1, "signed at once, gap first"


def ends_without_closing(kit: UnitKit, *faults: str) -> list[str]:
    """The worker reports ``faults``, the officer stops, the worker gives the session up; codes of all faults written."""
    record(kit)
    for code in faults:
        kit.say(
            messages.FaultReport(
                camera_id="cam0", at_us=1, n=kit.next_n(), code=code, phase="onset", component="cam0", evidence={}
            )
        )
    kit.turn()
    press(kit, "record", hold_us=2_000_000)
    kit.events.put(WorkerExited("cam0", 1, EXIT_INCOMPLETE))
    kit.events.put(WorkerDisconnected("cam0", "closed"))
    kit.turn()
    assert "session-stop" in kit.types()
    return [payload["code"] for typ, payload in kit.records() if typ == "fault" and payload["component"] == "cam0"]


def test_a_worker_that_cannot_close_without_its_camera_has_not_crashed(kit: UnitKit) -> None:
    """Unplugged in the middle and never back: there is nothing to close the last segment with, and the reason is known."""
    assert "worker-crash" not in ends_without_closing(kit, "camera-unplugged")


def test_a_worker_that_cannot_close_for_no_reason_known_has(kit: UnitKit) -> None:
    assert "worker-crash" in ends_without_closing(kit, "gnss-lost")


def test_what_a_new_worker_reports_before_its_first_frame_is_its_own_fault(kit: UnitKit) -> None:
    """Its first progress ends the last worker's faults and nothing else: a microphone it could not open stays broken."""

    def faults() -> list[tuple[str, str]]:
        return [(p["code"], p["phase"]) for typ, p in kit.records() if typ == "fault" and p["component"] == "cam0"]

    def report(code: str) -> None:
        kit.say(
            messages.FaultReport(
                camera_id="cam0", at_us=1, n=kit.next_n(), code=code, phase="onset", component="x", evidence={}
            )
        )

    kit.worker_up()
    report("watermark-fault")
    report("microphone-fault")
    kit.turn()
    kit.events.put(WorkerExited("cam0", 1, -9))
    kit.events.put(WorkerDisconnected("cam0", "closed"))
    kit.turn()
    kit.turn(2_000_000)
    kit._n = 0
    kit.events.put(WorkerConnected("cam0", 2))
    report("microphone-fault")
    report("sealing-fault")
    kit.turn()
    kit.progress(frames=1)
    kit.turn()
    ended = [code for code, phase in faults() if phase == "end"]
    assert sorted(ended) == ["watermark-fault", "worker-crash"]
    assert {code for code, _ in faults()} - set(ended) == {"microphone-fault", "sealing-fault"}


def cam0_faults(kit: UnitKit) -> list[tuple[str, str]]:
    return [(p["code"], p["phase"]) for typ, p in kit.records() if typ == "fault" and p["component"] == "cam0"]


def test_a_late_start_is_its_own_fact_and_neither_kill_nor_crash(kit: UnitKit) -> None:
    kit.turn()
    for _ in range(12):
        kit.turn(500_000)
    assert cam0_faults(kit) == [("worker-late", "onset")]
    kit.worker_up()
    assert cam0_faults(kit) == [("worker-late", "onset"), ("worker-late", "end")]
    assert kit.launcher.killed == [] and kit.launcher.launched == ["cam0"]
    onset, end = (p for typ, p in kit.records() if typ == "fault" and p["component"] == "cam0")
    assert onset["evidence"]["threshold_us"] == 5_000_000
    assert end["evidence"]["to_us"] - end["evidence"]["from_us"] >= 6_000_000


def test_a_worker_that_never_connects_is_replaced_and_the_gap_says_so(kit: UnitKit) -> None:
    record(kit)
    kit.events.put(WorkerExited("cam0", 1, -9))
    kit.events.put(WorkerDisconnected("cam0", "closed"))
    for _ in range(24):
        kit.turn(500_000)
    assert kit.launcher.killed == ["cam0"], "one that has worked gets start_timeout_s"
    assert cam0_faults(kit) == [("worker-crash", "onset"), ("worker-late", "onset")], "the crash is the one that was"
    assert [p["cause"] for typ, p in kit.records() if typ == "interruption"] == ["worker-crash"]


def test_a_worker_that_ends_while_it_starts_has_crashed(kit: UnitKit) -> None:
    kit.turn()
    kit.turn(500_000)
    kit.events.put(WorkerExited("cam0", 1, 1))
    kit.turn()
    assert cam0_faults(kit) == [("worker-crash", "onset")]


def test_a_worker_without_frames_is_killed(kit: UnitKit) -> None:
    kit.worker_up()
    for _ in range(30):
        kit.turn(100_000)
    assert "cam0" in kit.launcher.killed


def test_an_entry_out_of_order_ends_the_worker(kit: UnitKit) -> None:
    record(kit)
    kit.say(kit.entry(1, 3))
    kit.turn()
    assert kit.launcher.killed == ["cam0"]


def test_a_repeated_report_changes_nothing(kit: UnitKit) -> None:
    session_id = record(kit)
    repeated = replace(kit.opened(1, session_id), n=1)
    kit.say(repeated)
    kit.turn()
    assert kit.types().count("segment-open") == 1


def test_a_short_press_does_not_stop_and_a_long_one_does(kit: UnitKit) -> None:
    record(kit)
    press(kit, "record", hold_us=200_000)
    assert kit.link.of(messages.Stop) == []
    press(kit, "record", hold_us=1_600_000)
    assert len(kit.link.of(messages.Stop)) == 1


def test_power_off_in_standby_ends_the_shift(kit: UnitKit) -> None:
    kit.events.put(Shutdown())
    kit.turn(1_000_000)
    assert kit.unit.finished
    assert kit.types()[-2:] == ["standby", "shift-end"]


def test_officers_sign_in_and_out_sealed_and_counted(kit: UnitKit) -> None:
    first = ask(kit, cmd="sign-in", name="张三", cert_no="130100-001")
    assert first["officers"] == 1
    assert "第二名" in first["warning"]["zh"]
    assert ask(kit, cmd="sign-in", name="李四", cert_no="130100-002")["officers"] == 2
    refused = ask(kit, cmd="sign-in", name="王五", cert_no="130100-002")
    assert refused["error"]["code"] == "already-signed-in"
    assert ask(kit, cmd="sign-out", cert_no="130100-001")["officers"] == 1
    assert ask(kit, cmd="sign-out", cert_no="130100-009")["error"]["code"] == "not-signed-in"
    signed = [payload for typ, payload in kit.records() if typ == "officer-sign-in"]
    assert [payload["count"] for payload in signed] == [1, 2]
    commands = [payload["result"] for typ, payload in kit.records() if typ == "command"]
    assert commands == ["accepted", "accepted", "refused", "accepted", "refused"]


def test_officers_whose_names_a_power_cut_took_are_signed_out_on_record(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path)
    ask(kit, cmd="sign-in", name="张三", cert_no="130100-001")
    ask(kit, cmd="sign-in", name="李四", cert_no="130100-002")
    (tmp_path / "run" / "officers.json").unlink()  # the run folder is memory
    again = UnitKit(tmp_path)
    signed_in = {p["officer_ref"]: p["shift_id"] for typ, p in again.records() if typ == "officer-sign-in"}
    signed_out = [p for typ, p in again.records() if typ == "officer-sign-out"]
    assert {p["officer_ref"]: p["shift_id"] for p in signed_out} == signed_in and len(signed_in) == 2
    assert [(p["count"], p["cause"]) for p in signed_out] == [(1, "restart"), (0, "restart")]
    assert again.unit.p.officers.count == 0 == len(again.journal.state.officers)


def test_a_crash_of_the_process_alone_signs_nobody_out(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path)
    ask(kit, cmd="sign-in", name="张三", cert_no="130100-001")
    before = kit.journal.state.copy()
    kit.unit.p.officers.sign_in(Officer("王五", "130100-003"))  # in the file, and then the process died
    desk = OfficerDesk(kit.unit)
    desk.started(before)
    kit.turn()
    assert kit.types().count("officer-sign-out") == 0
    assert kit.unit.p.officers.certificate_numbers == ("130100-001",), "what was not confirmed is not known either"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"cmd": "format-card"}, "unknown-command"),
        ({"cmd": "delete"}, "unknown-command"),
        ({"cmd": "stop"}, "not-recording"),
        ({"cmd": "mark"}, "not-recording"),
        ({"cmd": "sign-in", "name": "", "cert_no": "1"}, "bad-officer"),
        ({"cmd": "sign-in", "name": "张三", "cert_no": 7}, "bad-officer"),
    ],
)
def test_refusals_name_their_reason_in_both_languages(kit: UnitKit, message: dict[str, Any], code: str) -> None:
    answer = ask(kit, **message)
    assert not answer["ok"]
    assert answer["error"]["code"] == code
    assert answer["error"]["zh"]
    assert answer["error"]["en"]


UPLINK = os.getuid() + 642


def ask_as(kit: UnitKit, uid: int, **message: Any) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []
    kit.events.put(ControlRequest(message, answers.append, uid))
    kit.turn()
    (answer,) = answers
    return answer


@pytest.mark.parametrize(
    "name", ["start", "stop", "stealth", "sign-in", "sign-out", "scan", "reload", "mark", "returned"]
)
def test_the_uplink_gives_no_orders(kit: UnitKit, name: str) -> None:
    session_id = record(kit)
    answer = ask_as(kit, UPLINK, cmd=name)
    assert answer["error"]["code"] == "not-permitted" and answer["error"]["zh"] and answer["error"]["en"]
    assert kit.unit.p.machine.session_id == session_id
    said = [payload for typ, payload in kit.records() if typ == "command"][-1]
    assert (said["source"], said["name"], said["result"], said["detail"]) == (
        "uplink",
        name,
        "refused",
        "not-permitted",
    )


def test_what_the_uplink_is_refused_does_not_fill_the_journal(kit: UnitKit) -> None:
    for _ in range(REFUSALS_RECORDED + 10):
        assert ask_as(kit, UPLINK, cmd="stop")["error"]["code"] == "not-permitted"
    said = [payload["detail"] for typ, payload in kit.records() if typ == "command"]
    assert said == ["not-permitted"] * REFUSALS_RECORDED


def test_the_uplink_may_ask_and_hand_over_what_is_signed(kit: UnitKit) -> None:
    for name in ("status", "gaps", "deadlines", "checklist"):
        assert ask_as(kit, UPLINK, cmd=name)["ok"]
    for message in ({"cmd": "receipt", "receipt_id": "no-such"}, {"cmd": "assign", "assignment": "nonsense"}):
        assert ask_as(kit, UPLINK, **message).get("error", {}).get("code") != "not-permitted"


@pytest.mark.parametrize("uid", [0, os.getuid()])
def test_root_and_the_units_own_user_may_give_every_command(kit: UnitKit, uid: int) -> None:
    kit.worker_up()
    assert ask_as(kit, uid, cmd="start")["ok"]
    assert [payload["source"] for typ, payload in kit.records() if typ == "command"] == ["control-socket"]


def test_start_and_stop_by_command(kit: UnitKit) -> None:
    kit.worker_up()
    assert ask(kit, cmd="start")["ok"]
    assert ask(kit, cmd="start")["error"]["code"] == "already-recording"
    assert ask(kit, cmd="stop")["ok"]


def test_a_command_is_confirmed_when_its_record_is_durable(kit: UnitKit) -> None:
    record(kit)
    answers: list[dict[str, Any]] = []
    kit.files.refuse = True
    kit.events.put(ControlRequest({"cmd": "mark"}, answers.append))
    kit.turn()
    assert answers == []
    kit.events.put(ControlRequest({"cmd": "status"}, answers.append))
    kit.turn()
    assert [answer["ok"] for answer in answers] == [True], "asking how it is must work while the disk refuses"
    kit.files.refuse = False
    kit.turn()
    assert [answer["ok"] for answer in answers] == [True, True]
    assert "mark" in kit.types()


def test_the_next_shift_does_not_begin_with_the_officers_of_the_last(kit: UnitKit) -> None:
    ask(kit, cmd="sign-in", name="张三", cert_no="130100-001")
    kit.events.put(Shutdown())
    kit.turn(1_000_000)
    assert kit.unit.finished
    again = Officers(kit.data_dir / "run" / "officers.json", kit.files)
    assert again.count == 0


def test_a_segment_is_recovered_once_the_disk_takes_its_last_heads(kit: UnitKit) -> None:
    """Worker dead and journal refused at once, as on a full card: what was signed is known only afterwards."""
    session_id = record(kit)
    folder = kit.data_dir / "segments" / session_id
    folder.mkdir(parents=True)
    (folder / f"{SEGMENT.format(1)}.mp4").write_bytes(bytes(65536 + 100))
    kit.files.refuse = True
    kit.say(kit.entry(1, 0))
    kit.events.put(WorkerExited("cam0", 1, -9))
    kit.events.put(WorkerDisconnected("cam0", "closed"))
    kit.turn()
    kit.files.refuse = False
    kit.turn()
    kit.turn()
    (recovery,) = [payload for typ, payload in kit.records() if typ == "recovery"]
    assert (recovery["camera_id"], recovery["signed_entries"], recovery["torn_bytes"]) == ("cam0", 1, 100)


def full_card(kit: UnitKit, phase: str = "onset") -> None:
    kit.say(
        messages.FaultReport(
            camera_id="cam0",
            at_us=kit.clock.now_us,
            n=kit.next_n(),
            code="storage-full",
            phase="onset" if phase == "onset" else "end",
            component="cam0",
            evidence={},
        )
    )


def frames_without_entries(kit: UnitKit, seconds: float, first: int) -> None:
    for number in range(round(seconds * 10)):
        kit.progress(frames=first + number, recording=True)
        kit.turn(100_000)


def test_a_worker_that_waits_for_room_is_killed_once_for_the_gap_and_not_again(kit: UnitKit) -> None:
    """Each kill costs records: a loop of them would fill the room that is kept for the journal, within a day."""
    session_id = record(kit)
    folder = kit.data_dir / "segments" / session_id
    folder.mkdir(parents=True)
    (folder / f"{SEGMENT.format(1)}.mp4").write_bytes(bytes(65536))
    full_card(kit)
    frames_without_entries(kit, 4.0, 10)
    assert kit.launcher.killed == ["cam0"], "the officer is told by the gap, not by a lamp alone"
    kit.events.put(WorkerExited("cam0", 1, -9))
    kit.events.put(WorkerDisconnected("cam0", "closed"))
    kit.turn(500_000)
    (gap,) = [payload for typ, payload in kit.records() if typ == "interruption"]
    assert gap["cause"] == "storage-full", "not what the kill was for, but what the worker said of it"
    kit._n = 0
    kit.turn(200_000)
    kit.worker_up()
    full_card(kit)
    kit.turn()
    before = len(kit.types())
    frames_without_entries(kit, 60.0, 10)
    assert kit.launcher.killed == ["cam0"]
    assert len(kit.types()) - before < 5
    full_card(kit, "end")
    kit.say(kit.opened(2, session_id))
    kit.clock.now_us += 20_000
    kit.say(kit.entry(2, 0))
    kit.turn()
    assert "resumption" in kit.types()


def test_with_room_again_a_worker_that_writes_nothing_is_judged_as_ever(kit: UnitKit) -> None:
    session_id = record(kit)
    full_card(kit)
    frames_without_entries(kit, 1.0, 10)
    full_card(kit, "end")
    assert session_id
    frames_without_entries(kit, 4.0, 100)
    assert kit.launcher.killed == ["cam0"]


def test_the_alarm_for_a_full_card_comes_no_later_than_the_worker_stops(kit: UnitKit) -> None:
    """The worker counts the reserve as the unit does: else one would still see room where the other writes no more."""
    reserve = kit.config.storage.reserve_mb * 1_000_000
    kit.custody.free_bytes = reserve - 1
    assert kit.custody.reserve_is_short()
    kit.custody.free_bytes = reserve
    assert not kit.custody.reserve_is_short()
