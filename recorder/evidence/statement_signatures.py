"""Signatures of persons under 《音像记录中断情况说明》: one JWS each, made off the unit with the person's own key.

The JWS is detached from the document: its payload names the document's digest, the gap and the legal cause (docs/formats.md
§9), its header carries the person's certificate chain (``x5c``, RFC 7515 §4.1.6). Whose it is stands in the certificate
and nowhere else: a number somebody typed is no signature. Pure; the only clock here is the ``at`` one is given.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from recorder.evidence import formatting, jose, jws
from recorder.evidence.base import Digest, Model, Uuid
from recorder.evidence.jws import JwsError
from recorder.evidence.records import LegalCause
from recorder.evidence.trust import (
    Trust,
    common_name,
    key_id,
    leads_to_agency,
    leaf_key,
    may_sign_documents,
    parse_x5c,
    person_title,
    validity,
)

TYP = "statement-signature"

Role = Literal["officer", "admin"]

TITLES: dict[str, Role] = {"行政执法人员": "officer", "音像记录管理人员": "admin"}
"""``title`` (X.520, OID 2.5.4.12) of a person's certificate: officers of art. 9, the appointed person of art. 25."""


class StatementRefused(ValueError):
    """A signature or a statement is refused; ``code`` for programs, ``zh`` and ``en`` say why."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")
        self.code = code
        self.zh = zh
        self.en = en


class NamedOfficer(Model):
    """An officer as a scanned sheet shows them: name, certificate number (执法证号)."""

    name: str
    cert_no: str


class SignatureClaims(Model):
    """Payload of the JWS. ``method`` ``scanned-sheet``: an admin binds the scan and says which ``officers`` signed by hand.

    ``iat``: the signing machine's wall clock, seconds since 1970; a claim.
    """

    ver: Literal[1]
    gap_id: Uuid
    document_sha256: Digest
    legal_cause: LegalCause
    method: Literal["certificate", "scanned-sheet"]
    officers: tuple[NamedOfficer, ...] = ()
    iat: float


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a certificate names: CN, ``serialNumber`` (X.520: 执法证号, for an admin the staff number) and ``title``."""

    name: str
    cert_no: str
    role: Role

    @property
    def number(self) -> str:
        """The number in its one form: two spellings are one officer."""
        return normal_number(self.cert_no)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that verified against its own certificate; whether that is to be believed, :func:`check_person` says."""

    text: str
    claims: SignatureClaims
    person: Person
    chain: tuple[x509.Certificate, ...]


def normal_number(cert_no: str) -> str:
    """As ``personal.OfficerKey`` takes it: width and case variants are one number, and so is white space within it."""
    return "".join(unicodedata.normalize("NFKC", cert_no).split()).upper()


def sign_statement(claims: SignatureClaims, signer: jws.Signer) -> str:
    """The compact JWS, without line end. ``signer`` brings its certificate chain."""
    return jws.sign(TYP, claims.model_dump(mode="json"), signer, with_chain=True)


def read_signature(text: str) -> Signature:
    """Parse and verify with the key of its own certificate. Raises StatementRefused."""
    try:
        parts = jws.split(text.strip(), with_chain=True)
        if parts.typ != TYP:
            raise JwsError(f"typ is {parts.typ[:40]!r}, not {TYP}")
        chain = parse_x5c(parts.header["x5c"])
        claims = SignatureClaims.model_validate(parts.payload)
    except (JwsError, ValidationError, ValueError) as error:
        reason = _first_line(error)
        raise StatementRefused(
            "signature-malformed", f"不是签名文件：{reason}", f"not a signature: {reason}"
        ) from error
    key = leaf_key(chain)
    if key is None or key_id(key) != parts.kid:
        raise StatementRefused(
            "signature-malformed", "签名文件不带签名密钥的证书", "it carries no certificate for the key that signed"
        )
    try:
        jose.check(text.strip(), parts, jose.verification_key(key))
    except JwsError as error:
        raise StatementRefused(
            "signature-forged", "签名与内容不符", "the signature does not belong to what it says"
        ) from error
    return Signature(text.strip(), claims, person_of(chain[0]), chain)


def person_of(certificate: x509.Certificate) -> Person:
    """Whom it names. Raises StatementRefused for a certificate that is no person's."""
    title = person_title(certificate)
    role = TITLES.get(title or "")
    numbers = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    name = common_name(certificate)
    if role is None or name is None or len(numbers) != 1 or not normal_number(str(numbers[0].value)):
        raise StatementRefused(
            "not-a-person",
            f"证书（{name}）不是执法人员或者管理人员的证书",
            f"the certificate ({name}) is not an officer's or an admin's",
        )
    return Person(name, str(numbers[0].value), role)


def check_person(signature: Signature, trust: Trust, at: float) -> None:
    """The agency issued the certificate, and it was good at ``at`` (seconds since 1970). Raises StatementRefused."""
    leaf, name = signature.chain[0], signature.person.name
    if not trust.authorities:
        raise StatementRefused(
            "no-authority", "信任目录没有 agency-ca.pem", "there is no agency-ca.pem in the trust folder"
        )
    verdict = leads_to_agency(signature.chain, trust)
    if not verdict.trusted:
        raise StatementRefused(
            "foreign-certificate", f"{name} 的证书：{verdict.zh}", f"certificate of {name}: {verdict.en}"
        )
    if not may_sign_documents(leaf):
        raise StatementRefused(
            "foreign-certificate",
            f"{name} 的证书不是文档签名证书",
            f"the certificate of {name} is not for signing documents",
        )
    not_before, not_after = validity(leaf)
    if not not_before <= at <= not_after:
        span = f"{formatting.wall(not_before)} – {formatting.wall(not_after)}"
        raise StatementRefused(
            "certificate-expired",
            f"{name} 的证书在 {formatting.wall(at)} 不在有效期（{span}）",
            f"the certificate of {name} is not valid at {formatting.wall(at)} (valid {span})",
        )
    revoked = trust.revoked_at(leaf)
    if revoked is not None and revoked <= at:
        since = formatting.wall(revoked)
        raise StatementRefused(
            "certificate-revoked",
            f"{name} 的证书已于 {since} 吊销",
            f"the certificate of {name} was revoked at {since}",
        )


def parse_signatures(texts: Sequence[str]) -> tuple[Signature, ...]:
    """:func:`read_signature` of each; the refusal says which one it was."""
    found = []
    for number, text in enumerate(texts, 1):
        try:
            found.append(read_signature(text))
        except StatementRefused as refused:
            raise StatementRefused(
                refused.code, f"第 {number} 个签名：{refused.zh}", f"signature {number}: {refused.en}"
            ) from refused
    return tuple(found)


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"[:200]
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
