"""执法人员登记: who is signed in to the shift (art. 9), in the journal and in the watermark.

Three ways: typed in (``recorder ctl sign-in``), or by the agency's signed assignment, which comes over MQTT (the uplink
hands it over, this process verifies it) or as a QR code before the lens (the worker reads it, this process verifies it).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from recorder.channel import messages
from recorder.evidence import records as r
from recorder.evidence.assignments import Assignment, Refused, Repeated, claims_to_be_one
from recorder.evidence.files import OsFiles
from recorder.evidence.state import ASSIGN, JournalState
from recorder.session.code_look import CodeLook
from recorder.session.machine import State
from recorder.session.staffing import WARNING_TEXT, unattended, warning
from recorder.unit.assignments import AssignmentBook
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty, UnitServices
from recorder.unit.events import UnitEvent, WorkerConnected, WorkerMessage
from recorder.unit.officers import Officer

log = logging.getLogger("recorder.unit")

MAX_TEXT = 64


class OfficerDesk(Duty):
    name = "officers"
    own_record: ClassVar[frozenset[str]] = frozenset({"assign"})
    for_uplink: ClassVar[frozenset[str]] = frozenset({"assign"})

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        config = services.p.config
        self._look = CodeLook(round(config.officers.look_s * 1e6))
        self._assignments = AssignmentBook(
            Path(config.trust.dir), config.device.id, config.officers.assignment_days, OsFiles()
        )

    def commands(self) -> Mapping[str, Command]:
        return {
            "sign-in": self._sign_in_typed,
            "sign-out": self._sign_out,
            "assign": self._assign_remote,
            "scan": self._scan,
        }

    def orders(self) -> Mapping[str, Command]:
        return {"sign-in": self._assign_remote}

    def started(self, before: JournalState) -> None:
        """Memory and journal say the same again. What the journal has and memory lost (a power cut takes the run folder)
        is signed out; what memory has and the journal never got was not confirmed to anybody."""
        self._assignments.used.extend(before.assignments)
        officers, custody = self._unit.p.officers, self._unit.p.custody
        kept = officers.keep(lambda officer: custody.officer_ref(officer.cert_no) in before.officers)
        if before.shift is None:
            return
        refs = {custody.officer_ref(cert_no) for cert_no in kept}
        left = len(before.officers)
        for ref in before.officers:
            if ref not in refs:
                left -= 1
                log.warning("officers.signed-out-by-restart", extra={"fields": {"officers": left}})
                self._unit.write(
                    r.OfficerSignOut(shift_id=before.shift.shift_id, officer_ref=ref, count=left, cause="restart")
                )

    def observe(self, record: r.Record) -> None:
        officers = self._unit.p.officers
        if isinstance(record, r.ShiftStart | r.ShiftEnd):
            # Whoever signed in did so for that shift; the next one's watermark must not name them.
            officers.clear()
            if isinstance(record, r.ShiftStart):
                self._unit.say("sign-in")
                self._open_look()
        elif isinstance(record, r.SessionStart):
            self._warn()
            self._open_look()

    def handle(self, event: UnitEvent) -> None:
        if isinstance(event, WorkerConnected):
            self._send_look(event.camera_id)
        elif isinstance(event, WorkerMessage) and isinstance(event.message, messages.Qr):
            self._code(event.message.text)

    def gesture(self, name: str) -> bool:
        """The mark button in standby: there is nothing to mark, somebody wants to sign in."""
        if name != "mark" or self._unit.p.machine.state is not State.STANDBY:
            return False
        self._open_look(asked=True)
        return True

    def tick(self, now_us: int) -> None:
        self._look.tick(now_us)

    def poll(self, now_us: int, wall_us: int) -> None:
        parts = self._unit.p
        present = unattended(parts.machine.session_id is not None, parts.officers.count)
        self._unit.fault("no-officer", "officers", present, {})

    # --- typed in ----------------------------------------------------------------------------------------------------

    def _sign_in_typed(self, message: dict[str, Any]) -> Answer:
        name, cert_no = message.get("name"), message.get("cert_no")
        if not isinstance(name, str) or not isinstance(cert_no, str) or not name.strip() or not cert_no.strip():
            return refusal("bad-officer", "需要姓名和执法证号", "name and certificate number are needed")
        if len(name) > MAX_TEXT or len(cert_no) > MAX_TEXT:
            return refusal("bad-officer", "姓名或者执法证号过长", "name or certificate number is too long")
        officer = Officer(name.strip(), cert_no.strip())
        return self._no_entry(officer) or self._enter(officer, "command", None)

    def _no_entry(self, officer: Officer) -> Answer | None:
        """Why this officer cannot sign in, None if they can."""
        parts = self._unit.p
        if parts.machine.shift_id is None:
            return refusal("no-shift", "没有进行中的班次", "no shift is open")
        if officer.cert_no in parts.officers.certificate_numbers:
            return refusal("already-signed-in", "该执法证号已经登记", "this certificate number is signed in already")
        return None

    def _enter(self, officer: Officer, method: Literal["command", "remote", "qr"], assignment_id: str | None) -> Answer:
        parts = self._unit.p
        assert parts.machine.shift_id is not None
        parts.officers.sign_in(officer)
        count = parts.officers.count
        self._unit.write(
            r.OfficerSignIn(
                shift_id=parts.machine.shift_id,
                officer=parts.custody.sealed({"name": officer.name, "cert_no": officer.cert_no}),
                officer_ref=parts.custody.officer_ref(officer.cert_no),
                method=method,
                count=count,
                assignment_id=assignment_id,
            )
        )
        self._unit.send_overlay()
        if self._look.signed_in(count):
            self._send_look()
        self._unit.say("signed-in-by-code" if method == "qr" else "signed-in", count=count)
        self._warn()
        answer: Answer = {"ok": True, "officers": count}
        short = warning(count)
        return answer if short is None else {**answer, "warning": WARNING_TEXT[short]}

    def _warn(self) -> None:
        short = warning(self._unit.p.officers.count)
        if short is not None:
            self._unit.say(short)

    def _sign_out(self, message: dict[str, Any]) -> Answer:
        parts = self._unit.p
        officer = parts.officers.sign_out(str(message.get("cert_no", "")).strip())
        shift_id = parts.machine.shift_id
        if officer is None or shift_id is None:
            return refusal("not-signed-in", "该执法证号没有登记", "this certificate number is not signed in")
        count = parts.officers.count
        ref = parts.custody.officer_ref(officer.cert_no)
        self._unit.write(r.OfficerSignOut(shift_id=shift_id, officer_ref=ref, count=count))
        self._unit.send_overlay()
        self._unit.say("signed-out", count=count)
        self._warn()
        answer: Answer = {"ok": True, "officers": count}
        short = warning(count)
        return answer if short is None else {**answer, "warning": WARNING_TEXT[short]}

    # --- by a signed assignment --------------------------------------------------------------------------------------

    def _assign_remote(self, message: dict[str, Any]) -> Answer:
        return self._assigned(str(message.get("assignment", "")), "mqtt")

    def _code(self, text: str) -> None:
        if claims_to_be_one(text):  # else an advertisement, a parcel, a menu: the street is full of codes
            answer = self._assigned(text, "qr")
            if not answer["ok"]:
                self._unit.say("code-unreadable")

    def _assigned(self, text: str, source: Literal["mqtt", "qr"]) -> Answer:
        parts, book = self._unit.p, self._assignments
        wall_us = self._unit.wall_us()
        check = book.check()
        verdict = check.verify(
            text,
            book.used,
            parts.officers.certificate_numbers,
            wall_us / 1e6,
            parts.sensors.clock_is_set(wall_us),
        )
        if isinstance(verdict, Repeated):
            return {"ok": True, "officers": parts.officers.count, "repeated": True}
        if isinstance(verdict, Refused):
            answer = refusal(verdict.code, verdict.zh, verdict.en)
            self._record(verdict.assignment_id or str(uuid.uuid4()), source, answer)
            return answer
        assert check.key is not None
        return self._take(verdict, source, r.AgencyLine(kid=check.key.kid, signed=parts.custody.sealed(text)))

    def _take(self, assignment: Assignment, source: Literal["mqtt", "qr"], line: r.AgencyLine) -> Answer:
        officer = Officer(assignment.name, assignment.cert_no)
        answer = self._no_entry(officer)
        if answer is None:
            self._assignments.used.append(assignment.jti)
        # First: what rests on it refers to it.
        self._record(assignment.jti, source, answer, line if answer is None else None)
        if answer is not None:
            return answer
        entered = self._enter(officer, "qr" if source == "qr" else "remote", assignment.jti)
        return {**entered, "assignment_id": assignment.jti}

    def _record(
        self,
        assignment_id: str,
        source: Literal["mqtt", "qr"],
        refused: Answer | None,
        line: r.AgencyLine | None = None,
    ) -> None:
        if refused is not None and not self._assignments.refusal_counts():
            return
        self._unit.write(
            r.Command(
                command_id=assignment_id,
                source=source,
                name=ASSIGN,
                result="accepted" if refused is None else "refused",
                detail="" if refused is None else str(refused["error"]["code"]),
                agency_line=line,
            )
        )

    # --- watching the lens -------------------------------------------------------------------------------------------

    def _scan(self, message: dict[str, Any]) -> Answer:
        if not self._open_look(asked=True):
            return refusal("look-off", "未启用扫码登记", "codes are switched off ([officers] look_s = 0)")
        return {"ok": True, "until_us": self._look.until_us}

    def _open_look(self, *, asked: bool = False) -> bool:
        opened = self._look.open(self._unit.now_us(), self._unit.p.officers.count, asked=asked)
        if opened:
            self._send_look()
        return opened

    def _send_look(self, only: str | None = None) -> None:
        """``only``: the worker that has just come, and only if it has anything to do."""
        if only is not None and not self._look.until_us:
            return
        for camera_id, camera in self._unit.p.cameras.items():
            if camera.connected and only in (None, camera_id):
                look = messages.Look(camera_id=camera_id, at_us=self._unit.now_us(), until_us=self._look.until_us)
                camera.link.send(look)
