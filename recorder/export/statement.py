"""Facts of one gap for 《音像记录中断情况说明》 (art. 23), from the journal: the statement's machine-readable half. Pure.

What the journal cannot know (the reason in an officer's words, what was done meanwhile, documents made instead) is ``said``
by people: given to the command, or left for the hand. The cause of the law is a person's choice and never guessed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from recorder.evidence import records as r
from recorder.evidence.encoding import compact_json
from recorder.evidence.formatting import BEIJING
from recorder.export.facts import GapFacts, JournalFacts, OfficerStay, SessionFacts

TITLE = "音像记录中断情况说明"

SAID: dict[str, str] = {
    "agency": "行政执法机关",
    "entrusting_agency": "委托机关",
    "category": "执法类别",
    "item": "执法事项",
    "case": "案号（案件名称）",
    "party": "当事人",
    "stage": "执法环节",
    "place": "执法地点",
    "course": "中断原因及经过",
    "inability": "无法继续记录的情况",
    "measures": "已采取的措施",
    "enforcement": "中断期间的执法情况",
    "substitutes": "替代记录",
    "no_voice_reason": "未作语音说明的理由",
    "other_cause": "其他客观原因",
}
"""Fields people fill, by the name ``--set`` takes."""

Opener = Callable[[r.SealedField], object | None]
"""Opens a sealed field, or gives None."""


class UnknownGap(ValueError):
    """No gap, or more than one, begins with the text; ``zh`` and ``en`` say which there are."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")
        self.zh = zh
        self.en = en


def find_gap(facts: JournalFacts, text: str) -> GapFacts:
    """By id or its beginning. Raises UnknownGap."""
    found = [gap for gap in facts.gaps.values() if gap.gap_id.startswith(text)]
    if len(found) == 1:
        return found[0]
    known = "、".join(gap.gap_id for gap in facts.gaps.values()) or "—"
    if not found:
        raise UnknownGap(f"日志中没有中断 {text}；有：{known}", f"the journal has no gap {text}; it has: {known}")
    raise UnknownGap(f"{text} 不止指一个中断", f"{text} means more than one gap: {known}")


def statement_data(
    facts: JournalFacts,
    gap: GapFacts,
    open_field: Opener,
    said: Mapping[str, str],
    legal_cause: r.LegalCause | None = None,
) -> dict[str, Any]:
    """The statement's facts as JSON values: text, whole numbers, booleans, null (docs/formats.md §10)."""
    session = facts.sessions.get(gap.session_id)
    chosen = [said.legal_cause for said in gap.explanations if said.legal_cause is not None]
    start_us = facts.wall_us(gap.start)
    return {
        "ver": 1,
        "type": "interruption-statement",
        "title": TITLE,
        "number": f"{facts.unit_id}-{_at(start_us):%Y%m%d}-{gap.gap_id[:8]}",
        "unit": {"unit_id": facts.unit_id, "hardware": facts.hardware, "firmware": facts.software},
        "session": _session(facts, session),
        "gap": {
            "gap_id": gap.gap_id,
            "camera_id": gap.camera_id,
            "cause": gap.cause,
            "detail": gap.detail,
            "start": _iso(start_us),
            "start_us": gap.start.us,
            "start_bootseed": facts.boots[gap.start.boot].bootseed,
            "clock": _clock(gap.clock),
            "resumed": gap.resumed,
            "end": _iso(facts.wall_us(gap.end)) if gap.end is not None and gap.resumed else None,
            **_duration(facts, gap),
        },
        "legal_cause": legal_cause or (chosen[-1] if chosen else None),
        "voice": [_voice(explanation) for explanation in gap.explanations],
        "segment_before": _segment(facts, gap.last_segment_id),
        "segment_after": _segment(facts, gap.next_segment_id),
        "journal": {
            "journal_id": facts.journal_id,
            "interruption_seq": gap.seq,
            "last_seq": facts.last_seq,
            "last_digest": facts.last_digest,
        },
        "officers": _officers(facts, gap, session, open_field),
        "matter": _matter(session, open_field),
        "said": {name: said[name] for name in SAID if name in said},
    }


def _matter(session: SessionFacts | None, open_field: Opener) -> dict[str, Any] | None:
    """What the recording is about as last said in it, by the names of ``SAID``; what stays sealed is left out."""
    if session is None or session.matter is None:
        return None
    matter = session.matter
    sealed = {"item": matter.item, "entrusting_agency": matter.entrusting_agency, "documents": matter.documents}
    opened = {name: open_field(field) for name, field in sealed.items() if field is not None}
    known = {"category": matter.kind, "stage": matter.stage, **opened}
    return {name: value for name, value in known.items() if value is not None}


def canonical_json(data: dict[str, Any]) -> bytes:
    """The same bytes for the same facts: RFC 8785 for what :func:`statement_data` gives (no fraction, ASCII names)."""
    return compact_json(_sorted(data)) + b"\n"


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _session(facts: JournalFacts, session: SessionFacts | None) -> dict[str, Any] | None:
    if session is None:
        return None
    return {
        "session_id": session.session_id,
        "start": _iso(facts.wall_us(session.start)),
        "end": _iso(facts.wall_us(session.stop)) if session.stop is not None else None,
        "end_reason": session.stop_reason,
    }


def _duration(facts: JournalFacts, gap: GapFacts) -> dict[str, Any]:
    """Within a boot exact; across boots the wall clock's claim; not resumed: until the recording was ended."""
    if gap.duration_us is not None:
        return {"duration_ms": gap.duration_us // 1000, "duration_basis": gap.basis}
    if gap.end is None:
        return {"duration_ms": None, "duration_basis": None}
    if gap.end.boot == gap.start.boot:
        return {"duration_ms": (gap.end.us - gap.start.us) // 1000, "duration_basis": "boottime"}
    claim = facts.wall_us(gap.end) - facts.wall_us(gap.start)
    return {"duration_ms": max(0, claim) // 1000, "duration_basis": "wall"}


def _segment(facts: JournalFacts, segment_id: str | None) -> dict[str, Any] | None:
    if segment_id is None:
        return None
    segment = facts.segments.get(segment_id)
    return {"segment_id": segment_id, "sha256": segment.sha256 if segment is not None else None}


def _voice(explanation: r.Explanation) -> dict[str, Any]:
    return {
        "confirmed": explanation.confirmed,
        "legal_cause": explanation.legal_cause,
        "spans": [span.model_dump(mode="json") for span in explanation.speech],
    }


def _officers(
    facts: JournalFacts, gap: GapFacts, session: SessionFacts | None, open_field: Opener
) -> list[dict[str, Any]]:
    """Who was signed in between the beginning of the recording and its end; names only where they can be opened."""
    begin = session.start if session is not None else gap.start
    end = session.stop if session is not None and session.stop is not None else facts.end
    stays: dict[str, OfficerStay] = {}
    for stay in facts.stays:
        if stay.start <= end and (stay.end is None or stay.end >= begin):
            stays[stay.officer_ref] = stay
    found = []
    for ref, stay in stays.items():
        value = open_field(stay.officer)
        known = value if isinstance(value, dict) else {}
        found.append({"officer_ref": ref, "name": known.get("name"), "cert_no": known.get("cert_no")})
    return found


def _clock(clock: r.ClockClaim) -> dict[str, Any]:
    error = clock.max_error_ms
    return {
        "source": clock.source,
        "synchronized": clock.synchronized,
        "max_error_ms": None if error is None else -int(-error // 1),
    }


def _at(wall_us: int) -> datetime:
    return datetime.fromtimestamp(wall_us // 1_000_000, UTC).astimezone(BEIJING)


def _iso(wall_us: int) -> str:
    """To the second, +08:00."""
    return _at(wall_us).isoformat()


__all__ = ["SAID", "TITLE", "UnknownGap", "canonical_json", "find_gap", "statement_data"]
