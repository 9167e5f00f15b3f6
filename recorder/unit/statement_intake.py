"""书面说明 (art. 23): takes in a statement that is signed, by the rule of ``evidence.statements``; refuses anything less.

Who may sign what is decided there and by the agency's certificates. Here: whether there is such a gap and whether it is
over, keeping the document, and the record.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO, get_args

from recorder.evidence.age import AgeError
from recorder.evidence.errors import CannotRead
from recorder.evidence.records import LegalCause, Signer, Statement
from recorder.evidence.statement_files import Document, DocumentError, look_at
from recorder.evidence.statement_signatures import StatementRefused, normal_number
from recorder.evidence.statements import Signed, Subject, judge
from recorder.evidence.trust import load_trust
from recorder.unit.control_socket import PASSED_FILE, refusal
from recorder.unit.duty import Answer, UnitServices
from recorder.unit.parts import Parts


def take_in(services: UnitServices, message: dict[str, Any], given_up: Collection[str]) -> Answer:
    """``message``: ``gap_id``, ``legal_cause``, ``signatures`` (JWS texts), and the document as the passed file."""
    gap_id, texts = message.get("gap_id"), message.get("signatures")
    stream = message.get(PASSED_FILE)
    causes: tuple[LegalCause, ...] = get_args(LegalCause)
    cause = next((cause for cause in causes if cause == message.get("legal_cause")), None)
    if cause is None:
        said = "、".join(causes)
        return refusal("bad-cause", f"中断原因应为：{said}", f"the legal cause is one of {said}")
    if not isinstance(gap_id, str) or not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        return refusal("bad-request", "需要中断编号和签名", "a gap and signatures are needed")
    if stream is None:
        return refusal("no-document", "没有收到文件", "no document came with the request")
    try:
        _check_gap(services.p, gap_id, given_up)
        document = look_at(stream)
        trust = load_trust(Path(services.p.config.trust.dir))
        signed = judge(Subject(gap_id, document.sha256, cause), texts, trust, services.wall_us() / 1e6)
        return _take(services, gap_id, cause, signed, stream, document)
    except StatementRefused as error:
        return refusal(error.code, error.zh, error.en)
    except DocumentError as error:
        return refusal("bad-document", error.zh, error.en)
    except CannotRead as error:
        return refusal("no-trust", f"{error.path}：{error.zh}", f"{error.path}: {error.en}")
    except (OSError, AgeError) as error:
        return refusal("not-stored", f"文件无法保存：{error}", f"the document cannot be stored: {error}")


def _check_gap(parts: Parts, gap_id: str, given_up: Collection[str]) -> None:
    gap = parts.custody.gap(gap_id)
    if gap is None and parts.custody.index_behind:
        raise StatementRefused("index-behind", "索引正在重建，请稍后再试", "the index is being rebuilt: try later")
    if gap is None:
        raise StatementRefused("unknown-gap", f"本机没有中断 {gap_id}", f"this unit has no gap {gap_id}")
    over = gap["duration_us"] is not None or gap["session_id"] != parts.machine.session_id
    if not over and gap_id not in given_up:
        raise StatementRefused(
            "gap-open",
            "中断尚未结束：请先停止录制，现场执法结束后再作书面说明",
            "the interruption is not over: end the recording first, the statement follows the scene (art. 23)",
        )


def _take(
    services: UnitServices, gap_id: str, cause: LegalCause, signed: Signed, stream: BinaryIO, document: Document
) -> Answer:
    custody = services.p.custody
    statement_id = str(uuid.uuid4())
    stored, sealed = custody.keep_document(stream, document, statement_id)  # durable before a record names it
    texts = [custody.sealed(signature.text) for signature in signed.signatures]
    signers = tuple(
        Signer(
            officer_ref=custody.officer_ref(normal_number(officer.cert_no)),
            method=signed.method,
            signature=texts[number] if texts else None,
        )
        for number, officer in enumerate(signed.officers)
    )
    services.write(
        Statement(
            statement_id=statement_id,
            gap_id=gap_id,
            legal_cause=cause,
            document_sha256=document.sha256,
            document_size=document.size,
            document_type=document.media_type,
            stored_sha256=stored.sha256,
            stored_size=stored.size,
            sealed=sealed,
            signers=signers,
            bound_by=custody.sealed(signed.bound_by.text) if signed.bound_by else None,
        )
    )
    return {
        "ok": True,
        "statement_id": statement_id,
        "document_sha256": document.sha256,
        "method": signed.method,
        "signers": len(signers),
    }
