"""执法类别, 执法事项, 记录环节, 记录方式 over the control socket: of the session that runs, or else of the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recorder.evidence.matter import Matter
from recorder.session import effects as fx
from recorder.session import events as ev
from recorder.session.context import ContextError
from recorder.unit.context_request import FIELDS, context_of
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty


class ContextDesk(Duty):
    name = "context"

    def commands(self) -> Mapping[str, Command]:
        return {"context": self._context}

    def _context(self, message: dict[str, Any]) -> Answer:
        unit = self._unit
        if not FIELDS & message.keys():
            names = ", ".join(sorted(FIELDS))
            return refusal("no-context", f"至少给出一项：{names}", f"give at least one of {names}")
        try:
            mode, matter = context_of(message, unit.p.custody.sealed)
        except ContextError as error:
            return refusal("bad-context", error.zh, error.en)
        for effect in unit.decide(ev.ContextGiven(at_us=unit.now_us(), mode=mode, matter=matter)):
            if isinstance(effect, fx.Refused):
                return refusal(effect.code, effect.zh, effect.en)
        machine = unit.p.machine
        return {
            "ok": True,
            "session_id": machine.session_id,
            "mode": machine.mode,
            "context": shown(machine.matter),
        }


def shown(matter: Matter | None) -> dict[str, Any]:
    """What may be told of it: kind and stage, and of the sealed values whether they were given."""
    known = matter or Matter()
    return {
        "kind": known.kind,
        "stage": known.stage,
        "item": known.item is not None,
        "entrusting_agency": known.entrusting_agency is not None,
        "documents": known.documents is not None,
    }
