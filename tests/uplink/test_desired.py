"""The desired configuration is carried to the unit and what the unit reports is carried back; nothing is believed here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recorder.uplink.desired import MAX_TEXT, REPEAT_US, RETRY_US, DesiredCarrier
from recorder.uplink.faults import UNIT_AWAY, UplinkFault
from recorder.uplink.mqtt import MessageProperties
from recorder.uplink.unit_health import configuration

NONE = MessageProperties()


class Unit:
    def __init__(self) -> None:
        self.away = False
        self.got: list[str] = []
        self.reports: list[str | None] = []
        self.reported: dict[str, Any] | None = None
        self.carrier = DesiredCarrier(self._take, self._report, lambda: self.reported)

    def _take(self, text: str) -> dict[str, Any]:
        if self.away:
            raise UplinkFault(UNIT_AWAY, "control.sock")
        self.got.append(text)
        return {"ok": False, "error": {"code": "desired-replayed"}}

    def _report(self, fault: UplinkFault | None) -> None:
        self.reports.append(None if fault is None else fault.kind.code)


def test_it_is_handed_over_once_whatever_the_unit_says_to_it() -> None:
    unit = Unit()
    unit.carrier.arrived({"desired": "a.b.c"}, NONE)
    assert unit.carrier.tick(0) == [] and unit.carrier.tick(1) == []
    assert unit.got == ["a.b.c"] and unit.reports == [None]


def test_while_the_unit_is_away_the_newest_waits() -> None:
    unit = Unit()
    unit.away = True
    unit.carrier.arrived({"desired": "one"}, NONE)
    unit.carrier.tick(0)
    unit.away = False
    unit.carrier.tick(RETRY_US - 1)
    assert unit.got == [] and unit.reports == ["unit-away"]
    unit.carrier.arrived({"desired": "two"}, NONE)
    unit.carrier.tick(RETRY_US - 1)
    assert unit.got == ["two"]


def test_what_is_reported_goes_up_retained_when_it_changes_and_with_every_connection() -> None:
    unit = Unit()
    assert unit.carrier.tick(0) == []
    unit.reported = {"version": 1, "state": "pending"}
    (answer,) = unit.carrier.tick(1)
    assert (answer.suffix, answer.members, answer.retain) == ("up/reported", unit.reported, True)
    assert unit.carrier.tick(2) == []
    unit.reported = {"version": 1, "state": "applied"}
    assert len(unit.carrier.tick(3)) == 1 and unit.carrier.tick(4) == []
    unit.carrier.connected()
    assert len(unit.carrier.tick(5)) == 1 and unit.carrier.tick(6) == []
    assert unit.carrier.tick(5 + REPEAT_US - 1) == [] and len(unit.carrier.tick(5 + REPEAT_US)) == 1


@pytest.mark.parametrize("value", [{}, {"desired": 5}, {"desired": ""}, {"desired": "x" * (MAX_TEXT + 1)}])
def test_what_is_none(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="desired"):
        Unit().carrier.arrived(value, NONE)


def test_the_last_word_of_the_unit_counts(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    assert configuration(file) == {}
    file.write_text(json.dumps({"config": {"remote": None}}))
    assert configuration(file) == {"remote": None}
    for nonsense in ("[]", "{", '{"config": 5}'):
        file.write_text(nonsense)
        assert configuration(file) == {}
