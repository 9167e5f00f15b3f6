"""书面说明 (art. 23): the door for statements; what happens behind it is ``unit.statement_intake``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recorder.evidence.records import Event, Record
from recorder.unit.duty import Answer, Command, Duty, UnitServices


class StatementDesk(Duty):
    name = "statements"

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._given_up: set[str] = set()

    def commands(self) -> Mapping[str, Command]:
        return {"statement-sign": self._sign}

    def observe(self, record: Record) -> None:
        if isinstance(record, Event) and record.event == "cannot-resume":
            self._given_up.add(str(record.detail.get("gap_id")))

    def _sign(self, message: dict[str, Any]) -> Answer:
        # Certificates need cryptography, 8 MB resident; most shifts see no statement.
        from recorder.unit.statement_intake import take_in

        return take_in(self._unit, message, self._given_up)
