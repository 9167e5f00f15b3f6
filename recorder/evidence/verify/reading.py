"""From verified lines to the ledger: what each record type says, checked against what was said before.

Only links of the chain get here, so every statement is the unit's own, signed. What contradicts itself is found all the
same: a unit that lies or a key that was used as an oracle signs contradictions too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import ValidationError

from recorder.evidence import records as r
from recorder.evidence.verify import formatting
from recorder.evidence.verify.bounds import CLOCK_TOLERANCE_S, StepWatch
from recorder.evidence.verify.chain import Chain, Link
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.receipts import ReceiptBook
from recorder.evidence.verify.state import (
    At,
    Boot,
    Claims,
    Gap,
    Interval,
    Ledger,
    Officer,
    Segment,
    Session,
    Shift,
    TornTail,
)
from recorder.evidence.verify.trust import Trust, judge_chain, validity

_COMMON = frozenset(r.Common.model_fields)


class FieldOpener(Protocol):
    """Opens sealed fields when an identity was given."""

    def open_field(self, seq: int, name: str, sealed: r.SealedField) -> object | None:
        """The value, or None when it cannot be opened; a wrong digest is found."""


@dataclass(slots=True)
class Reading:
    """Feed links in order. ``opener`` None: sealed fields stay closed."""

    chain: Chain
    findings: Findings
    receipts: ReceiptBook
    trust: Trust
    opener: FieldOpener | None = None
    ledger: Ledger = field(default_factory=Ledger)
    _seeds: dict[str, int] = field(default_factory=dict)
    _boot: int = -1
    _lower: float | None = None
    _steps: StepWatch = field(default_factory=StepWatch)
    _contradicted: set[int] = field(default_factory=set)
    _open_gaps: dict[str, list[Gap]] = field(default_factory=dict)
    _apply: dict[str, Callable[[Link, r.Common, r.Record], None]] = field(init=False)

    def __post_init__(self) -> None:
        self._apply = {
            "boot": self._on_boot,
            "recovery": self._on_recovery,
            "shift-start": self._on_shift_start,
            "shift-end": self._on_shift_end,
            "officer-sign-in": self._on_sign_in,
            "standby": self._on_standby,
            "session-start": self._on_session_start,
            "segment-open": self._on_segment_open,
            "head": self._on_head,
            "segment-close": self._on_segment_close,
            "session-stop": self._on_session_stop,
            "interruption": self._on_interruption,
            "resumption": self._on_resumption,
            "explanation": self._on_explanation,
            "statement": self._on_statement,
            "mark": self._on_mark,
            "fault": self._on_fault,
            "event": self._on_event,
            "receipt": self._on_receipt,
            "release": self._on_release,
        }

    def feed(self, link: Link) -> None:
        """Take in one record."""
        link.key.signed(link.seq, link.payload["iat"])
        self.receipts.match(self.chain.journal_id, link.seq, link.digest)
        self.ledger.records += 1
        self.ledger.last_seq, self.ledger.last_typ = link.seq, link.typ
        self.ledger.last_iat = link.payload["iat"]
        try:
            common, record = parse(link)
        except (ValidationError, ValueError) as error:
            self.findings.add(
                "journal-record-invalid", f"record {link.seq}", seq=link.seq, typ=link.typ[:40], reason=_first(error)
            )
            return
        self._move_to(link, common)
        handler = self._apply.get(link.typ)
        if handler is not None:
            handler(link, common, record)
        self._check_clock(link, common)

    # --- boots and clocks ---

    def _move_to(self, link: Link, common: r.Common) -> None:
        known = self._seeds.get(common.bootseed)
        if known is None:
            if link.typ != "boot":
                self._inconsistent(link, "a new boot id without a boot record")
            if self._boot >= 0 and common.bootcount <= self.ledger.boots[self._boot].bootcount:
                self._inconsistent(link, f"boot count {common.bootcount} does not grow")
            known = self._seeds[common.bootseed] = len(self.ledger.boots)
            self.ledger.boots.append(
                Boot(
                    common.bootseed,
                    common.bootcount,
                    link.seq,
                    common.uptime_us,
                    common.iat,
                    common.uptime_us,
                    common.iat,
                )
            )
        boot = self.ledger.boots[known]
        if known < self._boot:
            self._inconsistent(link, "the boot id of an earlier boot")
        elif common.bootcount != boot.bootcount:
            self._inconsistent(link, f"boot count {common.bootcount} within boot {boot.bootcount}")
        elif common.uptime_us < boot.last_us:
            self._inconsistent(link, "uptime goes back")
        self._boot = max(known, self._boot)
        self._steps.update(link.seq, known, common.uptime_us, common.iat, fresh=link.typ == "boot")
        boot.last_us, boot.last_iat = max(boot.last_us, common.uptime_us), common.iat

    def _check_clock(self, link: Link, common: r.Common) -> None:
        """Contradictions are found once per boot and side: a wrong clock is wrong in every record."""
        if self._lower is not None and common.iat < self._lower - CLOCK_TOLERANCE_S:
            key = self._boot
            if key not in self._contradicted:
                self._contradicted.add(key)
                bound = formatting.wall(self._lower)
                self.findings.add(
                    "time-contradicted",
                    f"record {link.seq}",
                    seq=link.seq,
                    times=formatting.wall(common.iat),
                    why_zh=f"早于此前的回执或证书（{bound}）",
                    why_en=f"before the receipt or certificate it already knew ({bound})",
                )

    def _inconsistent(self, link: Link, reason: str) -> None:
        self.findings.add("boot-inconsistent", f"record {link.seq}", seq=link.seq, reason=reason)

    def finish(self) -> None:
        """After the last record."""
        for seq, change in self._steps.unrecorded:
            self.findings.add("clock-step-unrecorded", f"record {seq}", seq=seq, length=formatting.length(change))

    def _on_boot(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Boot)
        if self.ledger.unit_id and record.unit_id != self.ledger.unit_id:
            self._inconsistent(link, f"unit {record.unit_id} instead of {self.ledger.unit_id}")
        self.ledger.unit_id = self.ledger.unit_id or record.unit_id
        self.ledger.hardware = f"{record.hwmodel} {record.hwversion}"
        self.ledger.software = f"{record.swname} {record.swversion}"
        if judge_chain(link.key.chain, record.unit_id, self.trust).trusted:
            # The certificate stands in this very line: the line, and all after it, is younger than the certificate.
            self._raise_lower(validity(link.key.chain[0])[0])

    def _raise_lower(self, iat: float) -> None:
        self._lower = iat if self._lower is None else max(self._lower, iat)

    def _on_event(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Event)
        if record.event == "clock-step":
            change = self._steps.recorded()
            if change is not None:
                self.findings.add("clock-step", f"record {link.seq}", seq=link.seq, length=formatting.length(change))
        elif record.event == "unit-down":
            self._unit_down(link, record)

    def _unit_down(self, link: Link, record: r.Event) -> None:
        start, seed, end = (record.detail.get(key) for key in ("from_us", "from_bootseed", "to_us"))
        boot = self._seeds.get(seed) if isinstance(seed, str) else None
        if boot is None or type(start) is not int or type(end) is not int:
            self._inconsistent(link, "unit-down names no known boot or no times")
            return
        interval = Interval("off", At(boot, start), At(self._boot, end))
        self.ledger.intervals.append(interval)
        lost = self.ledger.at(interval.end) - self.ledger.at(interval.start)
        self.findings.add(
            "unit-down",
            f"record {link.seq}",
            length=formatting.length(lost * 1e6),
            times=formatting.wall(self.ledger.at(interval.start)),
            cause=str(record.detail.get("cause"))[:40],
        )

    def _on_fault(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Fault)
        self.ledger.faults += record.phase == "onset"

    # --- shifts and sessions ---

    def _on_shift_start(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.ShiftStart)
        self.ledger.shifts.append(Shift(record.shift_id, At(self._boot, common.uptime_us), common.iat))

    def _on_shift_end(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.ShiftEnd)
        for shift in reversed(self.ledger.shifts):
            if shift.shift_id == record.shift_id and shift.end is None:
                shift.end, shift.end_iat = At(self._boot, common.uptime_us), common.iat
                return

    def _on_sign_in(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.OfficerSignIn)
        officer = Officer(link.seq, common.iat, record.officer_ref)
        value = self._open(link, "officer", record.officer)
        if isinstance(value, dict):
            officer.name, officer.cert_no = str(value.get("name")), str(value.get("cert_no"))
        self.ledger.officers.append(officer)

    def _open(self, link: Link, name: str, sealed: r.SealedField | None) -> object | None:
        if self.opener is None or sealed is None:
            return None
        return self.opener.open_field(link.seq, name, sealed)

    def _on_standby(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Standby)
        start, end = At(self._boot, record.from_us), At(self._boot, record.to_us)
        last = self.ledger.intervals[-1] if self.ledger.intervals else None
        if last is not None and last.kind == "standby" and last.start <= start <= last.end:
            last.end = max(last.end, end)
        else:
            self.ledger.intervals.append(Interval("standby", start, end))

    def _on_session_start(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.SessionStart)
        if record.last_receipt is not None:
            iat = self.receipts.time_of(record.last_receipt)
            if iat is not None:
                self._raise_lower(iat)
        self._open(link, "matter", record.matter)
        self.ledger.sessions[record.session_id] = Session(
            record.session_id,
            record.shift_id,
            record.trigger,
            At(self._boot, record.at_us),
            record.cameras,
            record.officers,
            Claims.begin(link.seq, common.iat, self._lower),
        )

    def _session(self, link: Link, common: r.Common, session_id: str | None) -> Session | None:
        session = self.ledger.sessions.get(session_id or "")
        if session is not None:
            session.claims.extend(link.seq, common.iat)
        return session

    def _on_session_stop(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.SessionStop)
        session = self._session(link, common, record.session_id)
        if session is None:
            return
        session.stop, session.stop_reason = At(self._boot, record.at_us), record.reason
        for gap in self._open_gaps.pop(record.session_id, ()):
            if gap.end is None:
                gap.end = session.stop

    def _on_mark(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Mark)
        self.ledger.marks += 1
        session = self._session(link, common, record.session_id)
        if session is not None:
            session.marks += 1

    # --- segments ---

    def _on_segment_open(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.SegmentOpen)
        if record.segment_id in self.ledger.segments:
            self._disagree(link, record.segment_id, "opened a second time")
            return
        session = self._session(link, common, record.session_id)
        if session is not None:
            session.segments += 1
        elif self.chain.whole:
            self._disagree(link, record.segment_id, "opened without a session")
        self._open(link, "overlay", record.overlay)
        self.ledger.segments[record.segment_id] = Segment(
            segment_id=record.segment_id,
            session_id=record.session_id,
            camera_id=record.camera_id,
            role=record.role,
            sealed=record.encryption.format != "none",
            boot=self._boot,
            start_us=record.media_start_us,
            end_us=record.media_start_us,
            claims=Claims.begin(link.seq, common.iat, self._lower),
            file=link.place.file,
            offset=link.place.offset,
            kid=link.key.kid,
            index=record.segment_index,
        )

    def _segment(self, link: Link, common: r.Common, segment_id: str, *, open_only: bool = True) -> Segment | None:
        segment = self.ledger.segments.get(segment_id)
        if segment is None:
            if self.chain.whole:  # with lines lost its opening may be among them: that loss is found already
                self._disagree(link, segment_id, f"{link.typ} of a segment that was never opened")
            return None
        if open_only and segment.state != "open":
            self._disagree(link, segment_id, f"{link.typ} after its end")
            return None
        segment.claims.extend(link.seq, common.iat)
        self._session(link, common, segment.session_id)
        return segment

    def _on_head(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Head)
        segment = self._segment(link, common, record.segment_id)
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

    def _on_segment_close(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.SegmentClose)
        segment = self._segment(link, common, record.segment_id)
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

    def _on_recovery(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Recovery)
        if record.torn_file is not None:
            self.ledger.torn.append(TornTail(link.seq, record.torn_file, record.torn_digest))
        if record.subject == "journal":
            self.findings.add("journal-recovered", f"record {link.seq}", seq=link.seq, torn=record.torn_bytes)
            return
        if record.segment_id is None:
            return
        segment = self.ledger.segments.get(record.segment_id)
        if segment is None:
            segment = self._orphan(link, common, record)
        elif segment.state == "closed":
            self._disagree(link, record.segment_id, "recovered after it was closed")
            return
        segment.claims.extend(link.seq, common.iat)
        self._session(link, common, segment.session_id)
        if self.chain.whole and record.signed_entries != segment.entries:
            reason = f"recovered with {record.signed_entries} signed entries, {segment.entries} signed"
            self._disagree(link, record.segment_id, reason)
        segment.recovery_seq = link.seq
        segment.size, segment.sha256 = record.kept_bytes, record.sha256
        segment.torn_file, segment.torn_digest = record.torn_file, record.torn_digest
        if record.outcome == "kept":
            segment.state = "recovered"
            self.findings.add(
                "segment-recovered",
                f"segment {record.segment_id}",
                segment=record.segment_id,
                reason=record.reason,
                kept=record.kept_bytes,
                unsigned=record.unsigned.length if record.unsigned is not None else 0,
                torn=record.torn_bytes,
            )
        elif segment.entries:
            segment.state = "lost"
            self.findings.add(
                "segment-missing",
                f"segment {record.segment_id}",
                segment=record.segment_id,
                why_zh=f"恢复时就已不在（记录 {link.seq}），而它有 {segment.entries} 项已签名",
                why_en=f"it was gone at recovery (record {link.seq}) with {segment.entries} entries signed",
            )
        else:
            segment.state = "empty"
            self.findings.add("segment-empty", f"segment {record.segment_id}", segment=record.segment_id)

    def _orphan(self, link: Link, common: r.Common, record: r.Recovery) -> Segment:
        """A file whose opening never reached the journal: signed for by the recovery only, its time unknown."""
        assert record.segment_id is not None
        segment = Segment(
            segment_id=record.segment_id,
            session_id=record.session_id or "",
            camera_id=record.camera_id or "",
            role="orphan",
            sealed=True,
            boot=self._boot,
            start_us=common.uptime_us,
            end_us=common.uptime_us,
            claims=Claims.begin(link.seq, common.iat, self._lower),
            file=link.place.file,
            offset=link.place.offset,
            kid=link.key.kid,
        )
        self.ledger.segments[record.segment_id] = segment
        return segment

    def _on_release(self, link: Link, common: r.Common, record: r.Record) -> None:
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

    # --- gaps ---

    def _on_interruption(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Interruption)
        self._session(link, common, record.session_id)
        boot = self._seeds.get(record.from_bootseed)
        if boot is None:
            if self.chain.whole:
                self._inconsistent(link, "an interruption that began in an unknown boot")
            boot = self._boot
        gap = Gap(record.gap_id, record.session_id, record.camera_id, record.cause, link.seq, At(boot, record.from_us))
        self.ledger.gaps[record.gap_id] = gap
        self._open_gaps.setdefault(record.session_id, []).append(gap)

    def _on_resumption(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Resumption)
        self._session(link, common, record.session_id)
        gap = self.ledger.gaps.get(record.gap_id)
        if gap is not None:
            gap.end, gap.resumed = At(self._boot, record.to_us), True
            gap.duration_us, gap.basis = record.duration_us, record.duration_basis

    def _on_explanation(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Explanation)
        gap = self.ledger.gaps.get(record.gap_id)
        if gap is not None:
            gap.explained = True
            self._session(link, common, gap.session_id)

    def _on_statement(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Statement)
        gap = self.ledger.gaps.get(record.gap_id)
        if gap is not None and len({signer.officer_ref for signer in record.signers}) >= 2:
            gap.stated = True
            self._session(link, common, gap.session_id)

    # --- receipts ---

    def _on_receipt(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.ReceiptRecord)
        anchor = self.receipts.believe(record.jws.encode("utf-8"), f"record {link.seq}")
        if anchor is None:
            return
        self._raise_lower(anchor.iat)
        digest = self.chain.digest_of(anchor.head_seq)
        if digest is not None:
            self.receipts.match(self.chain.journal_id, anchor.head_seq, digest)


def parse(link: Link) -> tuple[r.Common, r.Record]:
    """The payload as the models of its type. Raises ValidationError, or ValueError for a type nobody defined."""
    model = r.RECORD_TYPES.get(link.typ)
    if model is None:
        raise ValueError("unknown record type")
    common = {key: value for key, value in link.payload.items() if key in _COMMON}
    own = {key: value for key, value in link.payload.items() if key not in _COMMON}
    return r.Common.model_validate(common), model.model_validate(own)


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"[:200]
    return str(error)[:200]
