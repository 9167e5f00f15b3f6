"""Lines the agency signed (指令、指派、下发的配置), as records of the unit carry them: opened, held against its key.

The unit records what it believed; here the same line is judged again, by another library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from joserfc.jwk import ECKey
from pydantic import BaseModel, ValidationError

from recorder.evidence import jose, jws
from recorder.evidence import records as r
from recorder.evidence.jws import JwsError
from recorder.evidence.trust import Trust
from recorder.evidence.verify.chain import Link
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.opened import SealedFields

Opener = Callable[[Link, str, r.SealedField | None], object | None]
"""``(record, field's name, field)``: its value, None when it stays closed."""
Form = TypeVar("Form", bound=BaseModel)


@dataclass(slots=True)
class AgencyLines:
    """``seen``: records that carry such a line; ``checked``: those whose signature verified here and that say of it what
    the agency signed."""

    trust: Trust
    findings: Findings
    opener: Opener
    seen: int = 0
    checked: int = 0
    _keys: dict[str, ECKey] = field(init=False)
    _unchecked: int = 0
    _sealed: int = 0

    def __post_init__(self) -> None:
        self._keys = {jose.thumbprint(key): jose.verification_key(key) for key in self.trust.command_keys}

    def read(
        self, link: Link, kid: str, name: str, sealed: r.SealedField, typ: str, form: type[Form], unit_id: str
    ) -> Form | None:
        """What the agency signed for this unit. None where that cannot be known, which is counted, or is not so, which is
        found. ``name``: of the field that holds the line; ``typ``, ``form``: of the line."""
        self.seen += 1
        if not self._keys:
            self._unchecked += 1
            return None
        key = self._keys.get(kid)
        if key is None:
            self._forged(link, f"its key {kid} is not in command-key.pem")
            return None
        text = self._text(link, name, sealed)
        if text is None:
            return None
        try:
            signed = _read(text, kid, key, typ, form)
        except JwsError as error:
            self._forged(link, str(error))
            return None
        addressee = getattr(signed, "unit_id", None)
        if addressee not in (None, unit_id):
            self.findings.add("command-other-unit", f"record {link.seq}", seq=link.seq, unit=addressee)
            return None
        return signed

    def agrees(self, link: Link, differences: list[str]) -> bool:
        """Takes note of the fields in which the record says something else than the agency signed."""
        if differences:
            fields = ", ".join(differences)
            self.findings.add("command-altered", f"record {link.seq}", seq=link.seq, fields=fields)
        self.checked += not differences
        return not differences

    def finish(self) -> None:
        """After the last record."""
        for code, count in (("command-unchecked", self._unchecked), ("command-sealed", self._sealed)):
            if count:
                self.findings.add(code, "commands", count=count)

    def _text(self, link: Link, name: str, sealed: r.SealedField) -> str | None:
        """With sealing off it stands there plain, whoever looks."""
        if sealed.plain is not None:
            value = SealedFields((), self.findings).open_field(link.seq, name, sealed)
        else:
            value = self.opener(link, name, sealed)
            self._sealed += value is None
        if value is not None and not isinstance(value, str):
            self._forged(link, "no text is sealed in it")
            return None
        return value

    def _forged(self, link: Link, reason: str) -> None:
        self.findings.add("command-forged", f"record {link.seq}", seq=link.seq, reason=reason)


def _read(text: str, kid: str, key: ECKey, typ: str, form: type[Form]) -> Form:
    """The payload of the agency's line. Raises JwsError saying why it is none."""
    if not text.isascii():
        raise JwsError("not ASCII")
    parts = jws.split(text)
    if parts.typ != typ:
        raise JwsError(f"typ is {parts.typ[:40]!r}, not {typ!r}")
    if parts.kid != kid:
        raise JwsError("the record names another key than its line")
    jose.check(text, parts, key)
    try:
        return form.model_validate(parts.payload)
    except ValidationError as error:
        raise JwsError(f"signed, and not the form of its type ({typ})") from error
