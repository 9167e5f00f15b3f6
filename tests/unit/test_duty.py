"""What the loop promises its duties, and what a duty that breaks may cost: a fault, never the recording."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from recorder.config.models import RecorderConfig
from recorder.evidence.records import Event, Mark, Record, SessionStart
from recorder.evidence.state import JournalState
from recorder.unit.duty import CALLS, Answer, Command, Duty, overrides
from recorder.unit.events import UnitEvent
from tests.unit.test_process import ask, press
from tests.unit.unit_kit import WITHOUT_WATCH, UnitKit


class Witness(Duty):
    """Writes a record about every mark it sees; keeps all it saw."""

    name = "witness"
    read_only: ClassVar[frozenset[str]] = frozenset({"look"})

    def __init__(self, services: Any) -> None:
        super().__init__(services)
        self.seen: list[Record] = []
        self.takes = ""
        services.witness = self

    def commands(self) -> Mapping[str, Command]:
        return {"look": self._look}

    def observe(self, record: Record) -> None:
        self.seen.append(record)
        if isinstance(record, Mark):
            self._unit.write(Event(event="mark-seen", at_us=self._unit.now_us(), detail={}))

    def gesture(self, name: str) -> bool:
        return name == self.takes

    def _look(self, message: dict[str, Any]) -> Answer:
        return {"ok": True, "seen": len(self.seen)}


class Broken(Witness):
    name = "broken"

    def commands(self) -> Mapping[str, Command]:
        return {"break": self._look}

    def _look(self, message: dict[str, Any]) -> Answer:
        raise KeyError("what nobody thought of")

    def observe(self, record: Record) -> None:
        raise RuntimeError("observe")

    def tick(self, now_us: int) -> None:
        raise RuntimeError("tick")


def witness(kit: UnitKit) -> Witness:
    found = kit.unit.witness  # type: ignore[attr-defined]
    assert isinstance(found, Witness)
    return found


def test_records_are_seen_in_the_order_of_the_journal_also_those_a_duty_writes_itself(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path / "unit", duties=(*WITHOUT_WATCH, Witness, Second))
    kit.worker_up()
    press(kit, "record")
    ask(kit, cmd="mark")
    for duty in (witness(kit), kit.unit.second):  # type: ignore[attr-defined]
        written = [record.TYP for record in duty.seen]
        assert [typ for typ in kit.types() if typ not in ("boot", "checkpoint")] == written
        assert written[written.index("mark") + 1] == "event"


def test_every_call_of_the_loop_reaches_a_duty_that_has_it(tmp_path: Path) -> None:
    """Those that have none of their own are not called: what is called of whom is decided when the duty is made."""
    kit = UnitKit(tmp_path / "unit", duties=(*WITHOUT_WATCH, Everything))
    everything: Everything = kit.unit.everything  # type: ignore[attr-defined]
    kit.worker_up()
    press(kit, "record")
    kit.turn(300_000)
    kit.unit.reconfigure(kit.unit.p.config, restart_workers=False)
    kit.unit.close()
    assert everything.called == set(CALLS)
    assert not any(overrides(Duty(kit.unit), call) for call in CALLS)


class Everything(Duty):
    name = "everything"

    def __init__(self, services: Any) -> None:
        super().__init__(services)
        self.called: set[str] = set()
        services.everything = self

    def started(self, before: JournalState) -> None:
        self.called.add("started")

    def observe(self, record: Record) -> None:
        self.called.add("observe")

    def handle(self, event: UnitEvent) -> None:
        self.called.add("handle")

    def gesture(self, name: str) -> bool:
        self.called.add("gesture")
        return False

    def tick(self, now_us: int) -> None:
        self.called.add("tick")

    def poll(self, now_us: int, wall_us: int) -> None:
        self.called.add("poll")

    def reconfigured(self, before: RecorderConfig) -> None:
        self.called.add("reconfigured")

    def close(self) -> None:
        self.called.add("close")


class Second(Duty):
    name = "second"

    def __init__(self, services: Any) -> None:
        super().__init__(services)
        self.seen: list[Record] = []
        services.second = self

    def observe(self, record: Record) -> None:
        self.seen.append(record)


def test_a_gesture_meant_for_a_duty_is_acted_on_by_nobody_else(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path / "unit", duties=(*WITHOUT_WATCH, Witness))
    witness(kit).takes = "start"
    kit.worker_up()
    press(kit, "record")
    assert kit.unit.p.machine.session_id is None
    witness(kit).takes = ""
    press(kit, "record")
    assert kit.unit.p.machine.session_id is not None


def test_a_duty_that_raises_is_one_fault_and_the_recording_goes_on(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path / "unit", duties=(Broken, *WITHOUT_WATCH))
    kit.worker_up()
    press(kit, "record")
    for _ in range(5):
        kit.turn(100_000)
    assert kit.unit.p.machine.session_id is not None
    assert SessionStart.TYP in kit.types()
    faults = [payload for typ, payload in kit.records() if typ == "fault" and payload["code"] == "duty-fault"]
    assert [(fault["component"], fault["phase"]) for fault in faults] == [("broken", "onset")]


class Unmakeable(Duty):
    name = "unmakeable"

    def __init__(self, services: Any) -> None:
        raise RuntimeError("a device that is not there")


def test_a_duty_that_cannot_be_made_is_a_fault_and_the_unit_starts_without_it(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path / "unit", duties=(Unmakeable, *WITHOUT_WATCH))
    kit.worker_up()
    press(kit, "record")
    assert kit.unit.p.machine.session_id is not None
    faults = [payload for typ, payload in kit.records() if typ == "fault" and payload["code"] == "duty-fault"]
    assert [(fault["component"], fault["evidence"]["call"]) for fault in faults] == [("unmakeable", "start")]


def test_a_command_that_raises_is_refused_and_recorded(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path / "unit", duties=(*WITHOUT_WATCH, Broken))
    answer = ask(kit, cmd="break")
    assert not answer["ok"] and answer["error"]["code"] == "internal"
    commands = [payload for typ, payload in kit.records() if typ == "command"]
    assert [(command["name"], command["result"], command["detail"]) for command in commands] == [
        ("break", "refused", "internal")
    ]


def test_a_command_that_only_looks_leaves_no_record(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path / "unit", duties=(*WITHOUT_WATCH, Witness))
    assert ask(kit, cmd="look")["ok"]
    assert "command" not in kit.types()


def test_two_duties_cannot_claim_one_command(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="look"):
        UnitKit(tmp_path / "unit", duties=(*WITHOUT_WATCH, Witness, Witness))
