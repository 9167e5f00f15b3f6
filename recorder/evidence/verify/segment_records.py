"""The records of a segment's life: opened, signed head by head, closed or recovered, released; and their contradictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recorder.evidence import records as r
from recorder.evidence.verify.boots import BootRecords
from recorder.evidence.verify.chain import Chain, Link
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.state import Claims, Ledger, Segment, Session, TornTail

FindSession = Callable[[Link, r.Common, str], Session | None]
"""The session of a record, its claims extended by the record."""


@dataclass(slots=True)
class SegmentRecords:
    chain: Chain
    ledger: Ledger
    findings: Findings
    boots: BootRecords
    session: FindSession

    def on_open(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.SegmentOpen)
        if record.segment_id in self.ledger.segments:
            self._disagree(link, record.segment_id, "opened a second time")
            return
        session = self.session(link, common, record.session_id)
        if session is not None:
            session.segments += 1
        elif self.chain.whole:
            self._disagree(link, record.segment_id, "opened without a session")
        segment = self._new(
            link, common, record.segment_id, record.session_id, record.camera_id, record.role, record.media_start_us
        )
        segment.sealed = record.encryption.format != "none"
        segment.index = record.segment_index

    def _new(
        self,
        link: Link,
        common: r.Common,
        segment_id: str,
        session_id: str,
        camera_id: str,
        role: str,
        start_us: int,
    ) -> Segment:
        segment = Segment(
            segment_id=segment_id,
            session_id=session_id,
            camera_id=camera_id,
            role=role,
            sealed=True,
            boot=self.boots.current,
            start_us=start_us,
            end_us=start_us,
            claims=Claims.begin(link.seq, common.iat, self.boots.lower),
            file=link.place.file,
            offset=link.place.offset,
            kid=link.key.kid,
        )
        self.ledger.segments[segment_id] = segment
        return segment

    def _find(self, link: Link, common: r.Common, segment_id: str) -> Segment | None:
        """The open segment a record speaks of."""
        segment = self.ledger.segments.get(segment_id)
        if segment is None:
            if self.chain.whole:  # with lines lost its opening may be among them: that loss is found already
                self._disagree(link, segment_id, f"{link.typ} of a segment that was never opened")
            return None
        if segment.state != "open":
            self._disagree(link, segment_id, f"{link.typ} after its end")
            return None
        segment.claims.extend(link.seq, common.iat)
        self.session(link, common, segment.session_id)
        return segment

    def on_head(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Head)
        segment = self._find(link, common, record.segment_id)
        if segment is None:
            return
        if record.first != segment.entries:
            self._disagree(link, record.segment_id, f"entry {record.first} follows {segment.entries} entries")
            return
        for offset, length, _, _, media_end_us in record.entries:
            if offset != segment.signed_end or length == 0:
                self._disagree(link, record.segment_id, f"entry {segment.entries} is not behind the one before")
                return
            if media_end_us < segment.end_us:
                self._disagree(link, record.segment_id, f"media of entry {segment.entries} go back in time")
            segment.entries += 1
            segment.signed_end = offset + length
            segment.end_us = max(segment.end_us, media_end_us)

    def on_close(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.SegmentClose)
        segment = self._find(link, common, record.segment_id)
        if segment is None:
            return
        for wrong, reason in (
            (record.session_id != segment.session_id, "closed in another session"),
            (record.entries != segment.entries, f"closed with {record.entries} entries, {segment.entries} signed"),
            (record.size != segment.signed_end, f"closed with {record.size} bytes, {segment.signed_end} signed"),
            (record.media_start_us != segment.start_us, "closed with another start"),
        ):
            if wrong and self.chain.whole:
                self._disagree(link, record.segment_id, reason)
        segment.state = "closed"
        segment.size, segment.sha256 = record.size, record.sha256
        segment.plain_size, segment.plain_sha256 = record.plaintext_size, record.plaintext_sha256
        segment.end_us = record.media_end_us
        segment.frames = record.frames

    def on_recovery(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Recovery)
        if record.torn_file is not None:
            self.ledger.torn.append(TornTail(link.seq, record.torn_file, record.torn_digest))
        if record.subject == "journal":
            self.findings.add("journal-recovered", f"record {link.seq}", seq=link.seq, torn=record.torn_bytes)
        elif record.segment_id is not None:
            self._recovered(link, common, record, record.segment_id)

    def _recovered(self, link: Link, common: r.Common, record: r.Recovery, segment_id: str) -> None:
        segment = self.ledger.segments.get(segment_id)
        if segment is None:
            # A file whose opening never reached the journal: signed for by the recovery only, its time unknown.
            session_id, camera_id = record.session_id or "", record.camera_id or ""
            segment = self._new(link, common, segment_id, session_id, camera_id, "orphan", common.uptime_us)
        elif segment.state == "closed":
            self._disagree(link, segment_id, "recovered after it was closed")
            return
        segment.claims.extend(link.seq, common.iat)
        self.session(link, common, segment.session_id)
        if self.chain.whole and record.signed_entries != segment.entries:
            reason = f"recovered with {record.signed_entries} signed entries, {segment.entries} signed"
            self._disagree(link, segment_id, reason)
        segment.size, segment.sha256 = record.kept_bytes, record.sha256
        subject = f"segment {segment_id}"
        if record.outcome == "kept":
            segment.state = "recovered"
            self.findings.add(
                "segment-recovered",
                subject,
                segment=segment_id,
                reason=record.reason,
                kept=record.kept_bytes,
                unsigned=record.unsigned.length if record.unsigned is not None else 0,
                torn=record.torn_bytes,
            )
        elif segment.entries:
            segment.state = "lost"
            self.findings.add(
                "segment-missing",
                subject,
                segment=segment_id,
                why_zh=f"恢复时就已不在（记录 {link.seq}），而它有 {segment.entries} 项已签名",
                why_en=f"it was gone at recovery (record {link.seq}) with {segment.entries} entries signed",
            )
        else:
            segment.state = "empty"
            self.findings.add("segment-empty", subject, segment=segment_id)

    def on_release(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Release)
        segment = self.ledger.segments.get(record.segment_id)
        if segment is None:
            return
        if record.sha256 != segment.sha256 or record.size != segment.size:
            self._disagree(link, record.segment_id, "its release names another digest or size")
            return
        segment.release = record.receipt_digest

    def _disagree(self, link: Link, segment_id: str, reason: str) -> None:
        self.findings.add(
            "segment-inconsistent", f"segment {segment_id}", segment=segment_id, seq=link.seq, reason=reason
        )
