"""书面说明 on the unit: what is taken in, what is refused and why, and that the record binds what was stored."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from recorder.evidence import records as r
from recorder.evidence.age import generate_identity
from recorder.evidence.age_reader import open_bytes
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import OsFiles
from recorder.evidence.personal import open_field
from recorder.evidence.signer import FileSigner
from recorder.evidence.statement_files import MAX_DOCUMENT, Document, DocumentError, file_name, keep, look_at
from recorder.evidence.statement_signatures import NamedOfficer, SignatureClaims, sign_statement
from recorder.unit.control_socket import PASSED_FILE
from recorder.unit.duties import DUTIES
from recorder.unit.events import ControlRequest
from tests.evidence.verify.agency import NOW, TestAgency
from tests.unit.unit_kit import UnitKit

AGENCY = TestAgency()
ZHANG = AGENCY.person("张三", "13010001001")
LI = AGENCY.person("李四", "13010001002")
ADMIN = AGENCY.person("王五", "G-7", "音像记录管理人员")
GAP = "6f1d2c3b-8a4e-4c55-9d7e-0b1a2c3d4e5f"
SESSION = "1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f"
DOCUMENT = b"%PDF-1.7 what happened"


@pytest.fixture
def kit(tmp_path: Path) -> UnitKit:
    """A unit with one gap of a recording that is over."""
    kit = unit_at(tmp_path)
    interrupt(kit, SESSION)
    return kit


def unit_at(tmp_path: Path, **options: Any) -> UnitKit:
    """A unit that trusts the agency, at a time at which its certificates are good."""
    kit = UnitKit(tmp_path / "unit", **options)
    AGENCY.trust(tmp_path / "unit" / "trust")
    kit.clock.offset_us = round(NOW * 1e6) - kit.clock.now_us
    return kit


def interrupt(kit: UnitKit, session_id: str) -> None:
    kit.unit.write(
        r.Interruption(
            gap_id=GAP,
            session_id=session_id,
            camera_id="cam0",
            cause="camera-unplugged",
            detail="",
            from_us=kit.clock.now_us,
            from_bootseed=kit.clock.boot_id(),
            last_segment_id=None,
        )
    )
    kit.turn()


def claims(**changes: Any) -> SignatureClaims:
    said: dict[str, Any] = {
        "ver": 1,
        "gap_id": GAP,
        "document_sha256": sha256_b64u(DOCUMENT),
        "legal_cause": "设备故障",
        "method": "certificate",
        "iat": NOW,
    }
    return SignatureClaims(**(said | changes))


def signed(*signers: FileSigner, **changes: Any) -> list[str]:
    return [sign_statement(claims(**changes), signer) for signer in signers]


def ask(kit: UnitKit, signatures: object, document: bytes | None = DOCUMENT, **changes: object) -> dict[str, Any]:
    message: dict[str, Any] = {
        "v": 1,
        "cmd": "statement-sign",
        "gap_id": GAP,
        "legal_cause": "设备故障",
        "signatures": signatures,
    }
    if document is not None:
        message[PASSED_FILE] = io.BytesIO(document)
    answers: list[dict[str, Any]] = []
    kit.events.put(ControlRequest(message | changes, answers.append))
    kit.turn()
    (answer,) = answers
    return answer


def code(answer: dict[str, Any]) -> str:
    assert not answer["ok"] and answer["error"]["zh"] and answer["error"]["en"]
    return str(answer["error"]["code"])


def statements(kit: UnitKit) -> list[dict[str, Any]]:
    return [payload for typ, payload in kit.records() if typ == "statement"]


def stored(kit: UnitKit) -> list[str]:
    folder = kit.data_dir / "statements"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# --- taken in ---


def test_a_statement_two_officers_signed_is_stored_and_recorded(kit: UnitKit) -> None:
    answer = ask(kit, signed(ZHANG, LI))
    assert answer["ok"] and answer["signers"] == 2
    (record,) = statements(kit)
    name = file_name(record["statement_id"], sealed=False)
    assert (kit.data_dir / name).read_bytes() == DOCUMENT
    assert record["document_sha256"] == record["stored_sha256"] == sha256_b64u(DOCUMENT)
    assert record["document_type"] == "application/pdf"
    assert len({signer["officer_ref"] for signer in record["signers"]}) == 2
    texts = [open_field(r.SealedField(**signer["signature"]), ()) for signer in record["signers"]]
    assert len(texts) == 2 and all(text.count(".") == 2 for text in texts)
    assert kit.index.gap(GAP) is not None and kit.index.unexplained_gaps() == 0


def test_an_officer_who_was_signed_in_has_the_same_reference(kit: UnitKit) -> None:
    ask(kit, signed(ZHANG, LI))
    (record,) = statements(kit)
    assert record["signers"][0]["officer_ref"] == kit.custody.officer_ref("13010001001")


def test_a_scanned_sheet_bound_by_an_admin(kit: UnitKit) -> None:
    officers = (NamedOfficer(name="张三", cert_no="1"), NamedOfficer(name="李四", cert_no="2"))
    answer = ask(kit, signed(ADMIN, method="scanned-sheet", officers=officers))
    assert answer["ok"] and answer["method"] == "scanned-sheet"
    (record,) = statements(kit)
    assert [signer["signature"] for signer in record["signers"]] == [None, None]
    assert record["bound_by"] is not None


def test_the_command_is_recorded_with_its_result(kit: UnitKit) -> None:
    ask(kit, signed(ZHANG))
    ask(kit, signed(ZHANG, LI))
    commands = [payload for typ, payload in kit.records() if typ == "command"]
    assert [(c["name"], c["result"], c["detail"]) for c in commands] == [
        ("statement-sign", "refused", "too-few-signers"),
        ("statement-sign", "accepted", ""),
    ]


# --- refused ---


@pytest.mark.parametrize(
    ("signatures", "expected"),
    [
        ([], "too-few-signers"),
        (signed(ZHANG), "too-few-signers"),
        (signed(ZHANG, ZHANG), "same-officer-twice"),
        (["13010001001", "13010001002"], "signature-malformed"),
        (signed(ZHANG, TestAgency("别的机关 CA").person("钱七", "9")), "foreign-certificate"),
        (signed(ZHANG, LI, document_sha256=sha256_b64u(b"before it was edited")), "other-document"),
        (signed(ZHANG, LI, legal_cause="人为阻挠"), "other-cause"),
        ("not a list", "bad-request"),
        (signed(ZHANG) * 9, "too-many-signatures"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_leaves_nothing_behind(signatures: object, expected: str, kit: UnitKit) -> None:
    assert code(ask(kit, signatures)) == expected
    assert statements(kit) == [] and stored(kit) == []


def test_a_gap_this_unit_does_not_have(kit: UnitKit) -> None:
    assert code(ask(kit, signed(ZHANG, LI), gap_id="00000000-0000-4000-8000-000000000000")) == "unknown-gap"


def test_a_cause_the_law_does_not_know(kit: UnitKit) -> None:
    assert code(ask(kit, signed(ZHANG, LI), legal_cause="心情不好")) == "bad-cause"


@pytest.mark.parametrize("document", [None, b"", b"x" * (MAX_DOCUMENT + 1)])
def test_no_document_an_empty_one_and_one_too_large(document: bytes | None, kit: UnitKit) -> None:
    assert code(ask(kit, signed(ZHANG, LI), document)) in ("no-document", "bad-document")


def test_a_pipe_is_no_document_and_does_not_hold_the_unit_up(kit: UnitKit) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        assert code(ask(kit, signed(ZHANG, LI), None, **{PASSED_FILE: pipe})) == "not-stored"
    os.close(writer)


def test_without_a_trust_folder_nobody_can_sign(kit: UnitKit) -> None:
    (kit.data_dir / "trust" / "agency-ca.pem").unlink()
    assert code(ask(kit, signed(ZHANG, LI))) == "no-authority"


def test_a_certificate_revoked_meanwhile_is_refused_without_a_restart(kit: UnitKit) -> None:
    lost = AGENCY.person("李四", "13010001002", serial=99)
    AGENCY.revoke(kit.data_dir / "trust", 99, NOW - 60)
    assert code(ask(kit, signed(ZHANG, lost))) == "certificate-revoked"


def test_an_interruption_that_is_not_over_is_too_early_unless_it_was_given_up(tmp_path: Path) -> None:
    kit = unit_at(tmp_path)
    kit.worker_up()
    kit.events.put(ControlRequest({"v": 1, "cmd": "start"}, lambda _: None))
    kit.turn()
    session_id = kit.unit.p.machine.session_id
    assert session_id is not None
    interrupt(kit, session_id)
    assert code(ask(kit, signed(ZHANG, LI))) == "gap-open"
    kit.unit.write(r.Event(event="cannot-resume", at_us=kit.clock.now_us, detail={"gap_id": GAP}))
    assert ask(kit, signed(ZHANG, LI))["ok"]


# --- the document on disk ---


@pytest.mark.parametrize("size", [1, 65536, 65537, 200_000])
def test_a_sealed_document_opens_to_what_was_signed(size: int, tmp_path: Path) -> None:
    identity = generate_identity()
    data = os.urandom(size)
    document = look_at(io.BytesIO(data))
    kept = keep(io.BytesIO(data), document, GAP, tmp_path, OsFiles(), [identity.recipient])
    on_disk = (tmp_path / file_name(GAP, sealed=True)).read_bytes()
    assert (kept.sha256, kept.size) == (sha256_b64u(on_disk), len(on_disk))
    assert open_bytes(on_disk, [identity]) == data


@pytest.mark.parametrize("after", [b"%PDF-1.7 what", DOCUMENT + b"!", b"%PDF-1.7 what hAppened"])
def test_a_document_that_changes_while_it_is_read_is_not_kept(after: bytes, tmp_path: Path) -> None:
    document = look_at(io.BytesIO(DOCUMENT))
    with pytest.raises(DocumentError):
        keep(io.BytesIO(after), document, GAP, tmp_path, OsFiles(), ())
    assert list((tmp_path / "statements").iterdir()) == []


def test_what_kind_of_document_it_is() -> None:
    assert look_at(io.BytesIO(b"\xff\xd8\xff\xe0")).media_type == "image/jpeg"
    assert look_at(io.BytesIO(b"???")) == Document(sha256_b64u(b"???"), 3, "application/octet-stream")


def test_storing_a_statement_is_no_tampering(tmp_path: Path) -> None:
    """The guard of art. 27 watches this folder too."""
    kit = unit_at(tmp_path, duties=DUTIES)
    interrupt(kit, SESSION)
    for _ in range(2):
        assert ask(kit, signed(ZHANG, LI))["ok"]
        for _ in range(5):
            kit.turn(200_000)
    assert len(stored(kit)) == 2
    codes = {payload["code"] for typ, payload in kit.records() if typ == "fault"}
    assert not any(name.startswith("evidence-") for name in codes)
    (kit.data_dir / "statements" / stored(kit)[0]).unlink()
    for _ in range(5):
        kit.turn(200_000)
    codes = {payload["code"] for typ, payload in kit.records() if typ == "fault"}
    assert "evidence-deleted" in codes, "and the guard does look"
    kit.unit.close()
