"""执法人员登记: who is signed in to the shift (art. 9), in the journal and in the watermark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recorder.evidence.records import OfficerSignIn, OfficerSignOut, Record, ShiftEnd, ShiftStart
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty
from recorder.unit.officers import Officer

MAX_TEXT = 64


class OfficerDesk(Duty):
    name = "officers"

    def commands(self) -> Mapping[str, Command]:
        return {"sign-in": self._sign_in, "sign-out": self._sign_out}

    def observe(self, record: Record) -> None:
        if isinstance(record, ShiftStart | ShiftEnd):
            # Whoever signed in did so for that shift; the next one's watermark must not name them.
            self._unit.p.officers.clear()

    def _sign_in(self, message: dict[str, Any]) -> Answer:
        name, cert_no = message.get("name"), message.get("cert_no")
        if not isinstance(name, str) or not isinstance(cert_no, str) or not name.strip() or not cert_no.strip():
            return refusal("bad-officer", "需要姓名和执法证号", "name and certificate number are needed")
        if len(name) > MAX_TEXT or len(cert_no) > MAX_TEXT:
            return refusal("bad-officer", "姓名或者执法证号过长", "name or certificate number is too long")
        parts = self._unit.p
        shift_id = parts.machine.shift_id
        if shift_id is None:
            return refusal("no-shift", "没有进行中的班次", "no shift is open")
        officer = Officer(name.strip(), cert_no.strip())
        if not parts.officers.sign_in(officer):
            return refusal("already-signed-in", "该执法证号已经登记", "this certificate number is signed in already")
        self._unit.write(
            OfficerSignIn(
                shift_id=shift_id,
                officer=parts.custody.sealed({"name": officer.name, "cert_no": officer.cert_no}),
                officer_ref=parts.custody.officer_ref(officer.cert_no),
                method="command",
                count=parts.officers.count,
            )
        )
        self._unit.send_overlay()
        answer: Answer = {"ok": True, "officers": parts.officers.count}
        if parts.officers.count < 2:
            answer["warning"] = {
                "zh": "当前仅登记一名执法人员，请登记第二名执法人员。",
                "en": "only one officer is signed in; sign in the second",
            }
        return answer

    def _sign_out(self, message: dict[str, Any]) -> Answer:
        parts = self._unit.p
        officer = parts.officers.sign_out(str(message.get("cert_no", "")).strip())
        shift_id = parts.machine.shift_id
        if officer is None or shift_id is None:
            return refusal("not-signed-in", "该执法证号没有登记", "this certificate number is not signed in")
        ref = parts.custody.officer_ref(officer.cert_no)
        self._unit.write(OfficerSignOut(shift_id=shift_id, officer_ref=ref, count=parts.officers.count))
        self._unit.send_overlay()
        return {"ok": True, "officers": parts.officers.count}
