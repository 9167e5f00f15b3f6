"""Whether the unit believes a signed assignment (执法人员指派): the agency says which officer works with which unit. Pure.

The same compact JWS comes over MQTT or as a QR code before the lens; how it came proves nothing, the agency's command key
(``command-key.pem`` of the trust folder) does. Each is good once: its id is remembered in the journal (``command``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, ValidationError

from recorder.evidence import jws
from recorder.evidence.base import Model, Uuid
from recorder.evidence.jws import JwsError
from recorder.evidence.p256 import PublicKey

TYP: Final = "assignment"
MAX_TEXT: Final = 2048
"""Characters. A QR code holds 2 953 bytes; an assignment has about 500."""

MAX_NAME: Final = 64
SKEW_S: Final = 300.0
"""A unit's clock may lag the agency's by so much: then ``iat`` lies ahead."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, strip_whitespace=True)]


class Assignment(Model):
    """Payload of the JWS (``typ`` = ``assignment``, ES256, ``kid`` = thumbprint of the command key). ``iat`` and ``exp``:
    seconds since 1970. ``name`` and ``cert_no``: 姓名, 执法证号."""

    ver: Literal[1]
    jti: Uuid
    unit_id: Annotated[str, StringConstraints(max_length=64)]
    iat: Annotated[float, Field(allow_inf_nan=False)]
    exp: Annotated[float, Field(allow_inf_nan=False)]
    name: Text
    cert_no: Text


@dataclass(frozen=True, slots=True)
class Refused:
    """``code`` is stable, the texts are for people and name nobody. ``assignment_id``: of one whose signature verifies."""

    code: str
    zh: str
    en: str
    assignment_id: str = ""


@dataclass(frozen=True, slots=True)
class Repeated:
    """An assignment taken before, of an officer who is signed in: delivered twice, or shown to the lens for a while."""


def claims_to_be_one(text: str) -> bool:
    """A JWS of our type, whoever signed it. The street is full of QR codes that are none of our business."""
    try:
        return len(text) <= MAX_TEXT and jws.split(text).typ == TYP
    except JwsError:
        return False


@dataclass(frozen=True, slots=True)
class AssignmentCheck:
    """``key``: the agency's command key, None when the unit has none. ``max_s``: an assignment may be valid so long."""

    key: PublicKey | None
    unit_id: str
    max_s: float

    def verify(
        self, text: str, used: Collection[str], signed_in: Collection[str], wall_s: float, clock_set: bool
    ) -> Assignment | Repeated | Refused:
        """``used``: ids taken before; ``signed_in``: certificate numbers. Without a clock nobody knows its term."""
        if self.key is None:
            return Refused("assignment-key-missing", "设备没有机关指令公钥", "the unit has no command-key.pem")
        if len(text) > MAX_TEXT:
            return Refused("assignment-malformed", "指派过长", f"longer than {MAX_TEXT} characters")
        try:
            parts = jws.split(text)
            if parts.typ != TYP:
                return Refused("assignment-type", "不是指派", f"not an assignment but {parts.typ[:40]!r}")
            if parts.kid != self.key.kid:
                return Refused("assignment-signature", "不是本机关签发的指派", "not signed by the agency's command key")
            jws.verify(text, self.key)
        except JwsError:
            return Refused("assignment-signature", "指派签名无效", "its signature does not verify")
        try:
            assignment = Assignment.model_validate(parts.payload)
        except ValidationError as error:
            # Neither its values nor pydantic's message, which repeats them: what stands there may be a name.
            place = ".".join(str(part) for part in error.errors()[0]["loc"])[:64]
            return Refused("assignment-form", f"指派字段 {place} 有误", f"assignment field {place} is wrong")
        if assignment.jti in used and assignment.cert_no in signed_in and assignment.unit_id == self.unit_id:
            return Repeated()
        return self._refusal(assignment, used, wall_s, clock_set) or assignment

    def _refusal(self, a: Assignment, used: Collection[str], wall_s: float, clock_set: bool) -> Refused | None:
        if a.unit_id != self.unit_id:
            return Refused("assignment-unit", "指派给其他设备", "it is for another unit", a.jti)
        if a.jti in used:
            return Refused("assignment-replayed", "此指派已经用过", "it was used before", a.jti)
        if not 0 < a.exp - a.iat <= self.max_s:
            return Refused("assignment-term", "指派有效期过长或者无效", "its term is too long or none", a.jti)
        if not clock_set:
            return Refused(
                "clock-not-set", "时间未校准，无法判断有效期", "the clock is not set: nobody can tell its term", a.jti
            )
        if wall_s >= a.exp:
            return Refused("assignment-expired", "指派已过期", "it has expired", a.jti)
        if wall_s < a.iat - SKEW_S:
            return Refused("assignment-early", "指派尚未生效", "it is not valid yet", a.jti)
        return None
