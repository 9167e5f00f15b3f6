"""Says what the officer just caused or should notice, from the records: shift, recording, a mark, a statement, the night.

What needs a decision (interruptions, deadlines, faults, officers) is said by the duty that decides it.
"""

from __future__ import annotations

from typing import Final

from recorder.evidence.records import Event, Mark, Record, SessionStart, SessionStop, ShiftEnd, ShiftStart, Statement
from recorder.unit.duty import Duty

RECORDS: Final[dict[type[Record], str]] = {
    ShiftStart: "shift-started",
    ShiftEnd: "shift-ended",
    SessionStart: "started",
    SessionStop: "stopped",
    Mark: "marked",
    Statement: "statement-signed",
}
EVENTS: Final = frozenset({"night-on", "night-off"})
"""Events whose prompt has the same name."""


class Announcements(Duty):
    name = "announcements"

    def observe(self, record: Record) -> None:
        if isinstance(record, Event):
            if record.event in EVENTS:
                self._unit.say(record.event)
        elif isinstance(record, SessionStart) and record.trigger == "resume":
            return  # after an interruption the officer is told more than that it goes on
        elif isinstance(record, SessionStop) and record.reason == "abandoned":
            return  # found at a start: nobody stopped anything just now
        elif isinstance(record, Mark) and record.kind == "explanation":
            return  # the press that confirms an answer: what became of it is said by the duty that asked
        elif (prompt := RECORDS.get(type(record))) is not None:
            self._unit.say(prompt)
