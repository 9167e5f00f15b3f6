"""What the control socket's commands do. Decided on the main thread; every command that changes something is recorded."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recorder.evidence.records import Command, OfficerSignIn, OfficerSignOut
from recorder.session import effects as fx
from recorder.session import events as ev
from recorder.unit.control_socket import refusal
from recorder.unit.officers import Officer

if TYPE_CHECKING:
    from recorder.unit.process import UnitProcess

Answer = dict[str, Any]
MAX_TEXT = 64
READ_ONLY = ("receipt", "status")


class ControlCommands:
    def __init__(self, unit: UnitProcess) -> None:
        self._unit = unit
        self._commands: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "start": self._start,
            "stop": self._stop,
            "mark": self._mark,
            "sign-in": self._sign_in,
            "sign-out": self._sign_out,
            "receipt": self._receipt,
            "status": self._status,
        }

    @staticmethod
    def changes(message: dict[str, Any]) -> bool:
        """False for a command that changes nothing and leaves no ``command`` record."""
        return message.get("cmd") not in READ_ONLY

    def answer(self, message: dict[str, Any]) -> Answer:
        """The answer to one request. ``receipt`` and ``status`` change nothing and leave no ``command`` record."""
        name = str(message.get("cmd"))
        command = self._commands.get(name)
        if command is None:
            return refusal("unknown-command", f"没有命令 {name[:MAX_TEXT]}", f"no command {name[:MAX_TEXT]}")
        answer = command(message)
        if name not in READ_ONLY:
            error = answer.get("error", {})
            self._unit.p.ledger.write(
                Command(
                    command_id=str(uuid.uuid4()),
                    source="control-socket",
                    name=name,
                    result="accepted" if answer["ok"] else "refused",
                    detail=str(error.get("code", "")),
                )
            )
        return answer

    def _decide(self, event: ev.Event) -> Answer:
        for effect in self._unit.decide(event):
            if isinstance(effect, fx.Refused):
                return refusal(effect.code, effect.zh, effect.en)
        return {"ok": True, "session_id": self._unit.p.machine.session_id}

    def _start(self, message: dict[str, Any]) -> Answer:
        return self._decide(self._unit.start_request("command"))

    def _stop(self, message: dict[str, Any]) -> Answer:
        return self._decide(ev.StopRequested(at_us=self._unit.now_us(), reason="command"))

    def _mark(self, message: dict[str, Any]) -> Answer:
        kind = message.get("kind", "key")
        if not isinstance(kind, str) or not 0 < len(kind) <= MAX_TEXT:
            return refusal("bad-kind", "标记类别应为 1 至 64 个字符", "kind must be 1 to 64 characters")
        return self._decide(ev.MarkRequested(at_us=self._unit.now_us(), kind=kind))

    def _sign_in(self, message: dict[str, Any]) -> Answer:
        name, cert_no = message.get("name"), message.get("cert_no")
        if not isinstance(name, str) or not isinstance(cert_no, str) or not name.strip() or not cert_no.strip():
            return refusal("bad-officer", "需要姓名和执法证号", "name and certificate number are needed")
        if len(name) > MAX_TEXT or len(cert_no) > MAX_TEXT:
            return refusal("bad-officer", "姓名或者执法证号过长", "name or certificate number is too long")
        unit = self._unit
        shift_id = unit.p.machine.shift_id
        if shift_id is None:
            return refusal("no-shift", "没有进行中的班次", "no shift is open")
        officer = Officer(name.strip(), cert_no.strip())
        if not unit.p.officers.sign_in(officer):
            return refusal("already-signed-in", "该执法证号已经登记", "this certificate number is signed in already")
        unit.p.ledger.write(
            OfficerSignIn(
                shift_id=shift_id,
                officer=unit.p.custody.sealed({"name": officer.name, "cert_no": officer.cert_no}),
                officer_ref=unit.p.custody.officer_ref(officer.cert_no),
                method="command",
                count=unit.p.officers.count,
            )
        )
        self._new_overlay()
        answer: Answer = {"ok": True, "officers": unit.p.officers.count}
        if unit.p.officers.count < 2:
            answer["warning"] = {
                "zh": "当前仅登记一名执法人员，请登记第二名执法人员。",
                "en": "only one officer is signed in; sign in the second",
            }
        return answer

    def _sign_out(self, message: dict[str, Any]) -> Answer:
        unit = self._unit
        officer = unit.p.officers.sign_out(str(message.get("cert_no", "")).strip())
        shift_id = unit.p.machine.shift_id
        if officer is None or shift_id is None:
            return refusal("not-signed-in", "该执法证号没有登记", "this certificate number is not signed in")
        ref = unit.p.custody.officer_ref(officer.cert_no)
        unit.p.ledger.write(OfficerSignOut(shift_id=shift_id, officer_ref=ref, count=unit.p.officers.count))
        self._new_overlay()
        return {"ok": True, "officers": unit.p.officers.count}

    def _new_overlay(self) -> None:
        for camera_id, camera in self._unit.p.cameras.items():
            if camera.connected:
                self._unit.send(self._unit.overlay(camera_id))

    def _receipt(self, message: dict[str, Any]) -> Answer:
        self._unit.p.custody.receipts_arrived()
        return {"ok": True}

    def _status(self, message: dict[str, Any]) -> Answer:
        machine = self._unit.p.machine
        return {"ok": True, "state": machine.state.value, "session_id": machine.session_id}
