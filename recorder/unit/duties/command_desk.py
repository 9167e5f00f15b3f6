"""指令: what the agency commands from afar. The uplink hands over the signed text; only this process opens it.

Believed or not is :mod:`recorder.evidence.commands`' word. What a command does goes the way of the officer's button and of
``recorder ctl``: the duty that has that command carries it out (:meth:`Duty.orders`). The record ``accepted`` stands before
whatever follows from it, so a command whose end was lost to a power cut is not begun again.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from recorder.evidence import records as r
from recorder.evidence.command_book import SOURCE, CommandBook, CommandResult, KnownCommand
from recorder.evidence.command_texts import INTERNAL, TOO_OLD, refusal_outcome, texts
from recorder.evidence.commands import AgencyCommand, AnyOrder, CommandCheck, Grant, RefetchReceipt, Refused, Repeated
from recorder.evidence.files import OsFiles
from recorder.evidence.state import JournalState
from recorder.unit.agency_key import agency_key
from recorder.unit.assignments import REFUSALS_RECORDED
from recorder.unit.duty import Answer, Command, Duty, UnitServices

log = logging.getLogger("recorder.unit")

NAME: Final = "agency-command"
"""Of the control command, and of the record of one that was not believed."""

BY_RECORD: Final = frozenset({"grant", "refetch-receipt", "config", "report-now"})
"""Kinds that are the uplink's to do: the record is all the unit process does about them."""


class CommandDesk(Duty):
    name = "commands"
    own_record: ClassVar[frozenset[str]] = frozenset({NAME})
    for_uplink: ClassVar[frozenset[str]] = frozenset({NAME})

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._book = CommandBook()
        self._files = OsFiles()
        self._refusals: Counter[bool] = Counter()
        """By whether the agency signed it."""

    def commands(self) -> Mapping[str, Command]:
        return {NAME: self._arrived}

    def started(self, before: JournalState) -> None:
        self._book = before.commands.copy()

    def observe(self, record: r.Record) -> None:
        if isinstance(record, r.Command):
            self._book.apply(record.model_dump())

    def _arrived(self, message: dict[str, Any]) -> Answer:
        text = str(message.get("command", ""))
        wall_us = self._unit.wall_us()
        check = self._check()
        verdict = check.verify(text, self._book, wall_us / 1e6, self._unit.p.sensors.clock_is_set(wall_us))
        if isinstance(verdict, Repeated):
            return self._answer(verdict.known)
        kid = "" if check.key is None else check.key.kid
        if isinstance(verdict, Refused):
            return self._refuse(verdict, text, kid)
        return self._carry_out(verdict, text, kid)

    def _check(self) -> CommandCheck:
        config = self._unit.p.config
        return CommandCheck(
            agency_key(Path(config.trust.dir), self._files),
            config.device.id,
            config.commands.max_term_h * 3600,
            config.commands.allow,
            self._unit.p.journal.state.clocks.began_s(),
        )

    # --- what becomes of it ------------------------------------------------------------------------------------------

    def _refuse(self, refused: Refused, text: str, kid: str) -> Answer:
        """What the agency signed and is refused for good is always remembered: it must not be carried out when the clock or
        the configuration has changed, and each can be refused so but once (what the book forgets is too old). The rest is
        bounded, noise apart from what is signed: who holds old commands, or makes wrong ones, must not fill the journal."""
        command, code = refused.command, refused.code
        if command is not None and refused.final and code != TOO_OLD:
            self._record(command, "refused", code, self._ordered(command, text, kid))
        else:
            signed = command is not None
            self._refusals[signed] += 1
            if self._refusals[signed] <= REFUSALS_RECORDED:
                self._write(_id_of(text) if command is None else command.jti, _name(command), "refused", code)
        log.warning("command.refused", extra={"fields": {"code": code}})
        return self._said(None if command is None else command.jti, _name(command), refusal_outcome(code), code)

    def _carry_out(self, command: AgencyCommand, text: str, kid: str) -> Answer:
        kind = command.order.kind
        self._record(command, "accepted", "", self._ordered(command, text, kid))
        try:
            answer: Answer = {"ok": True} if kind in BY_RECORD else self._unit.order(kind, _message(command.order))
        except Exception as error:  # the agency is told; the recording goes on (promise 1)
            log.exception("command.failed", extra={"fields": {"kind": kind, "error": type(error).__name__}})
            self._record(command, "failed", INTERNAL)
        else:
            if answer["ok"]:
                self._record(command, "done", str(answer.get("code", "")))
            else:
                self._record(command, "refused", str(answer["error"]["code"]))
        known = self._book.known(command.jti)
        assert known is not None
        log.info("command", extra={"fields": {"kind": kind, "outcome": known.outcome, "code": known.code}})
        return self._answer(known)

    # --- the answer --------------------------------------------------------------------------------------------------

    def _answer(self, known: KnownCommand) -> Answer:
        return self._said(known.command_id, known.kind, known.outcome, known.final_code)

    def _said(self, command_id: str | None, kind: str, outcome: str, code: str) -> Answer:
        zh, en = texts(code)
        answer: Answer = {"ok": outcome == "done", "command_id": command_id, "kind": kind, "result": outcome}
        answer |= {"code": code, "zh": zh, "en": en, "seq": None}
        if outcome != "done":
            answer["error"] = {"code": code, "zh": zh, "en": en}

        def number() -> None:
            """Only what is durable has its place in the journal."""
            known = None if command_id is None else self._unit.p.journal.state.commands.known(command_id)
            answer["seq"] = None if known is None else known.seq

        self._unit.after_commit(number)
        return answer

    # --- records -----------------------------------------------------------------------------------------------------

    def _record(
        self, command: AgencyCommand, result: CommandResult, code: str, ordered: r.Ordered | None = None
    ) -> None:
        self._write(command.jti, command.order.kind, result, code, ordered)

    def _write(
        self, command_id: str, name: str, result: CommandResult, code: str, ordered: r.Ordered | None = None
    ) -> None:
        record = r.Command(command_id=command_id, source=SOURCE, name=name, result=result, detail=code, order=ordered)
        self._unit.write(record)

    def _ordered(self, command: AgencyCommand, text: str, kid: str) -> r.Ordered:
        order = command.order
        ordered = r.Ordered(kid=kid, iat=command.iat, exp=command.exp, signed=self._unit.p.custody.sealed(text))
        if isinstance(order, Grant | RefetchReceipt):
            ordered = ordered.model_copy(update={"sessions": order.sessions, "segments": order.segments})
        if isinstance(order, Grant):
            ordered = ordered.model_copy(update={"until": order.until, "metered": order.metered})
        return ordered


def _id_of(text: str) -> str:
    """For one that was not believed, whose own id proves nothing: the same text has the same."""
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode("utf-8", "replace")).digest()[:16], version=4))


def _name(command: AgencyCommand | None) -> str:
    return NAME if command is None else command.order.kind


def _message(order: AnyOrder) -> dict[str, Any]:
    """As ``recorder ctl`` would ask for it; what was left out is left out."""
    message = {name: value for name, value in order.model_dump(exclude={"kind"}).items() if value not in (None, ())}
    for theirs, ours in (("matter", "kind"), ("mark", "kind")):
        if theirs in message:
            message[ours] = message.pop(theirs)
    if "documents" in message:
        message["documents"] = list(message["documents"])
    return message
