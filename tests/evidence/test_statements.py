"""Art. 23: two different officers sign the same statement, or an admin binds the sheet they signed; nothing less counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.records import LegalCause
from recorder.evidence.signer import FileSigner
from recorder.evidence.statement_signatures import NamedOfficer, SignatureClaims, StatementRefused, sign_statement
from recorder.evidence.statements import Signed, Subject, judge
from recorder.evidence.trust import Trust, load_trust
from tests.evidence.verify.agency import DAY, NOW, TestAgency

AGENCY = TestAgency()
GAP = "6f1d2c3b-8a4e-4c55-9d7e-0b1a2c3d4e5f"
DOCUMENT = sha256_b64u(b"the document")
SUBJECT = Subject(GAP, DOCUMENT, "设备故障")
ZHANG = AGENCY.person("张三", "13010001001")
LI = AGENCY.person("李四", "13010001002")
ADMIN = AGENCY.person("王五", "G-7", "音像记录管理人员")


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return load_trust(AGENCY.trust(tmp_path_factory.mktemp("trust")))


def claims(**changes: Any) -> SignatureClaims:
    said: dict[str, Any] = {
        "ver": 1,
        "gap_id": GAP,
        "document_sha256": DOCUMENT,
        "legal_cause": "设备故障",
        "method": "certificate",
        "iat": NOW,
    }
    return SignatureClaims(**(said | changes))


def signed(*signers: FileSigner, **changes: Any) -> list[str]:
    return [sign_statement(claims(**changes), signer) for signer in signers]


def scanned(*officers: tuple[str, str], by: FileSigner = ADMIN) -> list[str]:
    named = tuple(NamedOfficer(name=name, cert_no=number) for name, number in officers)
    return signed(by, method="scanned-sheet", officers=named)


def refusal(texts: list[str], trust: Trust, subject: Subject = SUBJECT, at: float = NOW) -> StatementRefused:
    with pytest.raises(StatementRefused) as caught:
        judge(subject, texts, trust, at)
    assert caught.value.zh and caught.value.en
    return caught.value


def test_two_officers_over_the_same_document_are_a_statement(trust: Trust) -> None:
    statement = judge(SUBJECT, signed(ZHANG, LI), trust, NOW)
    assert isinstance(statement, Signed)
    assert [(officer.name, officer.cert_no) for officer in statement.officers] == [
        ("张三", "13010001001"),
        ("李四", "13010001002"),
    ]
    assert statement.bound_by is None


def test_a_third_signature_is_welcome(trust: Trust) -> None:
    third = AGENCY.person("赵六", "13010001003")
    assert len(judge(SUBJECT, signed(ZHANG, LI, third), trust, NOW).officers) == 3


@pytest.mark.parametrize("texts", [[], signed(ZHANG)])
def test_fewer_than_two_are_refused(texts: list[str], trust: Trust) -> None:
    assert refusal(texts, trust).code == "too-few-signers"


def test_the_same_officer_with_two_keys_is_one_officer(trust: Trust) -> None:
    again = AGENCY.person("张三", "130 1000 1001", serial=71)  # another certificate, the number written another way
    refused = refusal(signed(ZHANG, again), trust)
    assert refused.code == "same-officer-twice"
    assert "13010001001" in refused.en


def test_a_changed_text_is_refused_and_both_digests_are_named(trust: Trust) -> None:
    other = sha256_b64u(b"another document")
    refused = refusal(signed(ZHANG, LI), trust, Subject(GAP, other, "设备故障"))
    assert refused.code == "other-document"
    assert other in refused.zh and DOCUMENT in refused.zh


def test_officers_who_signed_different_texts_are_refused(trust: Trust) -> None:
    texts = signed(ZHANG) + signed(LI, document_sha256=sha256_b64u(b"another document"))
    assert refusal(texts, trust).code == "other-document"


def test_a_statement_for_another_gap_or_cause_is_refused(trust: Trust) -> None:
    other_gap = Subject("00000000-0000-4000-8000-000000000000", DOCUMENT, "设备故障")
    weather: LegalCause = "天气恶劣"
    assert refusal(signed(ZHANG, LI), trust, other_gap).code == "other-gap"
    assert refusal(signed(ZHANG, LI), trust, Subject(GAP, DOCUMENT, weather)).code == "other-cause"


def test_another_agency_s_officer_is_refused(trust: Trust) -> None:
    stranger = TestAgency("别的机关 CA").person("钱七", "13010001009")
    refused = refusal(signed(ZHANG, stranger), trust)
    assert refused.code == "foreign-certificate"
    assert "钱七" in refused.zh


def test_without_an_authority_nobody_is_believed(tmp_path: Path) -> None:
    assert refusal(signed(ZHANG, LI), load_trust(AGENCY.trust(tmp_path, ca=False))).code == "no-authority"


def test_an_expired_certificate_and_one_not_yet_valid_are_refused(trust: Trust) -> None:
    old = AGENCY.person("李四", "13010001002", not_after=NOW + DAY)
    judge(SUBJECT, signed(ZHANG, old), trust, NOW + DAY)
    assert refusal(signed(ZHANG, old), trust, at=NOW + DAY + 1).code == "certificate-expired"
    assert refusal(signed(ZHANG, LI), trust, at=0).code == "certificate-expired"


def test_a_revoked_certificate_is_refused_from_its_revocation_on(tmp_path: Path) -> None:
    folder = AGENCY.trust(tmp_path)
    AGENCY.revoke(folder, 72, NOW)
    lost = AGENCY.person("李四", "13010001002", serial=72)
    judge(SUBJECT, signed(ZHANG, lost), load_trust(folder), NOW - 1)
    assert refusal(signed(ZHANG, lost), load_trust(folder)).code == "certificate-revoked"


def test_a_device_key_is_no_officer(trust: Trust) -> None:
    assert refusal(signed(ZHANG, AGENCY.issue("zfy-000001")), trust).code == "not-a-person"


def test_an_admin_does_not_sign_as_an_officer(trust: Trust) -> None:
    assert refusal(signed(ZHANG, ADMIN), trust).code == "not-an-officer"


@pytest.mark.parametrize("text", ["13010001002", '{"cert_no": "13010001002"}', "", "a.b.c"])
def test_a_typed_in_number_is_no_signature(text: str, trust: Trust) -> None:
    refused = refusal([*signed(ZHANG), text], trust)
    assert refused.code == "signature-malformed"
    assert "第 2 个" in refused.zh


def test_an_edited_signature_is_refused(trust: Trust) -> None:
    header, _, signature = signed(LI)[0].split(".")
    _, payload, _ = signed(LI, legal_cause="人为阻挠")[0].split(".")
    edited = f"{header}.{payload}.{signature}"
    assert refusal([*signed(ZHANG), edited], trust).code == "signature-forged"


def test_a_certificate_that_is_not_the_key_s_is_refused(trust: Trust) -> None:
    class Pretender:
        kid, x5c = ZHANG.kid, LI.x5c
        sign, public_key = ZHANG.sign, ZHANG.public_key

    text = jws.sign("statement-signature", claims().model_dump(mode="json"), Pretender(), with_chain=True)
    assert refusal([*signed(LI), text], trust).code == "signature-malformed"


def test_a_journal_record_is_no_signature(trust: Trust) -> None:
    text = jws.sign("mark", claims().model_dump(mode="json"), LI, with_chain=True)
    assert refusal([*signed(ZHANG), text], trust).code == "signature-malformed"


# --- the scanned sheet ---


def test_an_admin_binds_the_sheet_two_officers_signed_by_hand(trust: Trust) -> None:
    statement = judge(SUBJECT, scanned(("张三", "1"), ("李四", "2")), trust, NOW)
    assert statement.method == "scanned-sheet"
    assert [officer.name for officer in statement.officers] == ["张三", "李四"]
    assert statement.bound_by is not None and statement.bound_by.person.name == "王五"


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (scanned(("张三", "1")), "too-few-signers"),
        (scanned(("张三", "1"), ("李四", " 1")), "same-officer-twice"),
        (scanned(("张三", "1"), ("李四", " ")), "no-number"),
        (scanned(("张三", "1"), ("李四", "2"), by=ZHANG), "not-an-admin"),
        (scanned(("王五", "g-7"), ("李四", "2")), "binder-is-signer"),
        (scanned(("张三", "1"), ("李四", "2")) * 2, "one-binder"),
        (scanned(("张三", "1"), ("李四", "2")) + signed(LI), "mixed-methods"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_scanned_sheet_needs(texts: list[str], code: str, trust: Trust) -> None:
    assert refusal(texts, trust).code == code


def test_a_person_s_certificate_speaks_for_no_device(trust: Trust) -> None:
    from recorder.evidence.trust import judge_chain, parse_x5c

    disguised = AGENCY.person("zfy-000001", "13010001001")
    assert not judge_chain(parse_x5c(list(disguised.x5c)), "zfy-000001", trust).trusted
