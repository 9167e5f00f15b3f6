"""What the records of a journal add up to: the open shift, session, segments, gaps, faults. Pure bookkeeping.

The same object follows the journal while it is written and rebuilds its end at a start, so a checkpoint is simply this
state written down, and a start that begins at one reaches the same state as one that reads everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from recorder.evidence.base import SealedField
from recorder.evidence.boot_clocks import BootClockLog
from recorder.evidence.carried import (
    Carried,
    FieldMode,
    Moment,
    NextSession,
    OpenFault,
    OpenGap,
    OpenSegment,
    OpenSession,
    OpenShift,
    Returned,
    SignedIn,
)
from recorder.evidence.command_book import CommandBook
from recorder.evidence.config_order import ConfigOrder, newest
from recorder.evidence.gap_book import GapBook
from recorder.evidence.matter import Matter
from recorder.evidence.records import Checkpoint
from recorder.evidence.warning_log import WarningLog

CLEAN_END_EVENT = "unit-stop"
"""``event`` a unit writes last when it stops in order without ending the shift (service restart, update)."""
_SEGMENT_IDS = 1024
_FIELD_SESSIONS = 1024
_MARK_KINDS = 64
CONTEXT_EVENT = "session-context"
"""``event`` that says or changes what a session, or the next one, is about."""
ASSIGN = "assign"
"""``name`` of the ``command`` record of a signed assignment; its ``command_id`` is the assignment's id."""

Payload = Mapping[str, Any]


@dataclass(slots=True)
class LastRecord:
    """Time stamps of the newest record: ``iat`` seconds since 1970 (a claim), ``uptime_us`` of boot ``bootseed``."""

    typ: str
    iat: float
    uptime_us: int
    bootseed: str

    def wall_of(self, at_us: int) -> float:
        """The wall clock's claim for ``at_us`` of the same boot."""
        return self.iat + (at_us - self.uptime_us) / 1e6


@dataclass(slots=True)
class JournalState:
    """State after the record ``next_seq - 1``. Empty (``last`` is None) before the first record."""

    ASSIGNMENTS: ClassVar[int] = 128
    TORN_NAMES: ClassVar[int] = 16
    """So many names of recorded torn tails are remembered."""

    journal_id: str | None = None
    next_seq: int = 0
    prev: str | None = None
    bootcount: int = 0
    last: LastRecord | None = None
    clean_end: bool = False
    since_checkpoint: int = 0
    shift: OpenShift | None = None
    officers: dict[str, SignedIn] = field(default_factory=dict)
    session: OpenSession | None = None
    open_segments: dict[str, OpenSegment] = field(default_factory=dict)
    open_gaps: dict[str, OpenGap] = field(default_factory=dict)
    open_faults: dict[str, OpenFault] = field(default_factory=dict)
    quiet_until: Moment | None = None
    last_receipt: str | None = None
    config_sha256: str | None = None
    next_session: NextSession | None = None
    assignments: tuple[str, ...] = ()
    torn_recorded: tuple[str, ...] = ()
    clocks: BootClockLog = field(default_factory=BootClockLog)
    field_mode: FieldMode = field(default_factory=FieldMode)
    gap_book: GapBook = field(default_factory=GapBook)
    commands: CommandBook = field(default_factory=CommandBook)
    config_order: ConfigOrder | None = None
    warnings: WarningLog = field(default_factory=WarningLog)

    @property
    def head(self) -> tuple[int, str] | None:
        """(seq, digest of the whole line) of the newest record."""
        return None if self.prev is None else (self.next_seq - 1, self.prev)

    def copy(self) -> JournalState:
        """An independent copy (the values themselves never change)."""
        return replace(
            self,
            officers=dict(self.officers),
            open_segments=dict(self.open_segments),
            open_gaps=dict(self.open_gaps),
            open_faults=dict(self.open_faults),
            clocks=self.clocks.copy(),
            gap_book=self.gap_book.copy(),
            commands=self.commands.copy(),
            warnings=self.warnings.copy(),
        )

    def accounted(self) -> tuple[int, float, str] | None:
        """(boot-time in µs, wall clock's claim in s, bootseed) of the last moment anything speaks for: the newest
        record, or media or quiet time beyond it. None before the first record."""
        if self.last is None:
            return None
        at_us = self.last.uptime_us
        moments = [self.quiet_until] if self.quiet_until else []
        if self.session is not None:
            moments += self.session.media_end.values()
        at_us = max([at_us, *(moment.at_us for moment in moments if moment.bootseed == self.last.bootseed)])
        return at_us, self.last.wall_of(at_us), self.last.bootseed

    def apply(self, typ: str, payload: Payload, digest: str) -> None:
        """Take in the next record. ``digest``: SHA-256 of its whole line. Raises KeyError, TypeError or ValueError, with
        the position already advanced, for a payload that is not of its type's form."""
        handler = _HANDLERS.get(typ)
        try:
            if handler is not None:
                handler(self, payload)
        finally:
            self._advance(typ, payload, digest)

    def _advance(self, typ: str, payload: Payload, digest: str) -> None:
        self.since_checkpoint = 0 if typ == "checkpoint" else self.since_checkpoint + 1
        self.journal_id = payload["journal_id"]
        self.next_seq = payload["seq"] + 1
        self.prev = digest
        self.bootcount = payload["bootcount"]
        self.last = LastRecord(typ, payload["iat"], payload["uptime_us"], payload["bootseed"])
        self.clocks.note(payload["bootseed"], payload["uptime_us"], payload["iat"])
        self.clean_end = typ == "shift-end" or (typ == "event" and payload.get("event") == CLEAN_END_EVENT)

    def checkpoint(self, reason: Literal["rotation", "interval"]) -> Checkpoint:
        """The record that carries this state."""
        session = self.session
        return Checkpoint(
            reason=reason,
            shift_id=self.shift.shift_id if self.shift else None,
            session_id=session.session_id if session else None,
            session_index=max(session.next_index.values(), default=0) if session else 0,
            open_segments=tuple(self.open_segments),
            open_gaps=tuple(self.open_gaps),
            state=Carried(
                shift=self.shift,
                officers=tuple(self.officers.values()),
                session=session,
                segments=tuple(self.open_segments.values()),
                gaps=tuple(self.open_gaps.values()),
                faults=tuple(self.open_faults.values()),
                quiet_until=self.quiet_until,
                last_receipt=self.last_receipt,
                config_sha256=self.config_sha256,
                torn_recorded=self.torn_recorded,
                clocks=self.clocks.carried(),
                field_mode=self.field_mode,
                interruptions=tuple(self.gap_book.states.values()),
                tails=tuple(self.gap_book.tails.values()),
                next_session=self.next_session,
                assignments=self.assignments,
                commands=self.commands.carried,
                commands_floor=self.commands.carried_floor,
                config_order=self.config_order,
                warned=self.warnings.carried(),
            ),
        )

    @classmethod
    def from_checkpoint(cls, payload: Payload, digest: str) -> JournalState:
        """The state right after a checkpoint record. Raises pydantic.ValidationError, KeyError for a foreign form."""
        carried = Carried.model_validate(payload["state"])
        state = cls(
            shift=carried.shift,
            officers={officer.officer_ref: officer for officer in carried.officers},
            session=carried.session,
            open_segments={segment.segment_id: segment for segment in carried.segments},
            open_gaps={gap.gap_id: gap for gap in carried.gaps},
            open_faults={fault.fault_id: fault for fault in carried.faults},
            quiet_until=carried.quiet_until,
            last_receipt=carried.last_receipt,
            config_sha256=carried.config_sha256,
            torn_recorded=carried.torn_recorded,
            clocks=BootClockLog(carried.clocks),
            field_mode=carried.field_mode,
            gap_book=GapBook.of(carried.interruptions, carried.tails),
            next_session=carried.next_session,
            assignments=carried.assignments,
            commands=CommandBook.of(carried.commands, carried.commands_floor),
            config_order=carried.config_order,
            warnings=WarningLog(carried.warned),
        )
        state.apply("checkpoint", payload, digest)
        return state

    # --- one method per record type that changes the state -----------------------------------------------------------

    def _recovery(self, p: Payload) -> None:
        if p["subject"] == "journal":
            if p["torn_file"] is not None:
                self.torn_recorded = (*self.torn_recorded, p["torn_file"])[-self.TORN_NAMES :]
            return
        self.open_segments.pop(p["segment_id"], None)
        if self.session is not None and p["session_id"] == self.session.session_id:
            self._note_segment(p["segment_id"])

    def _shift_start(self, p: Payload) -> None:
        self.shift = OpenShift(shift_id=p["shift_id"], trigger=p["trigger"], start=_moment(p["uptime_us"], p))
        self.officers.clear()

    def _shift_end(self, _: Payload) -> None:
        self.shift = None
        self.officers.clear()

    def _sign_in(self, p: Payload) -> None:
        self.officers[p["officer_ref"]] = SignedIn(
            officer_ref=p["officer_ref"], officer=SealedField.model_validate(p["officer"]), method=p["method"]
        )

    def _sign_out(self, p: Payload) -> None:
        self.officers.pop(p["officer_ref"], None)

    def _standby(self, p: Payload) -> None:
        self.quiet_until = _moment(p["to_us"], p)

    def _event(self, p: Payload) -> None:
        if p["event"] == "unit-down":
            self.quiet_until = _moment(p["at_us"], p)
        elif p["event"] == CONTEXT_EVENT:
            self._context(p["detail"])
        self.warnings.event(p)
        self.gap_book.apply("event", p)

    def _context(self, detail: Payload) -> None:
        said = NextSession(mode=detail["mode"], matter=_matter(detail["matter"]))
        if detail["session_id"] is None:
            self.next_session = said
        elif self.session is not None and self.session.session_id == detail["session_id"]:
            self.session = self.session.model_copy(update={"mode": said.mode, "matter": said.matter})

    def _mark(self, p: Payload) -> None:
        session = self.session
        if session is None or session.session_id != p["session_id"] or p["kind"] in session.marked:
            return
        if len(session.marked) < _MARK_KINDS:
            self.session = session.model_copy(update={"marked": (*session.marked, p["kind"])})

    def _command(self, p: Payload) -> None:
        if p["name"] == ASSIGN and p["result"] == "accepted" and p["source"] not in ("control-socket", "uplink"):
            self.assignments = (*self.assignments, p["command_id"])[-self.ASSIGNMENTS :]
        self.commands.apply(p)
        self.config_order = newest(self.config_order, p)

    def _session_start(self, p: Payload) -> None:
        self.session = OpenSession(
            session_id=p["session_id"],
            start_seq=p["seq"],
            shift_id=p["shift_id"],
            trigger=p["trigger"],
            at=_moment(p["at_us"], p),
            cameras=tuple(p["cameras"]),
            officers=p["officers"],
            next_index={},
            media_end={},
            last_segment={},
            segments=(),
            mode=p.get("mode"),
            matter=_matter(p["matter"]),
        )
        self.next_session = None

    def _session_stop(self, p: Payload) -> None:
        session_id = p["session_id"]
        self.gap_book.apply("session-stop", p)
        if self.session is not None and self.session.session_id == session_id:
            # The standby behind it may never be written. The record itself may be late: a journal that refused has it wait.
            media_ends = (end.at_us for end in self.session.media_end.values() if end.bootseed == p["bootseed"])
            self.quiet_until = _moment(max([p["at_us"], *media_ends]), p)
            self.session = None
        self.open_gaps = {key: gap for key, gap in self.open_gaps.items() if gap.session_id != session_id}

    def _segment_open(self, p: Payload) -> None:
        self.gap_book.apply("segment-open", p)
        camera_id, segment_id = p["camera_id"], p["segment_id"]
        self.open_segments[segment_id] = OpenSegment(
            session_id=p["session_id"],
            segment_id=segment_id,
            camera_id=camera_id,
            role=p["role"],
            segment_index=p["segment_index"],
            media_start_us=p["media_start_us"],
            media_end_us=p["media_start_us"],
            bootseed=p["bootseed"],
            sealed=p["encryption"]["format"] != "none",
            entries=0,
            signed_end=0,
        )
        session = self.session
        if session is None or session.session_id != p["session_id"]:
            return
        following = max(session.next_index.get(camera_id, 0), p["segment_index"] + 1)
        self.session = session.model_copy(update={"next_index": {**session.next_index, camera_id: following}})
        self._note_segment(segment_id)

    def _head(self, p: Payload) -> None:
        self.gap_book.head(p["segment_id"], p["first"], [entry[2] for entry in p["entries"]])
        segment = self.open_segments.get(p["segment_id"])
        if segment is None or not p["entries"]:
            return
        offset, length = p["entries"][-1][:2]
        media_end_us = max(segment.media_end_us, p["entries"][-1][4])
        self.open_segments[segment.segment_id] = segment.model_copy(
            update={
                "entries": p["first"] + len(p["entries"]),
                "signed_end": offset + length,
                "media_end_us": media_end_us,
            }
        )
        self._media(segment, media_end_us, p)

    def _segment_close(self, p: Payload) -> None:
        segment = self.open_segments.pop(p["segment_id"], None)
        if segment is not None:
            self._media(segment, p["media_end_us"], p)

    def _media(self, segment: OpenSegment, end_us: int, p: Payload) -> None:
        # An entry 0 alone is the file's header: a disk may take the headers of many files and refuse all their media.
        if segment.role != "preroll" and end_us > segment.media_start_us:
            self._covered(segment.session_id, segment.camera_id, segment.segment_id, end_us, p)

    def _covered(self, session_id: str, camera_id: str, segment_id: str, end_us: int, p: Payload) -> None:
        session = self.session
        if session is None or session.session_id != session_id:
            return
        before = session.media_end.get(camera_id)
        if before is None or before.bootseed != p["bootseed"] or before.at_us < end_us:
            media_end = {**session.media_end, camera_id: _moment(end_us, p)}
            last_segment = {**session.last_segment, camera_id: segment_id}
            self.session = session.model_copy(update={"media_end": media_end, "last_segment": last_segment})

    def _interruption(self, p: Payload) -> None:
        self.gap_book.apply("interruption", p)
        known = [_moment(p["uptime_us"], p)]
        if self.session is not None and p["camera_id"] in self.session.media_end:
            known.append(self.session.media_end[p["camera_id"]])
        of_boot = [moment for moment in known if moment.bootseed == p["from_bootseed"]]
        # A gap may begin in a boot nothing here remembers: then the record's own wall time is all there is to claim.
        from_wall = of_boot[-1].wall + (p["from_us"] - of_boot[-1].at_us) / 1e6 if of_boot else p["iat"]
        self.open_gaps[p["gap_id"]] = OpenGap(
            gap_id=p["gap_id"],
            session_id=p["session_id"],
            camera_id=p["camera_id"],
            cause=p["cause"],
            from_us=p["from_us"],
            from_bootseed=p["from_bootseed"],
            from_wall=from_wall,
            last_segment_id=p["last_segment_id"],
        )

    def _resumption(self, p: Payload) -> None:
        self.gap_book.apply("resumption", p)
        self.open_gaps.pop(p["gap_id"], None)
        # The head of that media follows. Should a power cut come between, the next gap begins here, not where this one did.
        self._covered(p["session_id"], p["camera_id"], p["segment_id"], p["to_us"], p)

    def _explanation(self, p: Payload) -> None:
        self.gap_book.apply("explanation", p)

    def _statement(self, p: Payload) -> None:
        self.gap_book.apply("statement", p)

    def _fault(self, p: Payload) -> None:
        if p["phase"] == "onset":
            onset = _moment(p["onset_us"], p)
            self.open_faults[p["fault_id"]] = OpenFault(
                fault_id=p["fault_id"], code=p["code"], component=p["component"], onset=onset
            )
        else:
            self.open_faults.pop(p["fault_id"], None)

    def _receipt(self, p: Payload) -> None:
        self.last_receipt = p["receipt_digest"]

    def _deadline_basis(self, p: Payload) -> None:
        self.warnings.basis(p["sessions"])
        mode, at, sessions = self.field_mode, _moment(p["uptime_us"], p), tuple(p["sessions"])
        if p["basis"] == "returned":
            again = tuple(Returned(session_id=session_id, at=at) for session_id in sessions)
            self.field_mode = FieldMode(returned=(*mode.returned, *again)[-_FIELD_SESSIONS:])
        else:
            self.field_mode = FieldMode(
                reason=p["basis"], since=at, covered=sessions[-_FIELD_SESSIONS:], returned=mode.returned
            )

    def _config(self, p: Payload) -> None:
        if p["status"] != "refused":
            self.config_sha256 = p["sha256"]

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _note_segment(self, segment_id: str) -> None:
        session = self.session
        if session is not None and segment_id not in session.segments:
            segments = (*session.segments, segment_id)[-_SEGMENT_IDS:]
            self.session = session.model_copy(update={"segments": segments})


def _matter(value: Payload | None) -> Matter | None:
    return None if value is None else Matter.model_validate(value)


def _moment(at_us: int, p: Payload) -> Moment:
    return Moment(at_us=at_us, bootseed=p["bootseed"], wall=p["iat"] + (at_us - p["uptime_us"]) / 1e6)


_HANDLERS: dict[str, Callable[[JournalState, Payload], None]] = {
    "recovery": JournalState._recovery,
    "shift-start": JournalState._shift_start,
    "shift-end": JournalState._shift_end,
    "officer-sign-in": JournalState._sign_in,
    "officer-sign-out": JournalState._sign_out,
    "standby": JournalState._standby,
    "event": JournalState._event,
    "session-start": JournalState._session_start,
    "session-stop": JournalState._session_stop,
    "segment-open": JournalState._segment_open,
    "head": JournalState._head,
    "segment-close": JournalState._segment_close,
    "interruption": JournalState._interruption,
    "resumption": JournalState._resumption,
    "explanation": JournalState._explanation,
    "statement": JournalState._statement,
    "fault": JournalState._fault,
    "mark": JournalState._mark,
    "command": JournalState._command,
    "receipt": JournalState._receipt,
    "deadline-basis": JournalState._deadline_basis,
    "config": JournalState._config,
}
