"""Art. 24 afterwards: what was stored when, by when it had to be, and what of that is proven. Pure.

The store's receipts say on the store's clock when it had each segment. When the recording was complete the unit only
claims; but receipts over the journal's heads bound that claim from both sides. A recording is *provably late* when even the
latest moment at which it can have been completed lies more than 24 hours before it was stored, *provably in time* when
even the earliest does not. A recording of more than 12 hours, ended or not, is counted segment by segment, and the worst
one speaks for it: one that never ended would otherwise never be due. How time between boots is counted:
:mod:`recorder.session.elapsed`, the unit's own rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from recorder.evidence import formatting
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.receipts import Held
from recorder.evidence.verify.report import StorageReport
from recorder.evidence.verify.state import At, Basis, Ledger, Segment, Session
from recorder.session.elapsed import BootClock, BootClocks
from recorder.session.events import Moment
from recorder.session.statutory import CONTINUOUS_US, LIMIT_US

LIMIT_S = LIMIT_US / 1e6

Upper = Callable[[int], float | None]
"""Record ``seq`` existed at this time at the latest (``ReceiptBook.upper``)."""


State = Literal["in-time", "suspended", "owed", "late", "overdue"]
_WORSE: tuple[State, ...] = get_args(State)
"""Each is worse than the one before."""


@dataclass(frozen=True, slots=True)
class _Start:
    """From when the 24 hours count: the moment, the last record it rests on, and what bounds it from below."""

    at: At
    seq: int
    lower: float | None


@dataclass(frozen=True, slots=True)
class _Verdict:
    start: _Start
    state: State
    proven: bool
    suspended: bool


@dataclass(frozen=True, slots=True)
class _Cover:
    """The declaration that covers a session, and the return from it. ``named``: the return starts its hours again; a
    session that it does not name was stored already when the unit came back, from where it was."""

    declared: Basis
    returned: Basis | None
    named: bool


def judge_storage(
    ledger: Ledger, held: Mapping[str, list[Held]], upper: Upper, newest: float | None, findings: Findings
) -> tuple[StorageReport, ...]:
    """One report per session that has media, in the order of the journal; adds notes, and findings for a basis that cannot
    stand (declared after the deadline, or a second time for the same session). ``newest``: the store's clock in the latest
    receipt, seconds since 1970."""
    clocks = BootClocks(
        BootClock(boot.bootseed, boot.first_us, boot.last_us, round(boot.last_iat * 1e6) - boot.last_us)
        for boot in ledger.boots
    )
    desk = _Desk(ledger, clocks, held, upper, newest, findings)
    reports = [desk.session(session) for session in ledger.sessions.values()]
    return tuple(report for report in reports if report is not None)


@dataclass(slots=True)
class _Desk:
    ledger: Ledger
    clocks: BootClocks
    held: Mapping[str, list[Held]]
    upper: Upper
    newest: float | None
    findings: Findings

    def session(self, session: Session) -> StorageReport | None:
        media = [
            segment
            for segment in self.ledger.segments.values()
            if segment.session_id == session.session_id and segment.state in ("closed", "recovered")
        ]
        completed = self._completed(session, media) if media else None
        counted = self._counted(session, media, completed) if completed is not None else []
        if completed is None or not counted:
            return None
        cover = self._cover(session)
        if cover is not None:
            self._basis_stands(session, completed, cover.declared)
        verdicts = [self._judged(start, segments, cover) for start, segments in counted]
        worst = max(verdicts, key=lambda verdict: (_WORSE.index(verdict.state), not verdict.proven))
        times = [self._stored_at(segment) for segment in media]
        stored = [time for time in times if time is not None]
        report = StorageReport(
            session_id=session.session_id,
            completed=self.ledger.at(completed.at),
            counted_from=self.ledger.at(worst.start.at),
            due=None if worst.suspended else self.ledger.at(worst.start.at) + LIMIT_S,
            basis=cover.declared.basis if cover is not None else None,
            segments=len(media),
            stored=len(stored),
            stored_at=max(stored) if len(stored) == len(media) else None,
            state=worst.state,
            proven=worst.proven,
        )
        self._tell(report)
        return report

    def _counted(
        self, session: Session, media: Sequence[Segment], completed: _Start
    ) -> list[tuple[_Start, Sequence[Segment]]]:
        """What is counted together, and from when; nothing for a recording that goes on and is not a continuous one."""
        last = self.ledger.boots[-1]
        end = self._moment(completed.at) if session.stop else Moment(last.last_us, last.bootseed, 0)
        if self.clocks.elapsed(self._moment(session.start), end).us > CONTINUOUS_US:
            return [
                (_Start(At(segment.boot, segment.end_us), segment.claims.last_seq, segment.claims.lower), [segment])
                for segment in media
            ]
        return [(completed, media)] if session.stop else []

    def _judged(self, start: _Start, segments: Sequence[Segment], cover: _Cover | None) -> _Verdict:
        times = [self._stored_at(segment) for segment in segments]
        stored = [time for time in times if time is not None]
        whole = max(stored) if len(stored) == len(segments) else None
        again = cover.returned if cover is not None else None
        suspended = cover is not None and again is None
        if cover is not None and again is not None:
            if not cover.named and whole is not None and whole <= self.ledger.at(again.at):
                # Stored while the declaration lasted: its hours never ran.
                proven = again.claims.lower is not None and whole <= again.claims.lower
                return _Verdict(start, "in-time", proven, False)
            if cover.named and start.at < again.at:
                start = _Start(again.at, again.claims.last_seq, again.claims.lower)
        state, proven = self._state(start, whole, suspended)
        return _Verdict(start, state, proven, suspended)

    def _completed(self, session: Session, media: Iterable[Segment]) -> _Start:
        last = max(media, key=lambda segment: (At(segment.boot, segment.end_us), segment.claims.last_seq))
        return _Start(At(last.boot, last.end_us), last.claims.last_seq, session.claims.lower)

    # --- the basis ---------------------------------------------------------------------------------------------------

    def _cover(self, session: Session) -> _Cover | None:
        """The first declaration that names the session or under which it began."""
        declared: Basis | None = None
        for basis in self.ledger.bases:
            if basis.basis == "returned":
                if declared is not None:
                    return _Cover(declared, basis, session.session_id in basis.sessions)
            elif declared is None and (session.session_id in basis.sessions or self._began_under(session, basis)):
                declared = basis
        return None if declared is None else _Cover(declared, None, named=False)

    def _began_under(self, session: Session, basis: Basis) -> bool:
        if session.start < basis.at:
            return False
        after = [other for other in self.ledger.bases if other.basis == "returned" and other.at >= basis.at]
        return not after or session.start < after[0].at

    def _basis_stands(self, session: Session, completed: _Start, declared: Basis) -> None:
        named = [basis for basis in self.ledger.bases if session.session_id in basis.sessions]
        if sum(basis.basis == "returned" for basis in named) > 1:
            self.findings.add("basis-repeated", f"session {session.session_id}", session=session.session_id)
        if session.session_id not in declared.sessions:
            return
        elapsed = self.clocks.elapsed(self._moment(completed.at), self._moment(declared.at))
        if elapsed.us > LIMIT_US:
            self.findings.add(
                "basis-after-deadline",
                f"session {session.session_id}",
                session=session.session_id,
                basis=declared.basis,
                times=formatting.wall(self.ledger.at(declared.at)),
            )

    # --- storing -----------------------------------------------------------------------------------------------------

    def _stored_at(self, segment: Segment) -> float | None:
        """When the store first had exactly these bytes."""
        times = [
            held.stored_at
            for held in self.held.get(segment.segment_id, ())
            if (held.sha256, held.size) == (segment.sha256, segment.size)
        ]
        return min(times, default=None)

    def _state(self, start: _Start, stored_at: float | None, suspended: bool) -> tuple[State, bool]:
        latest = self.upper(start.seq)
        if stored_at is None:
            if suspended:
                return "suspended", True
            last = self.ledger.boots[-1]
            elapsed = self.clocks.elapsed(self._moment(start.at), Moment(last.last_us, last.bootseed, 0))
            if latest is not None and self.newest is not None and self.newest - latest > LIMIT_S:
                return "overdue", True
            return ("overdue" if elapsed.us > LIMIT_US else "owed"), False
        if suspended:
            return "in-time", True
        if latest is not None and stored_at - latest > LIMIT_S:
            return "late", True
        if start.lower is not None and stored_at - start.lower <= LIMIT_S:
            return "in-time", True
        return ("late" if stored_at - self.ledger.at(start.at) > LIMIT_S else "in-time"), False

    def _moment(self, at: At) -> Moment:
        boot = self.ledger.boots[at.boot]
        return Moment(at.us, boot.bootseed, round(boot.wall(at.us) * 1e6))

    def _tell(self, report: StorageReport) -> None:
        code = {"late": "stored-late", "overdue": "store-overdue"}.get(report.state)
        if code is None:
            return
        self.findings.add(
            code,
            f"session {report.session_id}",
            session=report.session_id,
            completed=formatting.wall(report.counted_from),
            stored=formatting.wall(report.stored_at) if report.stored_at is not None else "—",
            segments=report.segments - report.stored,
            proof_zh="有证明" if report.proven else "仅为设备自称",
            proof_en="proven" if report.proven else "claimed only",
        )
