"""Typed marks and the checklist of art. 22: what was marked in the session that runs, and what a stop finds missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from recorder.evidence.records import Event, Mark, Record, SessionStart, SessionStop
from recorder.evidence.state import JournalState
from recorder.session import effects as fx
from recorder.session import events as ev
from recorder.session.marks import CERTIFICATE, CHECKLIST, KEY, MARKS, missing
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty, UnitServices


class MarkDesk(Duty):
    name = "marks"
    read_only: ClassVar[frozenset[str]] = frozenset({"checklist"})

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._marked: set[str] = set()

    def commands(self) -> Mapping[str, Command]:
        return {"mark": self._mark, "checklist": self._checklist}

    def orders(self) -> Mapping[str, Command]:
        return {"mark": self._mark}

    def started(self, before: JournalState) -> None:
        self._marked = set(before.session.marked) if before.session is not None else set()

    def observe(self, record: Record) -> None:
        if isinstance(record, SessionStart):
            self._marked.clear()
        elif isinstance(record, Mark):
            self._marked.add(record.kind)
        elif isinstance(record, SessionStop):
            self._look_back(record)
            self._marked.clear()

    def _look_back(self, stop: SessionStop) -> None:
        """A missing point warns and never blocks: the recording has ended already."""
        lacking = missing(self._marked, self._unit.p.config.matter.checklist)
        if not lacking:
            return
        detail = {"session_id": stop.session_id, "missing": list(lacking)}
        self._unit.write(Event(event="checklist-missing", at_us=self._unit.now_us(), detail=detail))
        if stop.reason in ("shutdown", "abandoned"):
            return
        first = next((MARKS[kind] for kind in lacking if MARKS[kind].point), None)
        if CERTIFICATE in lacking:
            self._unit.say("show-certificate")
        if first is not None:
            self._unit.say("checklist-missing", point=first.point)

    def _mark(self, message: dict[str, Any]) -> Answer:
        kind = message.get("kind", KEY)
        if not isinstance(kind, str) or kind not in MARKS:
            listed = ", ".join(MARKS)
            return refusal("bad-kind", f"没有这类标记；可用：{listed}", f"there is no such kind; allowed are {listed}")
        for effect in self._unit.decide(ev.MarkRequested(at_us=self._unit.now_us(), kind=kind)):
            if isinstance(effect, fx.Refused):
                return refusal(effect.code, effect.zh, effect.en)
        return {"ok": True, "session_id": self._unit.p.machine.session_id}

    def _checklist(self, message: dict[str, Any]) -> Answer:
        asked = self._unit.p.config.matter.checklist
        points = [
            {
                "kind": kind,
                "zh": MARKS[kind].zh,
                "en": MARKS[kind].en,
                "article": MARKS[kind].article,
                "covered": kind in self._marked,
                "asked": kind in asked,
            }
            for kind in CHECKLIST
        ]
        return {"ok": True, "session_id": self._unit.p.machine.session_id, "points": points}
