"""The uplink carries assignments: it waits for the unit, keeps order and number, and says what the unit said."""

from __future__ import annotations

from typing import Any

import pytest

from recorder.uplink.assignments import MAX_TEXT, RETRY_US, WAITING, AssignmentCarrier
from recorder.uplink.faults import UNIT_AWAY, UplinkFault
from recorder.uplink.mqtt import MessageProperties

PLAIN = MessageProperties()


class Unit:
    def __init__(self) -> None:
        self.away = False
        self.answer: dict[str, Any] = {"ok": True, "officers": 2}
        self.got: list[str] = []
        self.reports: list[str | None] = []
        self.carrier = AssignmentCarrier(self._take, self._report)

    def _take(self, text: str) -> dict[str, Any]:
        if self.away:
            raise UplinkFault(UNIT_AWAY, "control.sock")
        self.got.append(text)
        return self.answer

    def _report(self, fault: UplinkFault | None) -> None:
        self.reports.append(None if fault is None else fault.kind.code)


def test_the_answer_is_the_units() -> None:
    unit = Unit()
    unit.carrier.arrived({"msg_id": "m1", "assignment": "a.b.c"}, PLAIN)
    (answer,) = unit.carrier.tick(0)
    assert answer.suffix == "up/assigned" and not answer.retain
    assert answer.members == {"in_reply_to": "m1", "result": "accepted", "officers": 2}
    unit.answer = {"ok": False, "error": {"code": "assignment-expired", "zh": "指派已过期", "en": "it has expired"}}
    unit.carrier.arrived({"msg_id": "m2", "assignment": "a.b.c"}, PLAIN)
    (answer,) = unit.carrier.tick(0)
    assert answer.members == {
        "in_reply_to": "m2",
        "result": "refused",
        "code": "assignment-expired",
        "zh": "指派已过期",
        "en": "it has expired",
    }
    assert unit.carrier.tick(1) == []


def test_it_waits_for_a_unit_that_is_away_and_does_not_knock_all_the_time() -> None:
    unit = Unit()
    unit.away = True
    unit.carrier.arrived({"msg_id": "m1", "assignment": "one"}, PLAIN)
    unit.carrier.arrived({"msg_id": "m2", "assignment": "two"}, PLAIN)
    assert unit.carrier.tick(0) == [] and unit.reports == ["unit-away"]
    unit.away = False
    assert unit.carrier.tick(RETRY_US - 1) == []
    answers = unit.carrier.tick(RETRY_US)
    assert [answer.members["in_reply_to"] for answer in answers] == ["m1", "m2"] and unit.got == ["one", "two"]
    assert unit.reports[-1] is None


def test_a_repeat_while_it_waits_is_one_and_a_flood_is_bounded() -> None:
    unit = Unit()
    for number in range(WAITING + 5):
        unit.carrier.arrived({"msg_id": f"{number}", "assignment": "x"}, PLAIN)
        unit.carrier.arrived({"msg_id": f"{number}", "assignment": "x"}, PLAIN)
    answers = unit.carrier.tick(0)
    assert [answer.members["in_reply_to"] for answer in answers] == [str(number) for number in range(5, WAITING + 5)]


@pytest.mark.parametrize(
    "value",
    [
        {"assignment": "x"},
        {"msg_id": "", "assignment": "x"},
        {"msg_id": "m" * 65, "assignment": "x"},
        {"msg_id": "m"},
        {"msg_id": "m", "assignment": 7},
        {"msg_id": "m", "assignment": "x" * (MAX_TEXT + 1)},
    ],
)
def test_what_the_wire_does_not_allow_is_an_error(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Unit().carrier.arrived(value, PLAIN)
