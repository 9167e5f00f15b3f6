"""Written statements (art. 23) of a ledger: their signatures by the same rule as the unit's, and the documents on disk.

Signatures name people and are sealed; without an identity that opens them there is only the unit's word that it checked
them, and the report says so.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from recorder.evidence.age import AgeError, Identity
from recorder.evidence.age_reader import AgeReader, NoIdentityMatch
from recorder.evidence.encoding import b64u
from recorder.evidence.personal import PersonalError, open_field
from recorder.evidence.records import SealedField, Statement
from recorder.evidence.statement_files import FOLDER, file_name
from recorder.evidence.statement_signatures import StatementRefused, parse_signatures
from recorder.evidence.statements import LEAST_SIGNERS, Signed, Subject, judge
from recorder.evidence.trust import Trust
from recorder.evidence.verify import tree
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.receipts import ReceiptBook
from recorder.evidence.verify.report import StatementReport
from recorder.evidence.verify.state import Ledger, StatementRecord
from recorder.evidence.verify.stored import digest_file


@dataclass(slots=True)
class StatementCheck:
    """Judges one vault's statements; a gap whose statement stands is ``stated`` afterwards."""

    vault: Path
    kind: str
    ledger: Ledger
    receipts: ReceiptBook
    trust: Trust
    findings: Findings
    identities: Sequence[Identity]
    reports: list[StatementReport] = field(default_factory=list)
    unopened: int = 0
    _nodes: dict[str, tree.Node] = field(default_factory=dict)

    def run(self) -> None:
        """Raises CannotRead for a folder that cannot be listed."""
        folder = self.vault / FOLDER
        if tree.is_folder(folder):
            self._nodes = {f"{FOLDER}/{node.name}": node for node in tree.walk(folder, 1)}
        for claim in self.ledger.statements:
            self._statement(claim)
        for name, node in self._nodes.items():
            code = "file-unsigned" if node.regular else "file-not-regular"
            self.findings.add(code, f"file {name}", file=name, size=node.size, what=node.kind, copy_zh="", copy_en="")

    def _statement(self, claim: StatementRecord) -> None:
        record = claim.record
        accepted, signed = self._judged(claim)
        gap = self.ledger.gaps.get(record.gap_id)
        if gap is not None and accepted is not False:
            gap.stated = True
        officers = tuple((officer.name, officer.cert_no) for officer in signed.officers) if signed else ()
        binder = signed.bound_by.person if signed and signed.bound_by else None
        self.reports.append(
            StatementReport(
                record.statement_id,
                record.gap_id,
                claim.iat,
                record.legal_cause,
                record.document_sha256,
                record.signers[0].method if record.signers else "none",
                accepted,
                officers,
                (binder.name, binder.cert_no) if binder else None,
                self._file(claim),
            )
        )

    # --- the signatures ---

    def _judged(self, claim: StatementRecord) -> tuple[bool | None, Signed | None]:
        """(True: stands; False: does not, and that is found; None: sealed)."""
        record = claim.record
        try:
            if record.gap_id not in self.ledger.gaps:
                raise StatementRefused("unknown-gap", "没有这个中断", "there is no such gap")
            if len({signer.officer_ref for signer in record.signers}) < LEAST_SIGNERS:
                raise StatementRefused(
                    "too-few-signers", "不足两名不同的执法人员", "fewer than two different officers signed"
                )
            texts = self._texts(record)
            if texts is None:
                self.findings.add("statement-sealed", f"gap {record.gap_id}", seq=claim.seq, gap=record.gap_id)
                return None, None
            # What the store vouches for, if it does: whoever holds a revoked key can claim any time.
            upper = self.receipts.upper(claim.seq)
            subject = Subject(record.gap_id, record.document_sha256, record.legal_cause)
            signed = self._signed(claim, subject, texts, claim.iat if upper is None else upper)
            if len(signed.officers) != len(record.signers) or signed.method != record.signers[0].method:
                raise StatementRefused(
                    "other-signers", "记录的签字人与签名不一致", "the record's signers are not those who signed"
                )
        except StatementRefused as refused:
            self.findings.add(
                "statement-forged",
                f"gap {record.gap_id}",
                seq=claim.seq,
                gap=record.gap_id,
                reason_zh=refused.zh,
                reason_en=refused.en,
            )
            return False, None
        return True, signed

    def _signed(self, claim: StatementRecord, subject: Subject, texts: Sequence[str], at: float) -> Signed:
        """Raises StatementRefused. A certificate that merely ran out on the way to the store is no forgery: when it signed
        is the unit's claim then, and the report says so. One that was revoked meanwhile is refused all the same."""
        try:
            return judge(subject, texts, self.trust, at)
        except StatementRefused as refused:
            if refused.code != "certificate-expired" or claim.iat >= at or self._is_revoked(texts, at):
                raise
        signed = judge(subject, texts, self.trust, claim.iat)
        self.findings.add("statement-unproven", f"gap {subject.gap_id}", seq=claim.seq, gap=subject.gap_id)
        return signed

    def _is_revoked(self, texts: Sequence[str], at: float) -> bool:
        revoked = [self.trust.revoked_at(signature.chain[0]) for signature in parse_signatures(texts)]
        return any(since is not None and since <= at for since in revoked)

    def _texts(self, record: Statement) -> list[str] | None:
        """The signatures' JWS; None when one is sealed to somebody else. Raises StatementRefused."""
        sealed = [signer.signature for signer in record.signers if signer.signature is not None]
        if record.bound_by is not None:
            sealed.append(record.bound_by)
        texts = []
        for one in sealed:
            try:
                texts.append(self._open(one))
            except NoIdentityMatch:
                self.unopened += bool(self.identities)
                return None
            except (AgeError, PersonalError) as error:
                raise StatementRefused(
                    "signature-altered", f"签名已损坏：{error}", f"a signature is damaged: {error}"
                ) from error
        return texts

    def _open(self, sealed: SealedField) -> str:
        value = open_field(sealed, self.identities)
        if not isinstance(value, str):
            raise PersonalError("不是签名 not a signature")
        return value

    # --- the document ---

    def _file(self, claim: StatementRecord) -> str:
        record = claim.record
        name = file_name(record.statement_id, record.sealed)
        node = self._nodes.pop(name, None)
        fields = {"file": name, "gap": record.gap_id, "seq": claim.seq}
        if node is None or not node.regular:
            code = "statement-document-missing" if self.kind == "unit" else "statement-elsewhere"
            self.findings.add(code, f"gap {record.gap_id}", **fields)
            return "missing"
        try:
            reason = self._altered(record, self.vault / name)
        except OSError as error:
            reason = error.strerror or str(error)
        if reason is not None:
            self.findings.add("statement-document-altered", f"gap {record.gap_id}", **fields, reason=reason)
            return "altered"
        return "present"

    def _altered(self, record: Statement, path: Path) -> str | None:
        """Why the stored document is not the signed one, None when it is. Raises OSError."""
        whole = digest_file(path)
        if (whole.size, whole.sha256) != (record.stored_size, record.stored_sha256):
            return f"SHA-256 {whole.sha256}"
        if not record.sealed:
            same = record.document_sha256 == whole.sha256
            return None if same else "document_sha256"
        return self._plain_differs(record, path) if self.identities else None

    def _plain_differs(self, record: Statement, path: Path) -> str | None:
        with os.fdopen(tree.open_regular(path), "rb") as stream:
            try:
                digest, size = _plain_digest(stream, self.identities)
            except NoIdentityMatch:
                self.unopened += 1
                return None
            except AgeError as error:
                return str(error)
        same = (digest, size) == (record.document_sha256, record.document_size)
        return None if same else f"it decrypts to SHA-256 {digest}"


def _plain_digest(stream: BinaryIO, identities: Sequence[Identity]) -> tuple[str, int]:
    """Digest and size of the plaintext. Raises AgeError."""
    reader = AgeReader(stream, identities)
    digest, size = hashlib.sha256(), 0
    for chunk in reader.chunks():
        digest.update(chunk)
        size += len(chunk)
    if reader.end is None or reader.end.state != "complete":
        raise AgeError("文件残缺或者被改动 torn or altered")
    return b64u(digest.digest()), size
