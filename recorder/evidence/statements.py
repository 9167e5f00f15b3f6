"""When a written statement (《音像记录中断情况说明》, art. 23) is signed: one rule for unit, verifier and commands. Pure.

「书面说明情况，并由两名以上执法人员签字」: two or more *different* officers, told apart by certificate number and not by
key, over the same document, gap and legal cause. Either each signs with a certificate of the agency, or they sign a sheet
by hand and an admin, who is none of them, binds its scan and says who signed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from recorder.evidence.records import LegalCause
from recorder.evidence.statement_signatures import (
    NamedOfficer,
    Person,
    Signature,
    SignatureClaims,
    StatementRefused,
    check_person,
    normal_number,
    parse_signatures,
)
from recorder.evidence.trust import Trust

LEAST_SIGNERS = 2
MOST_SIGNERS = 8
"""Signatures of one statement: a bound for what a request may make the unit verify."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What has to have been signed."""

    gap_id: str
    document_sha256: str
    legal_cause: LegalCause


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement that is signed. ``officers`` with their own ``signatures`` in the same order (``certificate``), or
    without, and ``bound_by`` the admin's (``scanned-sheet``)."""

    method: Literal["certificate", "scanned-sheet"]
    officers: tuple[NamedOfficer, ...]
    signatures: tuple[Signature, ...]
    bound_by: Signature | None


def judge(subject: Subject, texts: Sequence[str], trust: Trust, at: float) -> Signed:
    """The statement, if ``texts`` (JWS each) make it one at ``at`` (seconds since 1970). Raises StatementRefused."""
    if len(texts) > MOST_SIGNERS:
        raise StatementRefused(
            "too-many-signatures", f"签名超过 {MOST_SIGNERS} 个", f"more than {MOST_SIGNERS} signatures"
        )
    signatures = parse_signatures(texts)
    for signature in signatures:
        _same_subject(subject, signature)
    for signature in signatures:
        check_person(signature, trust, at)
    methods = {signature.claims.method for signature in signatures}
    if methods == {"scanned-sheet"}:
        return _scanned(signatures)
    if "scanned-sheet" in methods:
        raise StatementRefused(
            "mixed-methods",
            "电子签名与扫描件不能合用：两名执法人员须以同一方式签同一份说明",
            "signatures with certificates and a scanned sheet do not mix: both officers sign the same document one way",
        )
    return _certified(signatures)


def _certified(signatures: tuple[Signature, ...]) -> Signed:
    for signature in signatures:
        if signature.person.role != "officer":
            name = signature.person.name
            raise StatementRefused(
                "not-an-officer", f"{name} 不是行政执法人员", f"{name} is not an officer and cannot sign as one"
            )
    officers = tuple(_named(signature.person) for signature in signatures)
    _enough(officers)
    return Signed("certificate", officers, signatures, None)


def _scanned(signatures: tuple[Signature, ...]) -> Signed:
    if len(signatures) != 1:
        raise StatementRefused(
            "one-binder", "扫描件由一名管理人员绑定", "a scanned sheet is bound by one admin, not by several"
        )
    admin = signatures[0]
    if admin.person.role != "admin":
        raise StatementRefused(
            "not-an-admin",
            f"{admin.person.name} 不是音像记录管理人员，不能绑定扫描件",
            f"{admin.person.name} is not an admin and cannot bind a scanned sheet",
        )
    officers = admin.claims.officers
    _enough(officers)
    if admin.person.number in {normal_number(officer.cert_no) for officer in officers}:
        raise StatementRefused(
            "binder-is-signer",
            f"{admin.person.name} 不能既签字又绑定扫描件",
            f"{admin.person.name} cannot both sign the sheet and bind it",
        )
    return Signed("scanned-sheet", officers, (), admin)


def _same_subject(subject: Subject, signature: Signature) -> None:
    claims, name = signature.claims, signature.person.name
    if claims.gap_id != subject.gap_id:
        raise StatementRefused(
            "other-gap",
            f"{name} 签的是中断 {claims.gap_id}，不是 {subject.gap_id}",
            f"{name} signed for gap {claims.gap_id}, not {subject.gap_id}",
        )
    if claims.document_sha256 != subject.document_sha256:
        raise StatementRefused(
            "other-document",
            f"{name} 签的是另一份文本（{claims.document_sha256}），现在的是 {subject.document_sha256}：签字后被改动过",
            f"{name} signed another text ({claims.document_sha256}); this one is {subject.document_sha256}: "
            "it was changed after signing",
        )
    if claims.legal_cause != subject.legal_cause:
        raise StatementRefused(
            "other-cause",
            f"{name} 签的中断原因是{claims.legal_cause}，不是{subject.legal_cause}",
            f"{name} signed for the cause {claims.legal_cause}, not {subject.legal_cause}",
        )


def _enough(officers: tuple[NamedOfficer, ...]) -> None:
    numbers = Counter(normal_number(officer.cert_no) for officer in officers)
    if any(not number for number in numbers) or any(not officer.name.strip() for officer in officers):
        raise StatementRefused("no-number", "缺少姓名或者执法证号", "a name or a certificate number is missing")
    twice = sorted(number for number, count in numbers.items() if count > 1)
    if twice:
        raise StatementRefused(
            "same-officer-twice",
            f"同一名执法人员签了两次（执法证号 {twice[0]}）：须由两名不同的执法人员签字",
            f"the same officer signed twice (certificate number {twice[0]}): two different officers have to sign",
        )
    if len(numbers) < LEAST_SIGNERS:
        raise StatementRefused(
            "too-few-signers",
            f"只有 {len(numbers)} 名执法人员签字，须两名以上（第二十三条）",
            f"{len(numbers)} officer(s) signed; two or more have to (art. 23)",
        )


def _named(person: Person) -> NamedOfficer:
    return NamedOfficer(name=person.name, cert_no=person.cert_no)


__all__ = ["LEAST_SIGNERS", "SignatureClaims", "Signed", "StatementRefused", "Subject", "judge"]
