"""The uplink carries commands: it waits for the unit, keeps order and number, and says what the unit said."""

from __future__ import annotations

from typing import Any

import pytest

from recorder.uplink.commands import MAX_CORRELATION, MAX_TEXT, RETRY_US, WAITING, CommandCarrier
from recorder.uplink.faults import UNIT_AWAY, UplinkFault
from recorder.uplink.mqtt import MessageProperties

DONE = {
    "v": 1,
    "ok": True,
    "command_id": "c",
    "kind": "report-now",
    "result": "done",
    "code": "",
    "zh": "已执行",
    "en": "done",
    "seq": 9,
}


class Unit:
    def __init__(self) -> None:
        self.away = False
        self.answer: dict[str, Any] = dict(DONE)
        self.got: list[str] = []
        self.reports: list[str | None] = []
        self.carried_out: list[str] = []
        self.carrier = CommandCarrier(self._take, self._report, self.carried_out.append)

    def _take(self, text: str) -> dict[str, Any]:
        if self.away:
            raise UplinkFault(UNIT_AWAY, "control.sock")
        self.got.append(text)
        return self.answer

    def _report(self, fault: UplinkFault | None) -> None:
        self.reports.append(None if fault is None else fault.kind.code)

    def arrives(self, msg_id: str, text: str = "a.b.c", **properties: Any) -> None:
        self.carrier.arrived({"msg_id": msg_id, "command": text}, MessageProperties(**properties))


def test_the_answer_is_the_units_and_goes_back_with_its_correlation() -> None:
    unit = Unit()
    unit.arrives("m1", correlation_data=b"c1", response_topic="fleet/v1/another/up/resp")
    (answer,) = unit.carrier.tick(0)
    assert (answer.suffix, answer.correlation_data, answer.retain) == ("up/resp", b"c1", False)
    assert answer.members == {
        "in_reply_to": "m1",
        **{key: value for key, value in DONE.items() if key not in ("v", "ok")},
    }
    assert unit.carried_out == ["report-now"]
    assert unit.carrier.tick(1) == []


def test_what_was_not_carried_out_is_not_the_uplinks_to_finish() -> None:
    unit = Unit()
    unit.answer |= {"ok": False, "result": "refused", "code": "command-not-allowed"}
    unit.arrives("m1")
    (answer,) = unit.carrier.tick(0)
    assert answer.members["result"] == "refused" and unit.carried_out == []


def test_a_unit_of_an_older_version_has_refused() -> None:
    unit = Unit()
    unit.answer = {"v": 1, "ok": False, "error": {"code": "unknown-command", "zh": "没有命令", "en": "no command"}}
    unit.arrives("m1")
    (answer,) = unit.carrier.tick(0)
    assert (answer.members["result"], answer.members["code"]) == ("refused", "unknown-command")


def test_it_waits_for_a_unit_that_is_away_or_too_busy_and_does_not_knock_all_the_time() -> None:
    unit = Unit()
    unit.away = True
    unit.arrives("m1", "one")
    unit.arrives("m2", "two")
    assert unit.carrier.tick(0) == [] and unit.reports == ["unit-away"]
    unit.away = False
    unit.answer = {"v": 1, "ok": False, "error": {"code": "timeout", "zh": "超时", "en": "timeout"}}
    assert unit.carrier.tick(RETRY_US - 1) == []
    assert unit.carrier.tick(RETRY_US) == [] and unit.got == ["one"]
    unit.answer = dict(DONE)
    answers = unit.carrier.tick(2 * RETRY_US)
    assert [answer.members["in_reply_to"] for answer in answers] == ["m1", "m2"] and unit.got == ["one", "one", "two"]
    assert unit.reports[-1] is None


def test_a_repeat_while_it_waits_is_one_and_a_flood_is_bounded() -> None:
    unit = Unit()
    for number in range(WAITING + 5):
        unit.arrives(f"{number}")
        unit.arrives(f"{number}")
    answers = unit.carrier.tick(0)
    assert [answer.members["in_reply_to"] for answer in answers] == [str(number) for number in range(5, WAITING + 5)]


@pytest.mark.parametrize(
    "value",
    [
        {"command": "x"},
        {"msg_id": "", "command": "x"},
        {"msg_id": "m" * 65, "command": "x"},
        {"msg_id": "m"},
        {"msg_id": "m", "command": 7},
        {"msg_id": "m", "command": "x" * (MAX_TEXT + 1)},
    ],
)
def test_what_the_wire_does_not_allow_is_an_error(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Unit().carrier.arrived(value, MessageProperties())


def test_so_is_correlation_data_nobody_would_send() -> None:
    with pytest.raises(ValueError):
        Unit().arrives("m", correlation_data=b"x" * (MAX_CORRELATION + 1))
