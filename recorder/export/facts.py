"""What a journal says about shifts, recordings, gaps and faults, folded record by record. Pure: no file, no clock.

The basis of the statistics of art. 28 and of the written statement of art. 23. A moment is a ``Point``: µs of boot-time in
the n-th boot; wall times come from one offset per boot, that of its last record (a clock gets better while it runs).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from recorder.evidence import jws
from recorder.evidence import records as r
from recorder.evidence.state import CONTEXT_EVENT
from recorder.evidence.verify.timeline import Point


@dataclass(slots=True)
class BootFacts:
    """``offset_us``: wall clock minus boot-time at its last record; ``clock``: what that wall clock was worth."""

    bootseed: str
    first_us: int
    last_us: int
    offset_us: int
    clock: r.ClockClaim

    def wall_us(self, us: int) -> int:
        """The wall clock's claim for ``us``, µs since 1970."""
        return self.offset_us + us


@dataclass(slots=True)
class ShiftFacts:
    shift_id: str
    start: Point
    end: Point | None = None


@dataclass(slots=True)
class SessionFacts:
    session_id: str
    shift_id: str | None
    start: Point
    cameras: tuple[str, ...]
    officers: int
    matter: r.Matter | None
    stop: Point | None = None
    stop_reason: str | None = None


@dataclass(slots=True)
class SegmentFacts:
    """``end``: of the signed media. ``fix_seconds`` None and ``sha256`` None while it is not closed."""

    segment_id: str
    session_id: str
    camera_id: str
    role: str
    start: Point
    end: Point
    sha256: str | None = None
    size: int | None = None
    fix_seconds: int | None = None


@dataclass(slots=True)
class GapFacts:
    """``end``: where it resumed, or the session's end; ``next_segment_id`` only when it resumed."""

    gap_id: str
    session_id: str
    camera_id: str
    cause: str
    detail: str
    seq: int
    start: Point
    clock: r.ClockClaim
    last_segment_id: str | None
    end: Point | None = None
    next_segment_id: str | None = None
    duration_us: int | None = None
    basis: str | None = None
    given_up: bool = False
    explanations: list[r.Explanation] = field(default_factory=list)
    statements: list[r.Statement] = field(default_factory=list)

    @property
    def resumed(self) -> bool:
        return self.next_segment_id is not None

    @property
    def explained(self) -> bool:
        """By a spoken explanation that counts (art. 23), or in writing."""
        return (self.resumed and any(said.counts for said in self.explanations)) or self.stated

    @property
    def stated(self) -> bool:
        return any(len({signer.officer_ref for signer in said.signers}) >= 2 for said in self.statements)

    @property
    def owes_statement(self) -> bool:
        """Art. 23: it cannot be resumed any more and nobody signed for it."""
        return not self.resumed and not self.stated and (self.end is not None or self.given_up)


@dataclass(slots=True)
class FaultFacts:
    code: str
    component: str
    start: Point
    end: Point | None = None


@dataclass(slots=True)
class OfficerStay:
    """From sign-in to sign-out, or to the end of the shift."""

    officer_ref: str
    officer: r.SealedField
    shift_id: str
    start: Point
    end: Point | None = None


@dataclass(slots=True)
class JournalFacts:
    """Feed every record in order."""

    journal_id: str = ""
    unit_id: str = ""
    hardware: str = ""
    software: str = ""
    records: int = 0
    first_seq: int = -1
    last_seq: int = -1
    last_digest: str = ""
    boots: list[BootFacts] = field(default_factory=list)
    shifts: list[ShiftFacts] = field(default_factory=list)
    sessions: dict[str, SessionFacts] = field(default_factory=dict)
    segments: dict[str, SegmentFacts] = field(default_factory=dict)
    gaps: dict[str, GapFacts] = field(default_factory=dict)
    faults: dict[str, FaultFacts] = field(default_factory=dict)
    stays: list[OfficerStay] = field(default_factory=list)
    standby: list[tuple[Point, Point]] = field(default_factory=list)
    off: list[tuple[Point, Point]] = field(default_factory=list)
    marks: list[tuple[str, str, Point]] = field(default_factory=list)
    """(session, kind, when)."""
    stored_at: dict[str, float] = field(default_factory=dict)
    """Segment → when the store had it (seconds since 1970), by the earliest believed receipt."""
    bases: list[tuple[Point, r.DeadlineBasis]] = field(default_factory=list)
    """Declarations of art. 24 ¶2 and returns."""
    _seeds: dict[str, int] = field(default_factory=dict)

    def feed(self, common: r.Common, record: r.Record, digest: str) -> None:
        boot = self._boot(common)
        self.journal_id, self.last_seq, self.last_digest = common.journal_id, common.seq, digest
        self.first_seq = common.seq if self.first_seq < 0 else self.first_seq
        self.records += 1
        act = _ACTS.get(record.TYP)
        if act is not None:
            act(self, common, record, Point(boot, common.uptime_us))

    @property
    def end(self) -> Point:
        """The journal's last moment; it has at least one record."""
        return Point(len(self.boots) - 1, self.boots[-1].last_us)

    def wall_us(self, at: Point) -> int:
        """The wall clock's claim, µs since 1970."""
        return self.boots[at.boot].wall_us(at.us)

    def _boot(self, common: r.Common) -> int:
        us, offset = common.uptime_us, round(common.iat * 1e6) - common.uptime_us
        number = self._seeds.get(common.bootseed)
        if number is None:
            number = self._seeds[common.bootseed] = len(self.boots)
            self.boots.append(BootFacts(common.bootseed, us, us, offset, common.clock))
        boot = self.boots[number]
        boot.last_us, boot.offset_us, boot.clock = max(boot.last_us, us), offset, common.clock
        return number

    # --- one method per record type; ``at`` is the record's own moment ---

    def _on_boot(self, common: r.Common, record: r.Boot, at: Point) -> None:
        self.unit_id = record.unit_id
        self.hardware = f"{record.hwmodel} {record.hwversion}"
        self.software = f"{record.swname} {record.swversion}"

    def _on_shift_start(self, common: r.Common, record: r.ShiftStart, at: Point) -> None:
        self.shifts.append(ShiftFacts(record.shift_id, at))

    def _on_shift_end(self, common: r.Common, record: r.ShiftEnd, at: Point) -> None:
        for shift in self.shifts:
            if shift.shift_id == record.shift_id and shift.end is None:
                shift.end = at
        for stay in self.stays:
            if stay.shift_id == record.shift_id and stay.end is None:
                stay.end = at

    def _on_sign_in(self, common: r.Common, record: r.OfficerSignIn, at: Point) -> None:
        self.stays.append(OfficerStay(record.officer_ref, record.officer, record.shift_id, at))

    def _on_sign_out(self, common: r.Common, record: r.OfficerSignOut, at: Point) -> None:
        for stay in self.stays:
            if stay.officer_ref == record.officer_ref and stay.end is None:
                stay.end = at

    def _on_standby(self, common: r.Common, record: r.Standby, at: Point) -> None:
        self.standby.append((Point(at.boot, record.from_us), Point(at.boot, record.to_us)))

    def _on_session_start(self, common: r.Common, record: r.SessionStart, at: Point) -> None:
        start = Point(at.boot, record.at_us)
        self.sessions[record.session_id] = SessionFacts(
            record.session_id, record.shift_id, start, record.cameras, record.officers, record.matter
        )

    def _on_session_stop(self, common: r.Common, record: r.SessionStop, at: Point) -> None:
        session = self.sessions.get(record.session_id)
        if session is None:
            return
        session.stop, session.stop_reason = Point(at.boot, record.at_us), record.reason
        for gap in self.gaps.values():
            if gap.session_id == record.session_id and gap.end is None:
                gap.end = session.stop

    def _on_segment_open(self, common: r.Common, record: r.SegmentOpen, at: Point) -> None:
        start = Point(at.boot, record.media_start_us)
        self.segments[record.segment_id] = SegmentFacts(
            record.segment_id, record.session_id, record.camera_id, record.role, start, start
        )

    def _on_head(self, common: r.Common, record: r.Head, at: Point) -> None:
        segment = self.segments.get(record.segment_id)
        if segment is not None and record.entries:
            end = max(entry[4] for entry in record.entries)
            segment.end = max(segment.end, Point(segment.start.boot, end))

    def _on_segment_close(self, common: r.Common, record: r.SegmentClose, at: Point) -> None:
        segment = self.segments.get(record.segment_id)
        if segment is not None:
            segment.end = Point(segment.start.boot, record.media_end_us)
            segment.sha256, segment.size, segment.fix_seconds = record.sha256, record.size, record.fix_seconds

    def _on_recovery(self, common: r.Common, record: r.Recovery, at: Point) -> None:
        segment = self.segments.get(record.segment_id or "")
        if segment is not None:
            segment.sha256, segment.size = record.sha256, record.kept_bytes

    def _on_interruption(self, common: r.Common, record: r.Interruption, at: Point) -> None:
        boot = self._seeds.get(record.from_bootseed, at.boot)
        self.gaps[record.gap_id] = GapFacts(
            record.gap_id,
            record.session_id,
            record.camera_id,
            record.cause,
            record.detail,
            common.seq,
            Point(boot, record.from_us),
            common.clock,
            record.last_segment_id,
        )

    def _on_resumption(self, common: r.Common, record: r.Resumption, at: Point) -> None:
        gap = self.gaps.get(record.gap_id)
        if gap is not None:
            gap.end, gap.next_segment_id = Point(at.boot, record.to_us), record.segment_id
            gap.duration_us, gap.basis = record.duration_us, record.duration_basis

    def _on_explanation(self, common: r.Common, record: r.Explanation, at: Point) -> None:
        if record.gap_id in self.gaps:
            self.gaps[record.gap_id].explanations.append(record)

    def _on_statement(self, common: r.Common, record: r.Statement, at: Point) -> None:
        if record.gap_id in self.gaps:
            self.gaps[record.gap_id].statements.append(record)

    def _on_event(self, common: r.Common, record: r.Event, at: Point) -> None:
        detail = record.detail
        if record.event == "cannot-resume":
            gap = self.gaps.get(str(detail.get("gap_id")))
            if gap is not None:
                gap.given_up = True
        elif record.event == CONTEXT_EVENT:
            session = self.sessions.get(str(detail.get("session_id")))
            if session is not None and isinstance(detail.get("matter"), dict):
                session.matter = r.Matter.model_validate(detail["matter"])
        elif record.event == "unit-down":
            boot = self._seeds.get(str(detail.get("from_bootseed")))
            if boot is not None and type(detail.get("from_us")) is int and type(detail.get("to_us")) is int:
                self.off.append((Point(boot, detail["from_us"]), Point(at.boot, detail["to_us"])))

    def _on_fault(self, common: r.Common, record: r.Fault, at: Point) -> None:
        if record.phase == "onset":
            start = Point(at.boot, record.onset_us)
            self.faults[record.fault_id] = FaultFacts(record.code, record.component, start)
        elif record.fault_id in self.faults:
            self.faults[record.fault_id].end = at

    def _on_mark(self, common: r.Common, record: r.Mark, at: Point) -> None:
        self.marks.append((record.session_id, record.kind, Point(at.boot, record.at_us)))

    def _on_deadline_basis(self, common: r.Common, record: r.DeadlineBasis, at: Point) -> None:
        self.bases.append((at, record))

    def _on_receipt(self, common: r.Common, record: r.ReceiptRecord, at: Point) -> None:
        """The unit verified it before it wrote this record."""
        try:
            receipt = r.Receipt.model_validate(jws.split(record.jws).payload)
        except (jws.JwsError, ValidationError):
            return
        for held in receipt.segments:
            before = self.stored_at.get(held.segment_id)
            self.stored_at[held.segment_id] = held.stored_at if before is None else min(before, held.stored_at)


_ACTS: dict[str, Callable[[JournalFacts, r.Common, Any, Point], None]] = {
    "boot": JournalFacts._on_boot,
    "shift-start": JournalFacts._on_shift_start,
    "shift-end": JournalFacts._on_shift_end,
    "officer-sign-in": JournalFacts._on_sign_in,
    "officer-sign-out": JournalFacts._on_sign_out,
    "standby": JournalFacts._on_standby,
    "session-start": JournalFacts._on_session_start,
    "session-stop": JournalFacts._on_session_stop,
    "segment-open": JournalFacts._on_segment_open,
    "head": JournalFacts._on_head,
    "segment-close": JournalFacts._on_segment_close,
    "recovery": JournalFacts._on_recovery,
    "interruption": JournalFacts._on_interruption,
    "resumption": JournalFacts._on_resumption,
    "explanation": JournalFacts._on_explanation,
    "statement": JournalFacts._on_statement,
    "event": JournalFacts._on_event,
    "fault": JournalFacts._on_fault,
    "mark": JournalFacts._on_mark,
    "deadline-basis": JournalFacts._on_deadline_basis,
    "receipt": JournalFacts._on_receipt,
}
