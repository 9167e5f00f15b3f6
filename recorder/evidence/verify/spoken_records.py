"""Explanations, voice notes and the prompts the unit spoke itself, as the journal has them; judged by ``speech``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from recorder.evidence import records as r
from recorder.evidence.gap_book import CANNOT_RESUME_EVENT
from recorder.evidence.verify.boots import BootRecords
from recorder.evidence.verify.chain import Link
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.state import At, Gap, Ledger, Segment, Spoken

PRESS = "explanation"
"""``mark.kind`` of the press that confirmed an explanation."""


@dataclass(slots=True)
class SpokenRecords:
    """``whole``: no line of the journal is missing so far; only then is what is lacking a contradiction."""

    ledger: Ledger
    findings: Findings
    boots: BootRecords
    whole: Callable[[], bool]
    _presses: dict[str, tuple[str, At]] = field(default_factory=dict)

    def on_mark(self, record: r.Mark) -> None:
        if record.kind == PRESS:
            self._presses[record.mark_id] = record.session_id, self.boots.at(record.at_us)

    def on_event(self, record: r.Event) -> None:
        detail = record.detail
        if record.event == "prompt":
            begin, end = detail.get("from_us"), detail.get("to_us")
            if type(begin) is int and type(end) is int and end > begin:
                self.ledger.prompts.setdefault(self.boots.current, []).append((begin, end))
        elif record.event == CANNOT_RESUME_EVENT:
            gap = self.ledger.gaps.get(str(detail.get("gap_id")))
            if gap is not None:
                gap.declared = True

    def before(self, last_segment_id: str | None) -> tuple[str, int] | None:
        """The last signed entry before a gap (docs/formats.md §5.29): its segment, and how many entries that has so far."""
        last = self.ledger.segments.get(last_segment_id or "")
        if last is None:
            return None
        older = False
        for segment in reversed(self.ledger.segments.values()):
            older = older or segment is last
            if older and segment.entries and _same_line(segment, last):
                return segment.segment_id, segment.entries
        return None

    def on_explanation(self, link: Link, record: r.Explanation) -> Gap | None:
        """The gap it is for, None when no record knows of it."""
        gap = self.ledger.gaps.get(record.gap_id)
        if gap is None:
            if self.whole():
                self.findings.add("explanation-gap-unknown", f"record {link.seq}", seq=link.seq, gap=record.gap_id)
            return None
        after = self.ledger.segments.get(gap.segment_id or "")
        spoken = self._spoken(link, record.speech, gap.session_id)
        spoken.gap_id, spoken.confirmed, spoken.counts = gap.gap_id, record.confirmed, record.counts
        spoken.before, spoken.after = record.before_sha256, record.after_sha256
        spoken.after_signed = after is not None and after.entries > 1
        press = self._presses.get(record.mark_id or "")
        if press is not None and press[0] == gap.session_id:
            spoken.pressed = press[1]
        if record.legal_cause is not None:
            gap.legal_cause = record.legal_cause
        return gap

    def on_note(self, link: Link, record: r.Note) -> None:
        spoken = self._spoken(link, record.speech, record.session_id)
        spoken.from_us, spoken.to_us = record.from_us, record.to_us

    def _spoken(self, link: Link, speech: tuple[r.SpeechSpan, ...], session_id: str) -> Spoken:
        segments = self.ledger.segments
        signed = {s.segment_id: segments[s.segment_id].entries for s in speech if s.segment_id in segments}
        spoken = Spoken(link.seq, session_id, self.boots.current, speech, signed, whole=self.whole())
        self.ledger.spoken.append(spoken)
        return spoken


def _same_line(one: Segment, other: Segment) -> bool:
    return (one.session_id, one.camera_id) == (other.session_id, other.camera_id) and one.role in ("live", "postroll")
