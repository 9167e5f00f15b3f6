"""Writes into the journal what becomes of an update of this unit's software: the installer (root) says it over the control
socket. An update must not hide evidence: nothing is installed before ``update-started`` is durable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from recorder.evidence.records import Event
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty

EVENTS: Final = frozenset({"update-started", "update-installed", "update-rolled-back", "update-refused"})

FORMS: Final = {
    "version_from": re.compile(r"[A-Za-z0-9.+~:-]{0,64}"),
    "version_to": re.compile(r"[A-Za-z0-9.+~:-]{0,64}"),
    "sha256": re.compile(r"(?:[0-9a-f]{64})?"),
    "code": re.compile(r"[a-z0-9-]{0,64}"),
    "reason": re.compile(r"[^\x00-\x1f]{0,300}"),
}


class UpdateDesk(Duty):
    name = "update"

    def commands(self) -> Mapping[str, Command]:
        return {"update-note": self._note}

    def _note(self, message: dict[str, Any]) -> Answer:
        event = message.get("event")
        if event not in EVENTS:
            return refusal("bad-update-note", "不是升级的事件", "no event of an update")
        detail: dict[str, Any] = {}
        for name, form in FORMS.items():
            value = message.get(name)
            if not isinstance(value, str) or not form.fullmatch(value):
                return refusal("bad-update-note", f"字段 {name} 有误", f"field {name} is wrong")
            detail[name] = value
        self._unit.write(Event(event=str(event), at_us=self._unit.now_us(), detail=detail))
        return {"ok": True}
