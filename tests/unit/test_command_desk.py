"""What the agency commands: done once, answered the same for ever, recorded before its effect, refused with a reason."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hw_sim.agency.certificates import file_signer
from recorder.evidence import jws
from recorder.evidence.command_book import CommandBook
from recorder.evidence.signer import FileSigner
from recorder.unit.assignments import REFUSALS_RECORDED
from recorder.unit.events import ControlRequest
from tests.unit.desk_kit import AGENCY, DeskKit

ALL = ["start", "stop", "mark", "sign-in", "grant", "config", "refetch-receipt", "report-now", "restart"]
SEGMENT = "00000000-0000-4000-8000-0000000000aa"


class Kit(DeskKit):
    def command(
        self, kind: str, signer: FileSigner = AGENCY, changes: dict[str, Any] | None = None, **order: Any
    ) -> str:
        now_s = self.clock.wall_us() / 1e6
        payload: dict[str, Any] = {
            "ver": 1,
            "jti": str(uuid.uuid4()),
            "unit_id": self.config.device.id,
            "iat": now_s,
            "exp": now_s + 600,
            "order": {"kind": kind, **order},
        }
        return jws.sign("command", payload | (changes or {}), signer)

    def commanded(self, kind: str, changes: dict[str, Any] | None = None, **order: Any) -> dict[str, Any]:
        return self.hand_over(self.command(kind, changes=changes, **order))

    def hand_over(self, text: str) -> dict[str, Any]:
        """As the uplink does, which is neither root nor the unit's own user."""
        answers: list[dict[str, Any]] = []
        self.events.put(ControlRequest({"cmd": "agency-command", "command": text}, answers.append, 12345))
        self.turn()
        (answer,) = answers
        return answer

    def results(self) -> list[tuple[str, str, str]]:
        return [(c["name"], c["result"], c["detail"]) for c in self.of("command") if c["source"] == "mqtt"]


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path / "unit", commands={"allow": ALL})


def again(kit: Kit) -> Kit:
    """The next unit process on the same journal."""
    kit.journal.close()
    kit.index.close()
    return Kit(kit.data_dir, commands={"allow": ALL})


def test_a_start_is_the_officers_start_with_the_agency_as_its_cause(kit: Kit) -> None:
    kit.worker_up()
    answer = kit.commanded("start", mode="whole", matter="inspection", item="食品经营检查")
    assert (answer["ok"], answer["result"], answer["kind"]) == (True, "done", "start")
    (start,) = kit.of("session-start")
    assert (start["trigger"], start["mode"], start["matter"]["kind"]) == ("remote", "全程", "行政检查")
    assert kit.results() == [("start", "accepted", ""), ("start", "done", "")]
    types = kit.types()
    assert types.index("command") < types.index("session-start"), "believed before its effect"
    last = kit.of("command")[-1]
    assert answer["seq"] == last["seq"] and answer["command_id"] == last["command_id"]


def test_what_is_readable_of_a_command_names_nobody(kit: Kit) -> None:
    kit.worker_up()
    text = kit.command("start", item="食品经营检查")
    kit.hand_over(text)
    order = kit.of("command")[0]["order"]
    assert order["kid"] == AGENCY.kid and order["signed"]["sealed"] is None, "sealing is off in this kit"
    assert json.loads(order["signed"]["plain"])["value"] == text, "the agency's own line is kept"


def test_a_repeat_has_the_same_answer_and_no_second_effect(kit: Kit) -> None:
    session_id = kit.start()
    text = kit.command("mark", mark="art22-1")
    first = kit.hand_over(text)
    for _ in range(3):
        assert kit.hand_over(text) == first
    assert [(mark["kind"], mark["session_id"]) for mark in kit.of("mark")] == [("art22-1", session_id)]
    assert len(kit.results()) == 2


def test_twice_in_one_turn_is_once(kit: Kit) -> None:
    kit.start()
    text, answers = kit.command("mark"), list[dict[str, Any]]()
    for _ in range(2):
        kit.events.put(ControlRequest({"cmd": "agency-command", "command": text}, answers.append, 12345))
    kit.turn()
    assert len(kit.of("mark")) == 1 and answers[0] == answers[1] and answers[0]["seq"] is not None


def test_a_repeat_after_a_restart_and_after_its_term_has_the_same_answer(kit: Kit) -> None:
    refused = kit.command("mark")
    first = kit.hand_over(refused)
    assert (first["result"], first["code"]) == ("refused", "not-recording")
    done = kit.command("grant", segments=[SEGMENT], until=2e9)
    second = kit.hand_over(done)
    new = again(kit)
    new.clock.now_us += 3_600_000_000
    new.worker_up()
    new.start()
    assert new.hand_over(refused) == first, "it would be possible now, and was refused then"
    assert new.hand_over(done) == second
    assert new.of("mark") == [] and len(new.results()) == 4


def test_what_was_done_under_a_lost_journal_is_not_done_again(kit: Kit, tmp_path: Path) -> None:
    kit.start()
    text = kit.command("mark")
    assert kit.hand_over(text)["result"] == "done"
    fresh = Kit(tmp_path / "card", commands={"allow": ALL})
    fresh.clock.offset_us += 60_000_000
    fresh.start()
    answer = fresh.hand_over(text)
    assert answer["code"] == "command-too-old" and fresh.of("mark") == []
    assert fresh.commanded("mark")["result"] == "done"


def test_one_whose_end_was_lost_is_not_begun_again(kit: Kit) -> None:
    kit.start()
    text = kit.command("mark")
    kit.hand_over(text)
    # The power goes when the first of its records is on the disk: what follows was never written.
    kit.journal.close()
    kit.index.close()
    (*_, file) = sorted((kit.data_dir / "journal").glob("*.jws"))
    lines = file.read_bytes().splitlines(keepends=True)
    records = [jws.split(line.decode().strip()).payload for line in lines]
    begun = next(
        number for number, record in enumerate(records) if record.get("result") == "accepted" and record["order"]
    )
    file.write_bytes(b"".join(lines[: begun + 1]))
    new = Kit(kit.data_dir, commands={"allow": ALL})
    answer = new.hand_over(text)
    assert (answer["ok"], answer["result"], answer["code"]) == (False, "failed", "outcome-unknown")
    assert new.of("mark") == []


@pytest.mark.parametrize(
    ("code", "result", "changes"),
    [
        ("command-unit", "refused", {"unit_id": "zfy-another"}),
        ("command-expired", "expired", {"iat": 1_800_000_001.0, "exp": 1_800_000_001.0001}),
        ("command-too-old", "refused", {"iat": 1_700_000_000.0, "exp": 1_700_000_060.0}),
        ("command-term", "refused", {"exp": 4e9}),
        ("command-early", "refused", {"iat": 1_800_001_000.0, "exp": 1_800_001_060.0}),
        ("command-form", "refused", {"ver": 9}),
    ],
)
def test_what_is_not_for_now_or_not_for_us_is_refused_in_both_languages(
    kit: Kit, code: str, result: str, changes: dict[str, Any]
) -> None:
    kit.start()
    kit.turn(1_000)
    answer = kit.commanded("mark", changes)
    assert (answer["ok"], answer["result"], answer["code"]) == (False, result, code)
    assert answer["zh"] and answer["en"] and answer["error"]["code"] == code
    assert kit.of("mark") == []
    (record,) = [c for c in kit.of("command") if c["source"] == "mqtt"]
    assert (record["result"], record["detail"]) == ("refused", code)


def test_an_agency_that_dates_commands_far_ahead_does_not_shut_itself_out(kit: Kit) -> None:
    kit.start()
    for number in range(CommandBook.MOST + 1):
        ahead = {"iat": 1_800_000_000_000.0 + number, "exp": 1_800_000_600_000.0}  # milliseconds
        assert kit.commanded("mark", ahead)["code"] == "command-early"
    assert kit.commanded("mark")["result"] == "done"


def test_a_forged_one_is_refused_and_a_flood_does_not_fill_the_journal(kit: Kit) -> None:
    stranger = file_signer(ec.generate_private_key(ec.SECP256R1()))
    for _ in range(REFUSALS_RECORDED + 10):
        assert kit.hand_over(kit.command("start", stranger))["code"] == "command-signature"
    assert kit.results() == [("agency-command", "refused", "command-signature")] * REFUSALS_RECORDED
    assert kit.of("session-start") == []


def test_what_is_refused_for_good_stays_refused_after_any_noise(kit: Kit) -> None:
    kit.start()
    text, offset = kit.command("mark"), kit.clock.offset_us
    for _ in range(REFUSALS_RECORDED + 1):
        kit.hand_over("junk")
    kit.clock.offset_us += 3_600_000_000
    refused = kit.hand_over(text)
    assert refused["code"] == "command-expired" and refused["seq"] is not None
    kit.clock.offset_us = offset
    assert kit.hand_over(text) == refused, "the clock was wrong then; what was answered holds"
    assert kit.of("mark") == []


def test_old_commands_again_and_again_do_not_fill_the_journal(kit: Kit) -> None:
    kit.start()
    old = [kit.command("mark", changes={"exp": 4e9}) for _ in range(CommandBook.MOST + 1)]
    for text in old * 3:
        kit.hand_over(text)
    assert len(kit.results()) <= len(old) + REFUSALS_RECORDED


def test_without_a_clock_it_is_refused_and_may_come_again(kit: Kit) -> None:
    kit.start()
    text = kit.command("mark")
    offset, kit.clock.offset_us = kit.clock.offset_us, 0
    assert kit.hand_over(text)["code"] == "clock-not-set"
    kit.clock.offset_us = offset
    assert kit.hand_over(text)["result"] == "done"
    assert len(kit.of("mark")) == 1


def test_what_the_configuration_does_not_accept_is_refused_for_good(tmp_path: Path) -> None:
    kit = Kit(tmp_path / "unit")
    kit.start()
    text = kit.command("stop", reason="执法结束")
    assert kit.hand_over(text)["code"] == "command-not-allowed", "as shipped, nobody stops a recording from afar"
    assert kit.unit.p.machine.session_id is not None
    kit.journal.close()
    kit.index.close()
    willing = Kit(kit.data_dir, commands={"allow": ALL})
    assert willing.hand_over(text)["code"] == "command-not-allowed", "what was refused stays refused"


def test_a_stop_of_a_whole_procedure_needs_a_reason_of_the_agency_too(kit: Kit) -> None:
    session_id = kit.start(mode="whole")
    assert kit.commanded("stop")["code"] == "stop-needs-reason"
    assert kit.commanded("stop", reason="执法结束")["result"] == "done"
    kit.closed(session_id)
    (stop,) = kit.of("session-stop")
    assert (stop["reason"], stop["stated"]["choice"]) == ("remote", "执法结束")


def test_refusals_of_the_unit_itself_are_answered_as_such(kit: Kit) -> None:
    kit.start()
    assert kit.commanded("start")["code"] == "already-recording"
    assert kit.commanded("mark", mark="dance")["code"] == "bad-kind"
    assert kit.commanded("restart")["code"] == "not-supervised"
    assert [result for _, result, _ in kit.results()] == ["accepted", "refused"] * 3


def test_a_sign_in_is_an_assignment(kit: Kit) -> None:
    answer = kit.commanded("sign-in", assignment=kit.assignment(1))
    assert answer["result"] == "done"
    (entry,) = kit.of("officer-sign-in")
    assert entry["method"] == "remote" and entry["assignment_id"] == "00000001-1111-4111-8111-111111111111"
    forged = kit.assignment(2, file_signer(ec.generate_private_key(ec.SECP256R1())))
    refused = kit.commanded("sign-in", assignment=forged)
    assert (refused["result"], refused["code"]) == ("refused", "assignment-signature")
    assert refused["zh"] and refused["en"]


def test_what_the_uplink_has_to_know_stands_readable_in_the_record(kit: Kit) -> None:
    assert kit.commanded("grant", segments=[SEGMENT], until=1_900_000_000.0, metered=True)["result"] == "done"
    order = kit.of("command")[0]["order"]
    assert (order["segments"], order["sessions"], order["until"], order["metered"]) == ([SEGMENT], [], 1.9e9, True)


def test_a_duty_that_raises_is_a_failed_command_and_no_end_of_anything(kit: Kit) -> None:
    def broken(kind: str, message: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("planted")

    kit.start()
    kit.unit.order = broken  # type: ignore[method-assign]  # the duty behind it is another's
    text = kit.command("mark")
    answer = kit.hand_over(text)
    assert (answer["result"], answer["code"]) == ("failed", "internal")
    assert kit.hand_over(text) == answer
    assert kit.unit.p.machine.session_id is not None


def test_more_commands_than_are_remembered_and_none_twice(kit: Kit) -> None:
    kit.start()
    sent = []
    for _ in range(70):
        kit.turn(1_000_000)
        sent.append(kit.command("mark"))
        assert kit.hand_over(sent[-1])["result"] == "done"
    for text in sent:
        kit.hand_over(text)
    assert len(kit.of("mark")) == 70
    assert kit.hand_over(sent[0])["code"] == "command-too-old"
