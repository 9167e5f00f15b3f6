"""Anchor, key and time: what receipts and certificates make of a ledger that has been read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from recorder.evidence import formatting
from recorder.evidence.trust import Trust, common_name, judge_chain, validity
from recorder.evidence.verify import bounds
from recorder.evidence.verify.bounds import TimeVerdict
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.keys import DeviceKey
from recorder.evidence.verify.receipts import ReceiptBook
from recorder.evidence.verify.report import KeyReport
from recorder.evidence.verify.state import Claims, Ledger


@dataclass(slots=True)
class Judge:
    """Judges one vault. All times are seconds since 1970."""

    ledger: Ledger
    receipts: ReceiptBook
    trust: Trust
    findings: Findings

    # --- anchor ---

    def anchor(self) -> None:
        """Anchored: every record of a recording lies at or below a receipt's head, and after it only bookkeeping."""
        anchored, last = self.receipts.anchored_seq, self.ledger.last_seq
        if self.receipts.unchecked:
            self.findings.add("receipts-unchecked", "receipts", count=self.receipts.unchecked)
        if self.receipts.tokens:
            self.findings.add("token-unchecked", "receipts", count=self.receipts.tokens)
        if anchored < 0:
            why = ("（信任目录没有 store-key.pem）", " (no store-key.pem in the trust folder)")
            zh, en = why if not self.trust.store_keys else ("", "")
            self.findings.add("unanchored", "journal", why_zh=zh, why_en=en)
            return
        evidence = max((session.claims.last_seq for session in self.ledger.sessions.values()), default=-1)
        if evidence > anchored:
            self.findings.add("anchor-behind", f"record {evidence}", anchored=anchored, last=evidence)
        elif last > anchored:
            self.findings.add("tail-bookkeeping", f"records {anchored + 1}–{last}", first=anchored + 1, last=last)

    def segment_anchor(self, claims: Claims) -> str:
        return "anchored" if claims.last_seq <= self.receipts.anchored_seq else "unanchored"

    # --- key ---

    def keys(self, keys: Iterable[DeviceKey]) -> list[KeyReport]:
        """A report on each key that signed; adds the findings."""
        return [self._key(key) for key in keys if key.last_seq >= 0]

    def _key(self, key: DeviceKey) -> KeyReport:
        status = self.key_status(key, key.last_seq, key.latest_iat)
        short = key.kid[:12]
        if status == "untrusted":
            verdict = judge_chain(key.chain, key.unit_id, self.trust)
            self.findings.add(
                "key-untrusted",
                f"key {key.kid}",
                seq=key.first_seq,
                kid=short,
                reason_zh=verdict.zh,
                reason_en=verdict.en,
            )
        elif status == "revoked":
            at = self.trust.revoked_at(key.chain[0])
            times = formatting.wall(at) if at is not None else "?"
            self.findings.add("key-revoked", f"key {key.kid}", kid=short, seq=key.last_seq, times=times)
        elif status == "expired":
            self.findings.add("key-expired", f"key {key.kid}", kid=short, seq=key.last_seq)
        leaf = key.chain[0] if key.chain else None
        not_before, not_after = validity(leaf) if leaf is not None else (None, None)
        return KeyReport(
            key.kid,
            common_name(leaf) if leaf is not None else None,
            _fingerprint(leaf),
            not_before,
            not_after,
            key.first_seq,
            key.last_seq,
            status,
        )

    def key_status(self, key: DeviceKey, seq: int, iat: float) -> str:
        """For signatures up to record ``seq``, claimed at ``iat``: judged by the time the store vouches for, not by today.

        Revocation asks for a receipt from before it: whoever stole a key can claim any time.
        """
        if not judge_chain(key.chain, key.unit_id, self.trust).trusted:
            return "untrusted"
        upper = self.receipts.upper(seq)
        revoked_at = self.trust.revoked_at(key.chain[0])
        if revoked_at is not None and (upper if upper is not None else math.inf) > revoked_at:
            return "revoked"
        if (upper if upper is not None else iat) > validity(key.chain[0])[1]:
            return "expired"
        return "trusted"

    # --- time ---

    def time(self, claims: Claims) -> TimeVerdict:
        return bounds.judge(claims.lowest, claims.highest, claims.lower, self.receipts.upper(claims.last_seq))

    def sessions(self) -> dict[str, TimeVerdict]:
        """Verdict per session; adds the findings."""
        verdicts = {}
        for session in self.ledger.sessions.values():
            verdict = verdicts[session.session_id] = self.time(session.claims)
            if not verdict.proven:
                self._claimed(f"session {session.session_id}", session.session_id, verdict.zh, verdict.en)
        return verdicts

    def journal(self) -> None:
        """A journal without a recording, or without a single verified record, must not come out at its best."""
        if not self.ledger.records:
            self._claimed("journal", "-", "没有日志", "there is no journal")
            reason = {"reason_zh": "没有可验证的签名", "reason_en": "nothing verifiable is signed"}
            self.findings.add("key-untrusted", "journal", seq=0, kid="-", **reason)
        elif not self.ledger.sessions and self.receipts.anchored_seq < 0:
            self._claimed("journal", "-", "没有回执", "there is no receipt")

    def _claimed(self, subject: str, session: str, zh: str, en: str) -> None:
        self.findings.add("time-claimed", subject, session=session, why_zh=zh, why_en=en)


def _fingerprint(certificate: x509.Certificate | None) -> str | None:
    return certificate.fingerprint(hashes.SHA256()).hex() if certificate is not None else None


def receipt_conflicts(ledger: Ledger, receipts: ReceiptBook, findings: Findings) -> None:
    """A segment the store holds must be the one the journal names."""
    for segment_id, all_held in receipts.held.items():
        segment = ledger.segments.get(segment_id)
        if segment is None or segment.sha256 is None:
            continue
        for held in all_held:
            if (held.sha256, held.size) != (segment.sha256, segment.size):
                findings.add("receipt-conflict", f"segment {segment_id}", receipt=held.jti, segment=segment_id)
