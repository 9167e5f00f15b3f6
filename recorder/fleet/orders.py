"""From what an admin typed to what a unit believes: one signed command per unit. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from recorder.config.messages import explain
from recorder.config.section import is_identifier
from recorder.evidence.commands import AnyOrder, Order
from recorder.evidence.jws import Signer
from recorder.fleet.settings import FleetError
from recorder.fleet.signing import SignedCommand, sign_assignment, sign_command

ASSIGNMENT_TERM_S: Final = 86_400.0
"""An officer signed in from afar is so for the day."""
GRANT_H: Final = 24.0

_ORDER: Final[TypeAdapter[AnyOrder]] = TypeAdapter(Order)
_SPELT: Final = {"documents": "document", "sessions": "session", "segments": "segment", "until": "hours"}
"""Options that are not spelt as the member they fill."""


def signed_commands(
    units: Sequence[str], kind: str, options: Mapping[str, Any], signer: Signer, now_s: float, term_s: float
) -> tuple[SignedCommand, ...]:
    """``options``: by member of the order, None or () for what was not given; ``hours`` for a grant's ``until``, ``name``
    and ``cert_no`` for a sign-in's assignment. Raises FleetError."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if kind == "grant":
        given["until"] = now_s + given.pop("hours", GRANT_H) * 3600
    officer = (given.pop("name", ""), given.pop("cert_no", "")) if kind == "sign-in" else None
    if officer is not None and not all(officer):
        raise FleetError("sign-in 需要 --name 和 --cert-no", "sign-in needs --name and --cert-no")
    commands = []
    for unit_id in units:
        if not is_identifier(unit_id):
            raise FleetError(f"{unit_id!r} 不是设备编号", f"{unit_id!r} is no unit id")
        if officer is not None:
            given["assignment"] = sign_assignment(unit_id, *officer, signer, now_s, ASSIGNMENT_TERM_S)
        commands.append(sign_command(unit_id, order_of(kind, given), signer, now_s, term_s))
    return tuple(commands)


def order_of(kind: str, given: Mapping[str, Any]) -> AnyOrder:
    """Raises FleetError naming the option that is wrong, missing or none of this kind's."""
    try:
        return _ORDER.validate_python({"kind": kind, **given})
    except ValidationError as error:
        words = [_explained(kind, detail) for detail in error.errors(include_url=False)]
        raise FleetError(*("\n".join(texts) for texts in zip(*words, strict=True))) from error


def _explained(kind: str, detail: ErrorDetails) -> tuple[str, str]:
    member = str(detail["loc"][1]) if len(detail["loc"]) > 1 else ""
    option = f"--{_SPELT.get(member, member).replace('_', '-')}"
    if detail["type"] == "extra_forbidden":
        return f"{option} 不属于 {kind}", f"{option} does not belong to {kind}"
    if not member:
        return f"{kind} 需要 --session 或 --segment", f"{kind} needs --session or --segment"
    zh, en = explain(detail)
    return f"{kind} {option}: {zh}", f"{kind} {option}: {en}"
