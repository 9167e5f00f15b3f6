"""Whether the unit believes a command (指令) of its agency, and what it asks for. Pure.

A compact JWS as an assignment is (:mod:`recorder.evidence.assignments`): ES256 by the agency's command key, which the unit
pins. Whoever carries it, a taken-over uplink included, can withhold it and nothing else: it is for one unit, for a short
time, and has its effect once (:mod:`recorder.evidence.command_book`).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import Field, StringConstraints, ValidationError, model_validator

from recorder.evidence import jws
from recorder.evidence.base import Model, Uuid
from recorder.evidence.command_book import CommandBook, KnownCommand
from recorder.evidence.command_texts import CLOCK, EXPIRED, NOT_ALLOWED, TOO_OLD
from recorder.evidence.jws import JwsError
from recorder.evidence.p256 import PublicKey

TYP: Final = "command"
MAX_TEXT: Final = 8192
"""Characters. The longest one carries a signed assignment (at most 2048) or 64 ids."""

SKEW_S: Final = 300.0
"""A unit's clock may lag the agency's by so much: then ``iat`` lies ahead."""

MAX_IDS: Final = 64

Finite = Annotated[float, Field(allow_inf_nan=False)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Ids = Annotated[tuple[Uuid, ...], Field(max_length=MAX_IDS)]


class Start(Model):
    """Begin a recording (trigger ``remote``). The words are those of ``recorder ctl start``; ``matter`` is 执法类别."""

    kind: Literal["start"]
    mode: Words | None = None
    stage: Words | None = None
    matter: Words | None = None
    item: Words | None = None
    entrusting_agency: Words | None = None
    documents: Annotated[tuple[Words, ...], Field(max_length=16)] = ()


class Stop(Model):
    """End the recording that runs (``remote``). 全程 asks for a reason of whoever ends it, the agency too."""

    kind: Literal["stop"]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)] | None = None


class SetMark(Model):
    """重点标记 at the moment of arrival; ``mark``: its kind."""

    kind: Literal["mark"]
    mark: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "key"


class SignIn(Model):
    """The assignment of an officer, itself signed (docs/wire.md), as over ``down/assign`` or by QR code."""

    kind: Literal["sign-in"]
    assignment: Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class _OfSome(Model):
    sessions: Ids = ()
    segments: Ids = ()

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if not (self.sessions or self.segments):
            raise ValueError("neither a session nor a segment")
        return self


class Grant(_OfSome):
    """Priority until ``until`` (seconds since 1970) for the upload of these sessions and segments; ``metered``: also over a
    link that is paid for by the byte."""

    kind: Literal["grant"]
    until: Finite
    metered: bool = False


class RefetchReceipt(_OfSome):
    """Ask the store again for the receipts of these."""

    kind: Literal["refetch-receipt"]


class FetchConfig(Model):
    """Look for a desired configuration now."""

    kind: Literal["config"]


class ReportNow(Model):
    """Publish status and health now."""

    kind: Literal["report-now"]


class Restart(Model):
    """A new unit process at the next moment that costs nothing; shift and officers stay."""

    kind: Literal["restart"]


AnyOrder: TypeAlias = Start | Stop | SetMark | SignIn | Grant | RefetchReceipt | FetchConfig | ReportNow | Restart


Order: TypeAlias = Annotated[AnyOrder, Field(discriminator="kind")]


class AgencyCommand(Model):
    """Payload of the JWS (``typ`` = ``command``, ES256, ``kid`` = thumbprint of the command key). ``iat`` and ``exp``:
    seconds since 1970."""

    ver: Literal[1]
    jti: Uuid
    unit_id: Annotated[str, StringConstraints(max_length=64)]
    iat: Finite
    exp: Finite
    order: Order


@dataclass(frozen=True, slots=True)
class Refused:
    """``code``: of ``command_texts``. ``command``: what was refused, where its signature verifies and it is for this unit.
    ``final``: nothing that may still happen makes it good; it can be forgotten where it need not be remembered."""

    code: str
    command: AgencyCommand | None = None
    final: bool = True


@dataclass(frozen=True, slots=True)
class Repeated:
    """It came before; ``known`` says what became of it then."""

    known: KnownCommand


Verdict: TypeAlias = AgencyCommand | Repeated | Refused


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """``key``: the agency's command key, None when the unit has none. ``max_s``: a command may be valid so long.
    ``allow``: the kinds the unit's configuration accepts. ``since``: wall seconds at which the journal begins; what an
    earlier one knew of older commands is gone with it, so none of those is taken."""

    key: PublicKey | None
    unit_id: str
    max_s: float
    allow: Collection[str]
    since: float = -math.inf

    def verify(self, text: str, book: CommandBook, wall_s: float, clock_set: bool) -> Verdict:
        """``wall_s``: the wall clock's claim; without a clock that was set nobody knows a command's term."""
        command = self._believed(text)
        if isinstance(command, Refused):
            return command
        known = book.known(command.jti)
        if known is not None:
            # Before its term is looked at: who repeats a command wants to know what it came to, however late.
            return Repeated(known)
        return self._refusal(command, book, wall_s, clock_set) or command

    def _believed(self, text: str) -> AgencyCommand | Refused:
        if self.key is None:
            return Refused("command-key-missing")
        if len(text) > MAX_TEXT:
            return Refused("command-malformed")
        try:
            parts = jws.split(text)
            if parts.typ != TYP:
                return Refused("command-type")
            if parts.kid != self.key.kid:
                return Refused("command-signature")
            jws.verify(text, self.key)
        except JwsError:
            return Refused("command-signature")
        try:
            command = AgencyCommand.model_validate(parts.payload)
        except ValidationError as error:
            unknown = any(each["type"] == "union_tag_invalid" for each in error.errors())
            return Refused("command-unknown" if unknown else "command-form")
        return command if command.unit_id == self.unit_id else Refused("command-unit")

    def _refusal(self, command: AgencyCommand, book: CommandBook, wall_s: float, clock_set: bool) -> Refused | None:
        if command.iat <= book.floor or command.iat < self.since:
            return Refused(TOO_OLD, command)
        if not clock_set:
            return Refused(CLOCK, command, final=False)
        if wall_s < command.iat - SKEW_S:
            # Before anything final: what is final is remembered, and once forgotten its ``iat`` is the floor. One that
            # lies far ahead (milliseconds taken for seconds) would shut out every command after it.
            return Refused("command-early", command, final=False)
        if not 0 < command.exp - command.iat <= self.max_s:
            return Refused("command-term", command)
        if wall_s >= command.exp:
            return Refused(EXPIRED, command)
        if command.order.kind not in self.allow:
            return Refused(NOT_ALLOWED, command)
        return None
