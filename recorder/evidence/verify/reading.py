"""From verified lines to the ledger: what each record type says, checked against what was said before.

Only links of the chain get here, so every statement is the unit's own, signed. What contradicts itself is found all the
same: a unit that lies or a key that was used as an oracle signs contradictions too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pydantic import ValidationError

from recorder.evidence import records as r
from recorder.evidence.trust import Trust
from recorder.evidence.verify.account import Account
from recorder.evidence.verify.boots import BootRecords
from recorder.evidence.verify.chain import Chain, Link
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.orders import OrderCheck
from recorder.evidence.verify.receipts import ReceiptBook
from recorder.evidence.verify.scene import SceneBook
from recorder.evidence.verify.segment_records import SegmentRecords
from recorder.evidence.verify.spoken_records import SpokenRecords
from recorder.evidence.verify.state import (
    At,
    Basis,
    Claims,
    Gap,
    Interval,
    Ledger,
    Officer,
    Session,
    Shift,
    StatementRecord,
)

_COMMON = frozenset(r.Common.model_fields)


class FieldOpener(Protocol):
    """Opens sealed fields when an identity was given."""

    def open_field(self, seq: int, name: str, sealed: r.SealedField) -> object | None:
        """The value, or None when it cannot be opened; a wrong digest is found."""


class Reading:
    """Feed links in order. ``opener`` None: sealed fields stay closed."""

    def __init__(
        self, chain: Chain, findings: Findings, receipts: ReceiptBook, trust: Trust, opener: FieldOpener | None = None
    ) -> None:
        self.ledger = Ledger()
        self.account = Account()
        self._chain = chain
        self._findings = findings
        self._receipts = receipts
        self._opener = opener
        self.orders = OrderCheck(trust, findings, self._open, lambda: chain.whole)
        self._scenes = SceneBook(findings, self._open)
        self.ledger.scenes = self._scenes.scenes
        self._open_gaps: dict[str, list[Gap]] = {}
        self._boots = boots = BootRecords(self.ledger, findings, trust)
        segments = SegmentRecords(chain, self.ledger, findings, boots, self._session)
        self._spoken = SpokenRecords(self.ledger, findings, boots, lambda: chain.whole)
        self._apply: dict[str, Callable[[Link, r.Common, r.Record], None]] = {
            "boot": boots.on_boot,
            "event": self._on_event,
            "segment-open": segments.on_open,
            "head": segments.on_head,
            "segment-close": segments.on_close,
            "recovery": segments.on_recovery,
            "release": segments.on_release,
            "shift-start": self._on_shift_start,
            "shift-end": self._on_shift_end,
            "officer-sign-in": self._on_sign_in,
            "standby": self._on_standby,
            "session-start": self._on_session_start,
            "session-stop": self._on_session_stop,
            "mark": self._on_mark,
            "fault": self._on_fault,
            "interruption": self._on_interruption,
            "resumption": self._on_resumption,
            "explanation": self._on_explanation,
            "note": self._on_note,
            "statement": self._on_statement,
            "deadline-basis": self._on_basis,
            "receipt": self._on_receipt,
        }

    def feed(self, link: Link) -> None:
        """Take in one record."""
        link.key.signed(link.seq, link.payload["iat"])
        self._receipts.match(self._chain.journal_id, link.seq, link.digest)
        self.ledger.records += 1
        self.ledger.last_seq = link.seq
        self.ledger.last_iat = link.payload["iat"]
        try:
            common, record = parse(link)
        except (ValidationError, ValueError) as error:
            self._findings.add(
                "journal-record-invalid", f"record {link.seq}", seq=link.seq, typ=link.typ[:40], reason=_first(error)
            )
            return
        self._boots.move_to(link, common)
        self._open_fields(link, record)
        self._scenes.feed(link, record)
        self.orders.feed(link, self.ledger.unit_id, common, record)
        self.account.take(link.seq, common, record)
        handler = self._apply.get(link.typ)
        if handler is not None:
            handler(link, common, record)
        self._boots.check_clock(link, common)

    def finish(self) -> None:
        """After the last record."""
        self._boots.finish()
        self.orders.finish()

    def _open_fields(self, link: Link, record: r.Record) -> None:
        """Fields that are only checked, not shown."""
        if isinstance(record, r.SegmentOpen):
            self._open(link, "overlay", record.overlay)

    def _open(self, link: Link, name: str, sealed: r.SealedField | None) -> object | None:
        if self._opener is None or sealed is None:
            return None
        return self._opener.open_field(link.seq, name, sealed)

    # --- shifts and sessions ---

    def _on_shift_start(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.ShiftStart)
        self.ledger.shifts.append(Shift(record.shift_id, self._boots.at(common.uptime_us), common.iat))

    def _on_shift_end(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.ShiftEnd)
        for shift in reversed(self.ledger.shifts):
            if shift.shift_id == record.shift_id and shift.end is None:
                shift.end, shift.end_iat = self._boots.at(common.uptime_us), common.iat
                return

    def _on_sign_in(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.OfficerSignIn)
        officer = Officer(link.seq, common.iat, record.officer_ref)
        value = self._open(link, "officer", record.officer)
        if isinstance(value, dict):
            officer.name, officer.cert_no = str(value.get("name")), str(value.get("cert_no"))
        self.ledger.officers.append(officer)
        self.orders.signed_in(link, record, value)

    def _on_standby(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Standby)
        start, end = self._boots.at(record.from_us), self._boots.at(record.to_us)
        last = self.ledger.intervals[-1] if self.ledger.intervals else None
        if last is not None and last.kind == "standby" and last.start <= start <= last.end:
            last.end = max(last.end, end)
        else:
            self.ledger.intervals.append(Interval("standby", start, end))

    def _on_session_start(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.SessionStart)
        if record.last_receipt is not None:
            iat = self._receipts.time_of(record.last_receipt)
            if iat is not None:
                self._boots.raise_lower(iat)
        self.ledger.sessions[record.session_id] = Session(
            record.session_id,
            record.shift_id,
            record.trigger,
            self._boots.at(record.at_us),
            record.cameras,
            record.officers,
            Claims.begin(link.seq, common.iat, self._boots.lower),
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
        session.stop, session.stop_reason = self._boots.at(record.at_us), record.reason
        for gap in self._open_gaps.pop(record.session_id, ()):
            if gap.end is None:
                gap.end = session.stop

    def _on_mark(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Mark)
        self.ledger.marks += 1
        self._spoken.on_mark(record)
        session = self._session(link, common, record.session_id)
        if session is not None:
            session.marks += 1

    def _on_fault(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Fault)
        self.ledger.faults += record.phase == "onset"

    def _on_event(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Event)
        self._boots.on_event(link, common, record)
        self._spoken.on_event(record)

    # --- gaps ---

    def _on_interruption(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Interruption)
        self._session(link, common, record.session_id)
        boot = self._boots.known(record.from_bootseed)
        if boot is None:
            if self._chain.whole:
                self._boots.inconsistent(link, "an interruption that began in an unknown boot")
            boot = self._boots.current
        gap = Gap(record.gap_id, record.session_id, record.camera_id, record.cause, link.seq, At(boot, record.from_us))
        gap.before = self._spoken.before(record.last_segment_id)
        self.ledger.gaps[record.gap_id] = gap
        self._open_gaps.setdefault(record.session_id, []).append(gap)

    def _on_resumption(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Resumption)
        self._session(link, common, record.session_id)
        gap = self.ledger.gaps.get(record.gap_id)
        if gap is not None:
            gap.end, gap.resumed = self._boots.at(record.to_us), True
            gap.duration_us, gap.basis, gap.segment_id = record.duration_us, record.duration_basis, record.segment_id

    def _on_explanation(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Explanation)
        gap = self._spoken.on_explanation(link, record)
        if gap is not None:
            self._session(link, common, gap.session_id)

    def _on_note(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Note)
        self._spoken.on_note(link, record)
        self._session(link, common, record.session_id)

    def _on_statement(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.Statement)
        self.ledger.statements.append(
            StatementRecord(link.seq, common.iat, record)
        )  # judged when the receipts are known
        gap = self.ledger.gaps.get(record.gap_id)
        if gap is not None:
            self._session(link, common, gap.session_id)

    # --- receipts and deadlines ---

    def _on_basis(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.DeadlineBasis)
        claims = Claims.begin(link.seq, common.iat, self._boots.lower)
        at = self._boots.at(common.uptime_us)
        self.ledger.bases.append(Basis(record.basis, at, frozenset(record.sessions), claims))

    def _on_receipt(self, link: Link, common: r.Common, record: r.Record) -> None:
        assert isinstance(record, r.ReceiptRecord)
        anchor = self._receipts.believe(record.jws.encode("utf-8"), f"record {link.seq}")
        if anchor is None:
            return
        self._boots.raise_lower(anchor.iat)
        digest = self._chain.digest_of(anchor.head_seq)
        if digest is not None:
            self._receipts.match(self._chain.journal_id, anchor.head_seq, digest)


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
